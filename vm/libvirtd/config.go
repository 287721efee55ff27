package libvirtd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"ispctl"
)

// writeConfig writes the embedded driver's qemu.conf.
func writeConfig(paths ispctl.Paths) error {
	// QEMU, which is not root, opens what libvirt has written for it below.
	if err := errors.Join(os.MkdirAll(paths.Embed(), 0o711), os.Chmod(paths.Embed(), 0o711)); err != nil {
		return fmt.Errorf("make directory of libvirt: %w", err)
	}
	dir := filepath.Join(paths.Embed(), "etc")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make directory of qemu.conf: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(paths.Embed(), "log"), 0o700); err != nil {
		return fmt.Errorf("make directory of libvirt's log: %w", err)
	}
	path := filepath.Join(dir, "qemu.conf")
	if have, err := os.ReadFile(path); err == nil && string(have) == qemuConf {
		return nil
	}
	// Renamed into place: a process killed here must not leave half of it.
	if err := os.WriteFile(path+".tmp", []byte(qemuConf), 0o600); err != nil {
		return fmt.Errorf("write qemu.conf: %w", err)
	}
	return os.Rename(path+".tmp", path)
}

// qemuConf is for a process that is root on a machine where nothing else
// manages QEMU. https://libvirt.org/drvqemu.html
const qemuConf = `# Written by ispctl. Changes are overwritten.

# There is no virtlogd: QEMU writes the logs itself.
stdio_handler = "file"

# There may be neither AppArmor nor a profile of it.
security_driver = "none"

# Each guest's process has a user of its own, by its definition, and its files
# are that user's from the start. Were libvirt to change owners, it would mark
# the image's kernel, which guests share, with reference counts that a kill -9
# leaves wrong for good.
user = "nobody"
group = "nogroup"
dynamic_ownership = 0

# Nor is there an owner to be remembered: for each look at a file libvirt would
# fork, five times a start, and a fork costs more the more guests it has a thread
# for.
remember_owner = 0

# QEMU runs in the namespaces of the process that starts it. A /dev of its own
# would show it the /dev/kvm that was hidden from us.
namespaces = []

# No machined and no systemd is asked for a control group.
cgroup_controllers = []
`
