package libvirtd

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"ispctl"
)

// HideKVM moves the calling thread into a mount namespace of its own, in which
// /dev/kvm can be read and not written. Whoever calls it has locked the thread
// and goes on with execve(2): it is the new program, all of it, that is in the
// namespace, and so is every QEMU it starts. Call it where [vm.KVMMisleads].
//
// What lies over the device is an empty file, read-only. Nothing else does:
// libvirt asks access(2) for R_OK|W_OK, which root gets on anything that can be
// written, whatever its mode, and on a device even if its mount is read-only.
// Over /dev/null, or a file that can be written, libvirt goes on believing in
// KVM, QEMU fails, and one `define` takes half a minute.
//
// Only /dev stops hearing of mounts, and telling of them. Elsewhere a mount that
// is shared stays so, and /run/netns is from the first `ip netns add` on; but
// where / is private, as in most containers, that first one is to come before
// this call, or nobody else sees it.
func HideKVM(paths ispctl.Paths) error {
	empty := filepath.Join(paths.Embed(), "no-kvm")
	if err := os.MkdirAll(paths.Embed(), 0o711); err != nil {
		return fmt.Errorf("hide /dev/kvm: %w", err)
	}
	if err := os.WriteFile(empty, nil, 0o400); err != nil {
		return fmt.Errorf("hide /dev/kvm: %w", err)
	}
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"unshare", func() error { return unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS) }},
		{"make /dev private", func() error { return unix.Mount("", "/dev", "", unix.MS_PRIVATE, "") }},
		{"bind", func() error { return unix.Mount(empty, device, "", unix.MS_BIND, "") }},
		{"make read-only", func() error { return unix.Mount("", device, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, "") }},
	} {
		if err := step.do(); err != nil {
			return fmt.Errorf("hide /dev/kvm: %s: %w", step.name, err)
		}
	}
	return nil
}

const device = "/dev/kvm"
