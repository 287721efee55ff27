package libvirtd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// driverDir has a directory per guest of libvirt's system daemon, with what its
// QEMU reads at its start.
const driverDir = "/var/lib/libvirt/qemu"

// letThrough lets users pass a directory without seeing what is in it. Debian makes
// [driverDir] for the one user that it runs all guests as (0750); ours run as a
// user each, which libvirt's own packages allow for (0751).
func letThrough(dir string) error {
	const pass = 0o001
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the daemon is told to use another
	}
	if err == nil && info.Mode().Perm()&pass == 0 {
		err = os.Chmod(dir, info.Mode().Perm()|pass)
	}
	if err != nil {
		return fmt.Errorf("let guests into %s: %w", dir, err)
	}
	return nil
}
