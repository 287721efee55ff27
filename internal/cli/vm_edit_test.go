package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// editorThat is an editor that does a thing to the file it is given.
func editorThat(t *testing.T, script string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "editor")
	if err := os.WriteFile(path, []byte("#!/bin/sh\nset -e\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("VISUAL", path+" ")
	t.Setenv("TMPDIR", t.TempDir())
}

func kept(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(os.Getenv("TMPDIR"), "*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestEdit(t *testing.T) {
	reading(t)
	root := worldThatConverges(t)
	editorThat(t, ":")
	if out := ok(t, root, "vm", "edit", "web1"); out != "nothing was changed\n" {
		t.Errorf("an editor that did nothing: %q", out)
	}
	editorThat(t, `[ "$(stat -c %a "$1")" = 600 ]; echo "  cpus: 3" >>"$1"; echo "  disks: [{name: data, size: 1GiB}]" >>"$1"`)
	out := ok(t, root, "vm", "edit", "web1")
	for _, want := range []string{"~ vm web1 cpus 2 -> 3", "+ disk web1/data 1GiB"} {
		if !strings.Contains(out, want) {
			t.Errorf("edited:\n%s\nwant %s", out, want)
		}
	}
	if files := kept(t); len(files) > 0 {
		t.Errorf("left: %v", files)
	}
	for _, tt := range []struct {
		name, script, want string
		code               int
	}{
		{"an unknown key", `echo "  colour: red" >>"$1"`, `unknown key "colour"`, 2},
		{"another name", `sed -i 's/name: web1/name: web7/' "$1"`, `is not about vm "web1" alone`, 2},
		{"more than the VM", `echo "zones: []" >>"$1"; echo "plans: [{name: x, cpus: 1, memory: 1GiB, disk: 1GiB}]" >>"$1"`, `is not about vm "web1" alone`, 2},
		{"another zone", `sed -i 's/zone: dmz/zone: mail/' "$1"`, "zone is dmz and cannot become mail", 5},
		{"an editor that fails", `exit 3`, "your text is kept in", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			editorThat(t, tt.script)
			before := ok(t, root, "export")
			exits{"vm edit web1", tt.code, tt.want}.checkCode(t, root)
			if len(kept(t)) != 1 {
				t.Errorf("the text was lost: %v", kept(t))
			}
			if after := ok(t, root, "export"); after != before {
				t.Errorf("changed:\n%s", after)
			}
		})
	}
	t.Setenv("VISUAL", "/nonexistent/editor")
	exits{"vm edit web1", 1, "EDITOR=nano ispctl vm edit web1"}.checkCode(t, root)
	exits{"vm edit nope", 3, `vm "nope" not found`}.checkCode(t, root)
}

func TestCreateWithSizes(t *testing.T) {
	reading(t)
	root := worldThatConverges(t)
	const create = "vm create web3 --template micro --zone dmz --plan small"
	for _, e := range []exits{
		{create + " --cpus 0", 2, `number of CPUs "0"`},
		{create + " --memory lots", 2, `size "lots"`},
		{create + " --memory 1KiB", 2, "with sizes of its own"},
	} {
		e.checkCode(t, root)
	}
	ok(t, root, strings.Fields(create+" --cpus 2 --memory 2GiB --disk 2GiB")...)
	text := ok(t, root, "export")
	_, text, _ = strings.Cut(text, "name: web3\n")
	for _, want := range []string{"cpus: 2\n", "memory: 2GiB\n", "disk: 2GiB\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("want %s in:\n%s", want, text)
		}
	}
}
