package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ispctl/internal/testkit"
)

const reference = "../../docs/reference"

// TestReferenceIsFresh fails when a command was changed and its page was not,
// or when a page is of no command.
func TestReferenceIsFresh(t *testing.T) {
	want := pages(writeMarkdown, ".md")
	if len(want) < 20 {
		t.Fatalf("only %d commands have a page: the walk is broken", len(want))
	}
	have := map[string]string{}
	files, err := filepath.Glob(reference + "/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		have[filepath.Base(file)] = string(text)
	}
	if diff := cmp.Diff(have, want); diff != "" {
		t.Errorf("docs/reference is stale, run `make docs` (-have +want):\n%s", diff)
	}
}

// TestEnvironmentIsLeftOut has a default in the environment that no page may
// show.
func TestEnvironmentIsLeftOut(t *testing.T) {
	t.Setenv("ISPCTL_ROOT", "/of/this/machine")
	for name, text := range pages(writeMarkdown, ".md") {
		if strings.Contains(text, "/of/this/machine") {
			t.Errorf("%s has the default of this machine", name)
		}
	}
}

var groff = testkit.Feature{Name: "groff", Probe: func() error {
	_, err := exec.LookPath("groff")
	return err
}}

// TestManPages has groff set every page, which warns of what it does not
// understand, and looks for words that a careless escape would lose.
func TestManPages(t *testing.T) {
	testkit.Need(t, groff)
	dir := t.TempDir()
	if err := run(true, []string{dir}); err != nil {
		t.Fatal(err)
	}
	for name := range pages(writeMan, ".1") {
		if out := testkit.Sh(t, "groff", "-man", "-Tascii", "-ww", "-z", filepath.Join(dir, name)); out != "" {
			t.Errorf("%s: %s", name, out)
		}
	}
	text := testkit.Sh(t, "sh", "-c", "groff -man -Tascii "+filepath.Join(dir, "ispctl-vm-create.1")+" | col -bx")
	for _, want := range []string{"ISPCTL-VM-CREATE(1)", "--if-not-exists", "ispctl vm create web1 --template debian-12", "EXIT STATUS", "ispctl-vm(1)"} {
		if !strings.Contains(text, want) {
			t.Errorf("ispctl-vm-create(1) lacks %q:\n%s", want, text)
		}
	}
}

func TestRoff(t *testing.T) {
	for in, want := range map[string]string{
		"a-b":             `a\-b`,
		`C:\x`:            `C:\ex`,
		".TH x":           `\&.TH x`,
		"one\n'two":       "one\n\\&'two",
		"plain, as it is": "plain, as it is",
	} {
		if got := roff(in); got != want {
			t.Errorf("roff(%q) = %q, want %q", in, got, want)
		}
	}
}

// TestReplace writes twice, with a page of a command that is no more and a file
// of somebody else in the directory.
func TestReplace(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "man1")
	if err := replace(dir, ".1", map[string]string{"ispctl.1": "a", "ispctl-gone.1": "b"}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "ls.1"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := replace(dir, ".1", map[string]string{"ispctl.1": "c"}); err != nil {
		t.Fatal(err)
	}
	if got := testkit.Sh(t, "sh", "-c", "cd "+dir+" && ls && cat ispctl.1"); got != "ispctl.1\nls.1\nc" {
		t.Errorf("the directory holds %q", got)
	}
}
