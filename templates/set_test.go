package templates

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ispctl"
)

func put(t testing.TB, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "own.yaml", "name: alpine\nimage: alpine-3\ndescription: 'mine: all mine'\nlogin: alpine\n")
	put(t, dir, "override.yaml", "name: micro\nimage: my-micro\n")
	put(t, dir, "README", "not a template")
	s, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := []Template{
		{Name: "alpine", Image: "alpine-3", Description: "mine: all mine", Login: "alpine"},
		{Name: "debian-12", Image: "debian-12", Description: "Debian 12 (bookworm) with systemd, cloud-init and OpenSSH", Login: "root"},
		{Name: "debian-13", Image: "debian-13", Description: "Debian 13 (trixie) with systemd, cloud-init and OpenSSH", Login: "root"},
		{Name: "micro", Image: "my-micro", Login: "root"},
	}
	if diff := cmp.Diff(want, s.List()); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
	if got, err := s.Get("alpine"); err != nil || got != want[0] {
		t.Errorf("get: %+v, %v", got, err)
	}
	_, err = s.Get("debian-11")
	if ispctl.KindOf(err) != ispctl.NotFound || !strings.Contains(err.Error(), "have: alpine, debian-12, debian-13, micro") {
		t.Errorf("get debian-11: %v", err)
	}
	for _, none := range []string{"", filepath.Join(dir, "none")} {
		if s, err := Load(none); err != nil || len(s.List()) != 3 {
			t.Errorf("load %q: %v, %v", none, s.List(), err)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"unknown key", "name: a\nimage: b\nimages: c\n", "t.yaml:3:1: "},
		{"key twice", "name: a\nimage: b\nname: c\n", "t.yaml:3:1: "},
		{"wrong type", "name: a\nimage: [b]\n", "t.yaml:2:8: "},
		{"no YAML", "name: a\nimage: \"b\n", "t.yaml:"},
		{"a list", "- name\n", "t.yaml:1:1: "},
		{"nothing", "", "t.yaml:1:1: "},
		{"two documents", "name: a\nimage: b\n---\nname: c\n", "t.yaml:"},
		{"a path for a name", "name: ../a\nimage: b\n", `t.yaml:1:1: template "../a"`},
		{"no image", "name: a\n", "t.yaml:1:1: image: the name is empty"},
		{"a line in a login", "name: a\nimage: b\nlogin: \"x\\ny\"\n", "t.yaml:1:1: login"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			put(t, dir, "t.yaml", tt.text)
			_, err := Load(dir)
			if ispctl.KindOf(err) != ispctl.Usage || !strings.Contains(err.Error(), filepath.Join(dir, tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	dir := t.TempDir()
	put(t, dir, "a.yaml", "name: one\nimage: b\n")
	put(t, dir, "b.yaml", "name: one\nimage: c\n")
	if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), "a.yaml") || !strings.Contains(err.Error(), "b.yaml:1:1") {
		t.Errorf("two of one name: %v", err)
	}
}
