package state_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ispctl"
	"ispctl/state"
)

// journaled is a database with n rows in its journal, and a way to write to it
// past the program.
func journaled(t *testing.T, n int) (s *state.Store, root string, tamper func(string, ...any)) {
	t.Helper()
	root = t.TempDir()
	s = open(t, root)
	s.Asker = state.Asker{UID: 1000, Role: "operator", Source: "command"}
	for i := range n {
		e := state.Entry{Actor: "alice", Operation: "test", Object: fmt.Sprintf("vm %d", i+1), Detail: "x"}
		if _, err := s.Update(t.Context(), e, func(*state.Tx) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	dsn := url.URL{Scheme: "file", Opaque: ispctl.Paths{Root: root}.Database(), RawQuery: "_busy_timeout=5000"}
	db, err := sql.Open("sqlite3", dsn.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return s, root, func(query string, args ...any) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), query, args...); err != nil {
			t.Fatal(err)
		}
	}
}

func verify(t *testing.T, s *state.Store, kept *state.Head) (v state.Verdict, said string) {
	t.Helper()
	v, err := s.VerifyJournal(t.Context(), kept)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range v.Faults {
		said += f.Why + "\n"
	}
	return v, said
}

// TestVerifyFinds the ways to change the journal past the program: a row that is
// changed, goes, comes, moves, is cut off.
func TestVerifyFinds(t *testing.T) {
	const rows = 6
	s, _, _ := journaled(t, rows)
	if v, said := verify(t, s, nil); len(v.Faults) > 0 || v.Rows != rows || v.Behind != 0 || v.Head.ID != rows {
		t.Fatalf("untouched: %+v %s", v, said)
	}
	type act struct{ name, query, want string }
	acts := []act{
		{"a row goes", `DELETE FROM journal WHERE id = 3`, "row 4 follows row 2"},
		{"the first goes", `DELETE FROM journal WHERE id = 1`, "row 2 follows row 0"},
		{"the newest goes", `DELETE FROM journal WHERE id = 6`, "was cut off"},
		{"the newest two go", `DELETE FROM journal WHERE id > 4`, "was cut off"},
		{"all go", `DELETE FROM journal`, "was cut off"},
		{"the newest goes, and its number", `DELETE FROM journal WHERE id = 6; UPDATE sqlite_sequence SET seq = 5 WHERE name = 'journal'`, "names row 6, and the newest is 5"},
		{"two change places", `UPDATE journal SET id = -1 WHERE id = 2; UPDATE journal SET id = 2 WHERE id = 3; UPDATE journal SET id = 3 WHERE id = -1`, "row 2 is not the one"},
		{"one comes", `INSERT INTO journal (id, at, actor, operation, object, detail, hash) SELECT 7, at, actor, operation, object, detail, hash FROM journal WHERE id = 6`, "row 7 is not the one"},
		{"one is doubled in the middle", `UPDATE journal SET id = id + 100 WHERE id > 3; UPDATE journal SET id = id - 99 WHERE id > 100; INSERT INTO journal SELECT 4, at, actor, operation, object, detail, uid, role, source, hash FROM journal WHERE id = 3`, "row 4 is not the one"},
		{"no hashes", `UPDATE journal SET hash = ''`, "row 1 is not the one"},
	}
	// Each field of each row: TestVerifyFindsAnyRow.
	acts = append(acts, act{"at", `UPDATE journal SET at = '2020-01-01T00:00:00.000000000Z' WHERE id = 4`, "row 4 is not the one"},
		act{"at is no time", `UPDATE journal SET at = 'noon' WHERE id = 4`, "the row after row 3 cannot be read"})
	// What is taken from one field and given to the next leaves the same letters.
	acts = append(acts, act{"a letter moves on", `UPDATE journal SET operation = 'tes', object = 't' || object WHERE id = 4`, "row 4 is not the one"})
	for _, a := range acts {
		t.Run(a.name, func(t *testing.T) {
			s, _, tamper := journaled(t, rows)
			tamper(a.query)
			if v, said := verify(t, s, nil); len(v.Faults) == 0 || !strings.Contains(said, a.want) {
				t.Errorf("want %q, have %+v: %s", a.want, v, said)
			}
		})
	}
}

// TestVerifyByAKeptHead: who writes all of it anew, the file as well, is found
// by a head that was kept elsewhere, and by nothing else.
func TestVerifyByAKeptHead(t *testing.T) {
	s, root, tamper := journaled(t, 4)
	v, _ := verify(t, s, nil)
	kept := v.Head
	tamper(`DELETE FROM journal WHERE id = 4`)
	tamper(`UPDATE sqlite_sequence SET seq = 3 WHERE name = 'journal'`)
	v, _ = verify(t, s, nil)
	forged, err := json.Marshal(v.Head)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(ispctl.Paths{Root: root}.JournalHead(), forged, 0o600); err != nil {
		t.Fatal(err)
	}
	if v, said := verify(t, s, nil); len(v.Faults) > 0 {
		t.Errorf("a file that was written anew cannot show this, and says %s", said)
	}
	if _, said := verify(t, s, &kept); !strings.Contains(said, "the head that was given names row 4") {
		t.Errorf("with the kept head: %q", said)
	}
	kept.ID = 2
	if _, said := verify(t, s, &kept); !strings.Contains(said, "has another hash for row 2") {
		t.Errorf("with another hash: %q", said)
	}
}

// TestHeadFile is private, is written after each change, may lag behind, and is
// missed.
func TestHeadFile(t *testing.T) {
	s, root, _ := journaled(t, 2)
	path := ispctl.Paths{Root: root}.JournalHead()
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	two, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	update(t, s, func(*state.Tx) error { return nil })
	if err := os.WriteFile(path, two, 0o600); err != nil { // as a power cut between commit and file
		t.Fatal(err)
	}
	if v, said := verify(t, s, nil); v.Behind != 1 || len(v.Faults) > 0 {
		t.Errorf("behind by one: %+v %s", v, said)
	}
	update(t, s, func(*state.Tx) error { return nil })
	if v, said := verify(t, s, nil); v.Behind != 0 || len(v.Faults) > 0 {
		t.Errorf("brought on: %+v %s", v, said)
	}
	for what, spoil := range map[string]func() error{
		"file of the head is missing": func() error { return os.Remove(path) },
		"head of the journal":         func() error { return os.WriteFile(path, []byte("{"), 0o600) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		if _, said := verify(t, s, nil); !strings.Contains(said, what) {
			t.Errorf("want %q, have %q", what, said)
		}
	}
}

// TestChainOfOldRows: a journal from before the chain is chained when it is
// opened, and keeps what it said.
func TestChainOfOldRows(t *testing.T) {
	root := t.TempDir()
	s := open(t, root)
	update(t, s, fill)
	want, err := s.Rows(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite3", ispctl.Paths{Root: root}.Database())
	if err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{ // as it was before the migration
		`ALTER TABLE journal DROP COLUMN uid`, `ALTER TABLE journal DROP COLUMN role`, `ALTER TABLE journal DROP COLUMN source`, `ALTER TABLE journal DROP COLUMN hash`,
		`DROP TRIGGER total_of_zone`, `DROP TRIGGER total_of_tenant`, `DROP TABLE total`, `ALTER TABLE flow DROP COLUMN each`, `ALTER TABLE flow DROP COLUMN priority`,
		`DROP TABLE vpn`, `DROP TABLE vpn_service`, `DROP TABLE peer`, `DROP TABLE vm_root`, `DROP TABLE host_key`, `DROP TABLE gateway`, // of migrations after it
		`ALTER TABLE zone DROP COLUMN ksm`, `DROP TABLE sharing`, `DROP TABLE balloon`, `ALTER TABLE plan_limit DROP COLUMN word`, `ALTER TABLE vm_limit DROP COLUMN word`,
		`ALTER TABLE zone DROP COLUMN flows`, `ALTER TABLE metering DROP COLUMN flow_days`,
		`DROP TABLE vm_disk`, `DROP TABLE vm_snapshot`, `DROP TABLE boot`,
		`ALTER TABLE vm DROP COLUMN cpus`, `ALTER TABLE vm DROP COLUMN memory`, `ALTER TABLE vm DROP COLUMN disk_size`, `ALTER TABLE vm DROP COLUMN number`,
		`ALTER TABLE vm DROP COLUMN built`, `ALTER TABLE vm DROP COLUMN restored`, `ALTER TABLE vm DROP COLUMN cloned`, `ALTER TABLE vm DROP COLUMN rescue`,
		`ALTER TABLE vm DROP COLUMN start_off`, `ALTER TABLE vm DROP COLUMN start_order`, `ALTER TABLE vm DROP COLUMN start_delay`,
		`DELETE FROM quota WHERE tenant <> ''`, `ALTER TABLE quota RENAME TO q`, `CREATE TABLE quota AS SELECT vm, plan, volume, direction, day, action, rate, applied FROM q`, `DROP TABLE q`,
		`DELETE FROM goose_db_version WHERE version_id >= 13`,
		`INSERT INTO journal (at, actor, operation, object, detail) VALUES ('2026-01-01T00:00:00Z', 'root', 'old', 'vm a', 'it''s')`,
	} {
		if _, err := db.ExecContext(t.Context(), query); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(ispctl.Paths{Root: root}.JournalHead()); err != nil {
		t.Fatal(err)
	}
	s = open(t, root)
	v, said := verify(t, s, nil)
	if len(v.Faults) > 0 || v.Rows != len(want)+1 || v.Behind != 0 {
		t.Errorf("%+v %s", v, said)
	}
	rows, err := s.Rows(t.Context(), 0)
	if err != nil || rows[1].Detail != "it's" || rows[1].UID != -1 || rows[0].Actor != want[0].Actor {
		t.Errorf("%+v, %v", rows, err)
	}
	update(t, s, func(*state.Tx) error { return nil })
	if v, said := verify(t, s, nil); len(v.Faults) > 0 || v.Rows != len(want)+2 {
		t.Errorf("with one more: %+v %s", v, said)
	}
}

const appenderEnv = "ISPCTL_TEST_APPENDER"

// TestChainOfMany: two processes append at once, and the chain is one.
func TestChainOfMany(t *testing.T) {
	if root := os.Getenv(appenderEnv); root != "" {
		s := open(t, root)
		for range 15 {
			update(t, s, func(*state.Tx) error { return nil })
		}
		return
	}
	s, root, _ := journaled(t, 1)
	var all []*exec.Cmd
	for range 2 {
		cmd := exec.Command("/proc/self/exe", "-test.run=^TestChainOfMany$")
		cmd.Env = append(os.Environ(), appenderEnv+"="+root)
		check(t, cmd.Start())
		all = append(all, cmd)
	}
	for _, cmd := range all {
		check(t, cmd.Wait())
	}
	if v, said := verify(t, s, nil); len(v.Faults) > 0 || v.Rows != 31 || v.Behind != 0 {
		t.Errorf("%+v %s", v, said)
	}
	if _, err := os.Stat(filepath.Dir(ispctl.Paths{Root: root}.JournalHead())); err != nil {
		t.Error(err)
	}
}
