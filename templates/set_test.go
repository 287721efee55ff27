package templates

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

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
		{Name: "alpine", Image: "alpine-3", Description: "mine: all mine", Login: "alpine", Setup: SetupCloudInit, Console: ConsoleLogin},
		{Name: "debian-12", Image: "debian-12", Description: "Debian 12 (bookworm) with systemd, cloud-init and OpenSSH", Login: "root", Setup: SetupCloudInit, Console: ConsoleLogin},
		{Name: "debian-13", Image: "debian-13", Description: "Debian 13 (trixie) with systemd, cloud-init and OpenSSH", Login: "root", Setup: SetupCloudInit, Console: ConsoleLogin},
		{Name: "micro", Image: "my-micro", Login: "root", Setup: SetupCloudInit, Console: ConsoleLogin},
	}
	if diff := cmp.Diff(want, s.List()); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
	if got, err := s.Get("alpine"); err != nil || !cmp.Equal(got, want[0]) {
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
		{"itself", "name: a\nfrom: a\n", "t.yaml:1:1: from \"a\": leads in a circle: a -> a"},
		{"a parent that is none", "name: a\nfrom: b\n", "t.yaml:1:1: from: template \"b\" not found (have: a, debian-12, "},
		{"a file with ..", "name: a\nimage: b\nfiles: [{path: /etc/../../x}]\n", "t.yaml:1:1: file"},
		{"a file without a root", "name: a\nimage: b\nfiles: [{path: etc/x}]\n", "t.yaml:1:1: file"},
		{"a line in a path", "name: a\nimage: b\nfiles: [{path: \"/etc/x\\ny\"}]\n", "t.yaml:1:1: file"},
		{"set-user-ID", "name: a\nimage: b\nfiles: [{path: /x, mode: 4755}]\n", "t.yaml:1:1: file"},
		{"an owner with a shell", "name: a\nimage: b\nfiles: [{path: /x, owner: 'root:$(id)'}]\n", "t.yaml:1:1: file"},
		{"a step for a shell", "name: a\nimage: b\nsteps: [{run: rm -rf /}]\n", "t.yaml:3:"},
		{"a step of both kinds", "name: a\nimage: b\nsteps: [{run: [x], script: '#!/bin/sh'}]\n", "t.yaml:1:1: step"},
		{"a step of neither", "name: a\nimage: b\nsteps: [{}]\n", "t.yaml:1:1: step"},
		{"a script of no program", "name: a\nimage: b\nsteps: [{script: 'rm x'}]\n", "t.yaml:1:1: script"},
		{"a zero in an argument", "name: a\nimage: b\nsteps: [{run: [x, \"a\\0b\"]}]\n", "t.yaml:1:1: step"},
		{"an option for a package", "name: a\nimage: b\npackages: [--allow-unauthenticated]\n", "t.yaml:1:1: package"},
		{"a user called root", "name: a\nimage: b\nusers: [{name: root}]\n", "t.yaml:1:1: user"},
		{"a line in a user", "name: a\nimage: b\nusers: [{name: \"x\\ny\"}]\n", "t.yaml:1:1: user"},
		{"an option before a key", "name: a\nimage: b\nusers: [{name: x, keys: ['command=\"x\" " + key + "']}]\n", "t.yaml:1:1: "},
		{"a service of no port", "name: a\nimage: b\nservices: [http]\n", "t.yaml:1:1: service"},
		{"a console of its own", "name: a\nimage: b\nconsole: ssh\n", "t.yaml:1:1: console"},
		{"packages without cloud-init", "name: a\nfrom: micro\npackages: [vim]\n", "t.yaml:1:1: setup"},
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

// TestFrom puts three templates on top of one another, and closes a circle of
// three.
func TestFrom(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "web.yaml", `name: web
from: base
plan: small
packages: [nginx, curl]
files: [{path: /etc/motd, content: web, mode: 600}, {path: /etc/web, content: x}]
steps: [{run: [nginx, -t]}]
services: [80/tcp]
`)
	put(t, dir, "base.yaml", `name: base
description: not handed down
from: debian-12
login: admin
console: none
packages: [curl, vim]
users: [{name: alice, groups: [adm], sudo: true}]
files: [{path: /etc/motd, content: base}]
steps: [{script: "#!/bin/sh\n"}]
services: [22/tcp]
`)
	s, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Get("web")
	if err != nil {
		t.Fatal(err)
	}
	want := Template{
		Name: "web", From: "base", Image: "debian-12", Plan: "small", Login: "admin", Setup: SetupCloudInit, Console: ConsoleNone,
		Packages: []string{"curl", "vim", "nginx"}, Users: []User{{Name: "alice", Groups: []string{"adm"}, Sudo: true, Shell: "/bin/bash"}},
		Files: []File{
			{Path: "/etc/motd", Mode: "0600", Owner: "root:root", Content: "web"},
			{Path: "/etc/web", Mode: "0644", Owner: "root:root", Content: "x"},
		},
		Steps:    []Step{{Script: "#!/bin/sh\n"}, {Run: []string{"nginx", "-t"}}},
		Services: []string{"22/tcp", "80/tcp"},
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	put(t, dir, "debian.yaml", "name: debian-12\nfrom: web\nimage: debian-12\n")
	_, err = Load(dir)
	if ispctl.KindOf(err) != ispctl.Usage || !strings.Contains(err.Error(), "base.yaml:1:1: from \"debian-12\": leads in a circle: base -> debian-12 -> web -> base") {
		t.Errorf("a circle of three: %v", err)
	}
}
