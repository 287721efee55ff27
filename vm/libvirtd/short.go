package libvirtd

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"

	"ispctl"
)

// maxRoot is the longest root, in bytes, below which a guest's agent can have its
// socket: unix(7) gives a path 107 bytes, and
// /lib/qemu/channel/target/domain-ID-NAME/org.qemu.guest_agent.0 takes 82 of
// them, with a domain id of six digits and the twenty bytes of the name that
// libvirt uses.
const maxRoot = 107 - 82

// shortRoot returns a name of the embedded driver's root that is short enough:
// its own, or a symbolic link to it in /run. The link has the same name each
// time, as libvirt remembers where its guests' sockets are. It is there for as
// long as somebody is connected: sockets that are open need it no more.
func shortRoot(root string) (short string, undo func() error, err error) {
	if len(root) <= maxRoot {
		return root, func() error { return nil }, nil
	}
	h := fnv.New64a()
	h.Write([]byte(root))
	short = fmt.Sprintf("/run/ispctl-%016x", h.Sum64())
	undo = func() error {
		if err := os.Remove(short); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove short name of the hypervisor's root: %w", err)
		}
		return nil
	}
	if target, err := os.Readlink(short); err == nil && target == root {
		return short, undo, nil
	}
	if err := os.Symlink(root, short); err != nil {
		return "", nil, &ispctl.Error{
			Object: "hypervisor " + embed, Cause: "its root " + root + " is too long a path for sockets, and it cannot be given a short name", Err: err,
			Next: "use a shorter --root",
		}
	}
	return short, undo, nil
}
