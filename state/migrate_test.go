package state

import (
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/mattn/go-sqlite3"

	"ispctl"
)

// TestPragmasAreOn in every connection of either pool.
func TestPragmasAreOn(t *testing.T) {
	s, err := Open(t.Context(), ispctl.Installation{Prefix: "isp"}, ispctl.Paths{Root: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close() //nolint:errcheck // a test
	for _, tt := range []struct {
		pool         string
		db           *sql.DB
		pragma, want string
	}{
		{"write", s.write, "foreign_keys", "1"},
		{"write", s.write, "journal_mode", "wal"},
		{"write", s.write, "synchronous", "2"}, // FULL
		{"write", s.write, "busy_timeout", "5000"},
		{"write", s.write, "query_only", "0"},
		{"read", s.read, "foreign_keys", "1"},
		{"read", s.read, "journal_mode", "wal"},
		{"read", s.read, "busy_timeout", "5000"},
		{"read", s.read, "query_only", "1"},
	} {
		conns := 1
		if tt.db == s.read {
			conns = 3
		}
		for range conns {
			conn, err := tt.db.Conn(t.Context()) // held, so that the next one is another
			if err != nil {
				t.Fatal(err)
			}
			var got string
			if err := conn.QueryRowContext(t.Context(), "PRAGMA "+tt.pragma).Scan(&got); err != nil || got != tt.want {
				t.Errorf("%s: %s is %s, not %s, %v", tt.pool, tt.pragma, got, tt.want, err)
			}
			defer conn.Close() //nolint:errcheck // a test
			if tt.db == s.write {
				if err := conn.Close(); err != nil {
					t.Error(err)
				}
			}
		}
	}
	if _, err := s.read.ExecContext(t.Context(), `DELETE FROM zone`); err == nil {
		t.Error("the readers can write")
	}
}

// schemas are the first n of: ours, one that adds a column, one that is
// broken half-way.
func schemas(t testing.TB, n int) fs.FS {
	t.Helper()
	files := fstest.MapFS{}
	first, err := fs.ReadFile(migrations, "migrations/0001_provider.sql")
	if err != nil {
		t.Fatal(err)
	}
	for i, text := range []string{
		string(first),
		"-- +goose Up\nALTER TABLE plan ADD COLUMN rate INTEGER NOT NULL DEFAULT 7;\n",
		"-- +goose Up\nALTER TABLE plan ADD COLUMN more INTEGER NOT NULL DEFAULT 8;\nALTER TABLE nonsense ADD COLUMN x INTEGER;\n",
	}[:n] {
		files["000"+string(rune('1'+i))+"_x.sql"] = &fstest.MapFile{Data: []byte(text)}
	}
	return files
}

func TestMigrateKeepsWhatWas(t *testing.T) {
	path := filepath.Join(t.TempDir(), "it's a db")
	connectTo := func(path string) *sql.DB {
		t.Helper()
		db, err := connect(path, "_txlock=immediate")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
		return db
	}
	count := func(db *sql.DB, query string) int {
		t.Helper()
		var n int
		if err := db.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		return n
	}
	const columns = `SELECT count(*) FROM pragma_table_info('plan')`
	db := connectTo(path)
	if _, err := migrate(t.Context(), db, path, schemas(t, 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), `INSERT INTO plan VALUES ('small', 1, 2, 3, 0)`); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path + ".schema0"); err == nil {
		t.Error("what was not there yet was kept")
	}

	// What a killed attempt left is no backup.
	if err := os.WriteFile(path+".schema1.tmp", []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := migrate(t.Context(), db, path, schemas(t, 2)); err != nil {
		t.Fatal(err)
	}
	if n := count(db, `SELECT rate FROM plan WHERE name = 'small'`); n != 7 {
		t.Errorf("the new column is %d", n)
	}
	before := connectTo(path + ".schema1")
	if n := count(before, columns); n != 5 {
		t.Errorf("the backup has %d columns, not those of before", n)
	}
	if n := count(before, `SELECT count(*) FROM plan`); n != 1 {
		t.Errorf("the backup has %d rows", n)
	}
	if _, err := os.Stat(path + ".schema1.tmp"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("half a backup is left: %v", err)
	}

	_, err := migrate(t.Context(), db, path, schemas(t, 3))
	if err == nil || !strings.Contains(err.Error(), "bring schema from 2 to 3") {
		t.Errorf("a broken migration: %v", err)
	}
	if n := count(db, columns); n != 6 {
		t.Errorf("half a migration stayed: %d columns", n)
	}
	if _, err := migrate(t.Context(), db, path, schemas(t, 2)); err != nil {
		t.Errorf("what works no more after it: %v", err)
	}
	if n := count(connectTo(path+".schema2"), columns); n != 6 {
		t.Errorf("the second backup has %d columns", n)
	}
}

func TestBusyIsAConflict(t *testing.T) {
	if err := busy(sqlite3.Error{Code: sqlite3.ErrBusy}); ispctl.KindOf(err) != ispctl.Conflict || !strings.Contains(err.Error(), "another ispctl is writing") {
		t.Errorf("%v", err)
	}
	if err := busy(fs.ErrExist); !errors.Is(err, fs.ErrExist) || ispctl.KindOf(err) != ispctl.Failed {
		t.Errorf("another error: %v", err)
	}
}
