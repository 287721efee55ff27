package images

import (
	"bytes"
	"fmt"
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

// seedOf is a seed of these files.
func seedOf(files map[string][]byte) Seed {
	return Seed{Digest: "digest", Files: func() (map[string][]byte, error) { return files, nil }}
}

// TestWriteSeed reads the image with programs that share no code with the
// writer: isoinfo shows the names as ISO 9660 has them, xorriso as isofs(5) of
// Linux shows them.
func TestWriteSeed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "seed.iso")
	write(t, path, "what was there")
	if err := WriteSeed(path, seedOf(seedFiles())); err != nil {
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
	if digest, err := readSeedDigest(path); err != nil || digest != "digest" {
		t.Errorf("the digest reads %q, %v", digest, err)
	}
	if out := testkit.Sh(t, "blkid", "-p", "-o", "export", path); !strings.Contains(out, "LABEL=cidata\n") || !strings.Contains(out, "TYPE=iso9660\n") {
		t.Errorf("blkid: %s", out)
	}
	if names := ls(t, filepath.Dir(path)); !cmp.Equal(names, []string{"seed.iso"}) {
		t.Errorf("the directory holds %v", names)
	}
}

// TestSeedOfManyFiles has directories that fill more than a sector, and some in
// others.
func TestSeedOfManyFiles(t *testing.T) {
	files := map[string][]byte{}
	for i := range 100 {
		files[fmt.Sprintf("a-rather-long-name-%d", i%10)+fmt.Sprintf("/sub%d/file-%03d.txt", i%3, i)] = fmt.Appendf(nil, "file %d", i)
		files[fmt.Sprintf("top-%03d", i)] = nil
	}
	path := filepath.Join(t.TempDir(), "seed.iso")
	if err := WriteSeed(path, seedOf(files)); err != nil {
		t.Fatal(err)
	}
	tree := filepath.Join(t.TempDir(), "tree")
	testkit.Sh(t, "xorriso", "-osirrox", "on", "-indev", path, "-extract", "/", tree)
	for name, want := range files {
		if got, err := os.ReadFile(filepath.Join(tree, name)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	list := strings.Fields(testkit.Sh(t, "isoinfo", "-f", "-i", path))
	if dirs := 10 + 30; len(list) != len(files)+dirs {
		t.Errorf("isoinfo lists %d names, want %d", len(list), len(files)+dirs)
	}
}

// TestSeedByHand is what may be found in the place of a seed: all of it is
// replaced.
func TestSeedByHand(t *testing.T) {
	k, root := world(t)
	m := model(root, guest("a", uuid1, "small", "key1"))
	want := converged(t, k, m)[uuid1].Seed
	for name, spoil := range map[string]func(path string) error{
		"gone":        os.Remove,
		"empty":       func(path string) error { return os.Truncate(path, 0) },
		"another":     func(path string) error { return WriteSeed(path, Seed{"other", seedOf(seedFiles()).Files}) },
		"of somebody": func(path string) error { return os.WriteFile(path, make([]byte, 1<<16), 0o600) },
	} {
		if err := spoil(k.Paths.Seed(uuid1)); err != nil {
			t.Fatal(err)
		}
		if have := converged(t, k, m)[uuid1].Seed; have != want {
			t.Errorf("%s: after a pass the digest is %q, want %q", name, have, want)
		}
	}
}

// TestSeedIsDeterministic writes the same files across a change of the clock's
// finest unit that the format has.
func TestSeedIsDeterministic(t *testing.T) {
	first, err := encodeSeed(seedOf(seedFiles()))
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(20 * time.Millisecond)
	second, err := encodeSeed(seedOf(seedFiles()))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, second) {
		t.Error("the same files gave other bytes")
	}
	other := seedFiles()
	other["meta-data"] = []byte("instance-id: i-2\n")
	third, err := encodeSeed(seedOf(other))
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
		if err := WriteSeed(path, seedOf(map[string][]byte{name: nil})); err == nil {
			t.Errorf("took the name %q", name)
		}
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%q: left a file", name)
		}
	}
	if err := WriteSeed(filepath.Join(t.TempDir(), "seed.iso"), seedOf(nil)); err == nil {
		t.Error("took no files at all")
	}
}
