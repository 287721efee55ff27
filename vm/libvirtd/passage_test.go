package libvirtd

import (
	"os"
	"path/filepath"
	"testing"
)

func TestLetThrough(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "qemu")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(letThrough(dir)) // not there
	must(os.Mkdir(dir, 0o750))
	for range 2 {
		must(letThrough(dir))
		info, err := os.Stat(dir)
		must(err)
		if got := info.Mode().Perm(); got != 0o751 {
			t.Errorf("mode %o, want 751: to be passed, and not to be read", got)
		}
	}
}
