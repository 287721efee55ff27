package state_test

import (
	"bytes"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ispctl"
	"ispctl/state"
)

// TestOpenMakesItOnce and finds it again.
func TestOpenMakesItOnce(t *testing.T) {
	root := t.TempDir()
	paths := ispctl.Paths{Root: root}
	if m := modelOf(t, open(t, root)); m.Installation != inst || m.Paths != paths || len(m.Zones) != 0 {
		t.Errorf("%+v", m)
	}
	update(t, open(t, root), fill)
	if m := modelOf(t, open(t, root)); len(m.Zones) != 2 {
		t.Errorf("%+v", m)
	}
	for path, want := range map[string]os.FileMode{filepath.Dir(paths.Database()): 0o711, paths.Database(): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want %v", path, info.Mode(), err, want)
		}
	}
}

// TestOddPaths are what a URI would take for something else.
func TestOddPaths(t *testing.T) {
	for _, name := range []string{"a b", "a?b=c", "a%20b", "a#b", "a&mode=memory", "a+b", "a'b\"c", "\u00e9", "a;b", "file:a", "a%"} {
		t.Run(name, func(t *testing.T) {
			root := filepath.Join(t.TempDir(), name)
			s := open(t, root)
			update(t, s, fill)
			if m := modelOf(t, s); len(m.VMs) != 1 {
				t.Errorf("%+v", m)
			}
			if info, err := os.Stat(ispctl.Paths{Root: root}.Database()); err != nil || info.Size() == 0 {
				t.Errorf("it is not where it should be: %v, %v", info, err)
			}
			around, err := os.ReadDir(filepath.Dir(root))
			if err != nil || len(around) != 1 {
				t.Errorf("beside it: %v, %v", around, err)
			}
		})
	}
}

func TestRelativeRoot(t *testing.T) {
	t.Chdir(t.TempDir())
	update(t, open(t, "here"), fill)
	if _, err := os.Stat("here/var/lib/ispctl/ispctl.db"); err != nil {
		t.Error(err)
	}
}

func TestOpenRefuses(t *testing.T) {
	for name, harm := range map[string]func(t *testing.T, paths ispctl.Paths){
		"a directory in its place": func(t *testing.T, paths ispctl.Paths) {
			if err := os.MkdirAll(paths.Database(), 0o755); err != nil {
				t.Fatal(err)
			}
		},
		"a file in its directory's place": func(t *testing.T, paths ispctl.Paths) { put(t, filepath.Dir(paths.Database()), "x") },
		"something else in the file":      func(t *testing.T, paths ispctl.Paths) { put(t, paths.Database(), strings.Repeat("no database ", 1000)) },
	} {
		t.Run(name, func(t *testing.T) {
			paths := ispctl.Paths{Root: t.TempDir()}
			harm(t, paths)
			if s, err := state.Open(t.Context(), inst, paths); err == nil || s != nil || !strings.Contains(err.Error(), "database") {
				t.Errorf("%v, %v", s, err)
			}
		})
	}
}

func put(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestNewerSchemaIsLeftAsItIs down to the last byte.
func TestNewerSchemaIsLeftAsItIs(t *testing.T) {
	paths := ispctl.Paths{Root: t.TempDir()}
	s, err := state.Open(t.Context(), inst, paths)
	if err != nil {
		t.Fatal(err)
	}
	update(t, s, fill)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite3", paths.Database())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)`); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	before := files(t, filepath.Dir(paths.Database()))
	s, err = state.Open(t.Context(), inst, paths)
	migrations, globErr := filepath.Glob("migrations/*") // one of them is a program
	if globErr != nil {
		t.Fatal(globErr)
	}
	newest, _, _ := strings.Cut(filepath.Base(migrations[len(migrations)-1]), "_")
	want := "database " + paths.Database() + ": has schema 9999, and this ispctl knows up to " + strings.TrimLeft(newest, "0") + "; use the newer ispctl that wrote it"
	if err == nil || s != nil || err.Error() != want || ispctl.KindOf(err) != ispctl.Failed {
		t.Errorf("want %s\nhave %v", want, err)
	}
	if after := files(t, filepath.Dir(paths.Database())); !cmp.Equal(before, after) {
		t.Errorf("it was changed: %d files before, %d after", len(before), len(after))
	}
}

// files is what is in a directory, by name.
func files(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all[e.Name()] = string(bytes.Clone(data))
	}
	return all
}
