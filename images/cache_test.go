package images

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"ispctl/internal/testkit"
)

func TestCache(t *testing.T) {
	ctx := t.Context()
	s := &Store{Dir: t.TempDir()}
	stage, err := s.Stage()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range contents {
		write(t, filepath.Join(stage.Dir, name), name)
	}
	c := cache{dir: filepath.Join(t.TempDir(), "cache"), key: strings.Repeat("c", 64)}
	image, err := s.Add(ctx, stage.Dir, Manifest{Name: "micro", Recipe: c.key})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := c.fetch(ctx, t.TempDir()); ok {
		t.Error("found in an empty cache")
	}
	for range 2 { // the second replaces the first
		if err := c.keep(filepath.Join(s.Dir, image.Digest)); err != nil {
			t.Fatal(err)
		}
	}
	if names := ls(t, c.dir); !cmp.Equal(names, []string{c.key}) {
		t.Errorf("the cache holds %v", names)
	}
	other := &Store{Dir: t.TempDir()}
	again, err := other.Stage()
	if err != nil {
		t.Fatal(err)
	}
	m, ok := c.fetch(ctx, again.Dir)
	if !ok {
		t.Fatal("not found after it was kept")
	}
	if placed, err := other.place(again.Dir, m); err != nil || placed.Digest != image.Digest || other.Verify(ctx, placed.Digest) != nil {
		t.Errorf("placed %+v, %v", placed, err)
	}
	for _, name := range append(contents[:], manifestFile) {
		if err := c.keep(filepath.Join(s.Dir, image.Digest)); err != nil {
			t.Fatal(err)
		}
		overwrite(t, c.entry(), name, "spoilt")
		empty := t.TempDir()
		if _, ok := c.fetch(ctx, empty); ok || len(ls(t, empty)) != 0 {
			t.Errorf("with %s spoilt: found %v, left %v", name, ok, ls(t, empty))
		}
	}
	if err := s.Verify(ctx, image.Digest); err != nil {
		t.Errorf("spoiling the cache spoilt the store: %v", err)
	}
}

func TestCopyFileKeepsHoles(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
	f, err := os.Create(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int64{1 << 20, 64 << 20} {
		if _, err := f.WriteAt([]byte("data"), at); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(f.Truncate(128<<20), f.Close(), copyFile(from, to)); err != nil {
		t.Fatal(err)
	}
	testkit.Sh(t, "cmp", from, to)
	var st unix.Stat_t
	if err := unix.Stat(to, &st); err != nil || st.Size != 128<<20 || st.Blocks*512 > 1<<20 {
		t.Errorf("%d bytes in %d blocks, %v", st.Size, st.Blocks, err)
	}
}
