package images

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ispctl/internal/testkit"
)

// seedFiles are the names that guests look for, with contents of every awkward
// length: none, a sector, one byte more, and no newline at the end.
func seedFiles() map[string][]byte {
	return map[string][]byte{
		"meta-data":              []byte("instance-id: i-1\n"),
		"user-data":              bytes.Repeat([]byte("x"), 2049),
		"network-config":         bytes.Repeat([]byte("y"), 2048),
		"ispctl/authorized_keys": []byte("ssh-ed25519 AAAA no newline"),
		"ispctl/empty":           {},
		"ispctl/hostname":        []byte("web1\n"),
	}
}

// TestWriteSeed reads the image with two programs that share no code with the
// writer: isoinfo shows the names as ISO 9660 has them, xorriso as isofs(5) of
// Linux shows them. (libarchive refuses images without path tables, which the
// library does not write and Linux does not read.)
func TestWriteSeed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "seed.iso")
	write(t, path, "what was there")
	if err := WriteSeed(path, seedFiles()); err != nil {
		t.Fatal(err)
	}
	if out := testkit.Sh(t, "isoinfo", "-d", "-i", path); !strings.Contains(out, "Volume id: cidata\n") {
		t.Errorf("isoinfo: %s", out)
	}
	tree := filepath.Join(t.TempDir(), "tree")
	testkit.Sh(t, "xorriso", "-osirrox", "on", "-indev", path, "-extract", "/", tree)
	for name, want := range seedFiles() {
		if got := testkit.Sh(t, "isoinfo", "-i", path, "-x", "/"+name+";1"); got != string(want) {
			t.Errorf("isoinfo reads %d bytes of %s, want %d", len(got), name, len(want))
		}
		got, err := os.ReadFile(filepath.Join(tree, name))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("xorriso reads %d bytes of %s, want %d (%v)", len(got), name, len(want), err)
		}
	}
	if out := testkit.Sh(t, "blkid", "-p", "-o", "export", path); !strings.Contains(out, "LABEL=cidata\n") || !strings.Contains(out, "TYPE=iso9660\n") {
		t.Errorf("blkid: %s", out)
	}
	if names := ls(t, filepath.Dir(path)); !cmp.Equal(names, []string{"seed.iso"}) {
		t.Errorf("the directory holds %v", names)
	}
}

// TestSeedIsDeterministic writes the same files across a change of the clock's
// finest unit that the format has.
func TestSeedIsDeterministic(t *testing.T) {
	first, err := encodeSeed(seedFiles())
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(20 * time.Millisecond)
	second, err := encodeSeed(seedFiles())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, second) {
		t.Error("the same files gave other bytes")
	}
	other := seedFiles()
	other["meta-data"] = []byte("instance-id: i-2\n")
	third, err := encodeSeed(other)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(first, third) {
		t.Error("other files gave the same bytes")
	}
}

func TestWriteSeedRefuses(t *testing.T) {
	for _, name := range []string{"", "/", "User-Data", "a.b.c", "../x", "a//b", "a/", "/a", "x y", "x\n", strings.Repeat("a", 40), "d.d/x"} {
		path := filepath.Join(t.TempDir(), "seed.iso")
		if err := WriteSeed(path, map[string][]byte{name: nil}); err == nil {
			t.Errorf("took the name %q", name)
		}
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%q: left a file", name)
		}
	}
	if err := WriteSeed(filepath.Join(t.TempDir(), "seed.iso"), nil); err == nil {
		t.Error("took no files at all")
	}
}
