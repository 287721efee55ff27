package libvirtd_test

import (
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ispctl/internal/testkit"
)

// TestWhatIsMissing takes one thing after another away, and reads in the error
// how to get it.
func TestWhatIsMissing(t *testing.T) {
	if !enter(t) {
		return
	}
	furnish(t)
	empty := filepath.Join(t.TempDir(), "empty")
	write(t, empty, nil)
	users := filepath.Join(t.TempDir(), "passwd")
	write(t, users, []byte(testkit.Sh(t, "grep", "-v", "libvirt-qemu", "/etc/passwd")))
	for _, tt := range []struct{ pattern, cover, want string }{
		{"/usr/lib/*/libvirt.so.0", empty, "apt install libvirt0"},
		{"/usr/lib/*/libvirt/connection-driver", t.TempDir(), "apt install libvirt-daemon-driver-qemu"},
		{"/etc/passwd", users, "adduser --system --group --no-create-home libvirt-qemu"},
	} {
		files, err := filepath.Glob(tt.pattern)
		must(t, err)
		if len(files) != 1 {
			t.Fatalf("%s: %v", tt.pattern, files)
		}
		must(t, unix.Mount(tt.cover, files[0], "", unix.MS_BIND, ""))
		got := worker(t, order{Model: -1}).outcome(t)
		must(t, unix.Unmount(files[0], 0))
		if !strings.HasSuffix(got.Error, tt.want) {
			t.Errorf("without %s: %s", files[0], got.Error)
		}
	}
	worker(t, order{Model: -1}).ok(t)
}
