package vpn

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"ispctl"
)

// add makes the link, by the kernel's own WireGuard if it has it. A link of ours
// that nothing answers behind is made anew.
func (k *Kernel) add(ctx context.Context, d Device) error {
	l, there, err := k.look()
	switch {
	case err != nil:
		return err
	case there != nil:
		return nil
	case l != nil:
		if err := k.remove(); err != nil {
			return err
		}
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU, attrs.Group = d.Link, d.MTU, k.inst.VPNGroup()
	err = k.nl.LinkAdd(&netlink.Wireguard{LinkAttrs: attrs})
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EEXIST):
		return &ispctl.Error{
			Kind: ispctl.Conflict, Object: "link " + d.Link, Cause: "is in the way: it bears no mark of this installation",
			Next: "look whose it is (ip -d link show " + d.Link + "), and delete it",
		}
	case !errors.Is(err, unix.EOPNOTSUPP):
		return err
	}
	if err := k.end(); err != nil { // one whose link somebody deleted
		return err
	}
	if err := k.start(ctx); err != nil {
		return fmt.Errorf("start its process: %w", err)
	}
	return nil
}

// remove takes the link away, and the process behind it.
func (k *Kernel) remove() error {
	l, err := k.link()
	if err != nil {
		return err
	}
	if l == nil || l.Type() != kernelType {
		if err := k.end(); err != nil {
			return err
		}
		if l, err = k.link(); err != nil || l == nil {
			return err
		}
	}
	err = k.nl.LinkDel(l)
	if errors.Is(err, unix.ENODEV) {
		return nil
	}
	return err
}

// end ends the process that listens at the socket, by force if need be, and
// waits until it is gone. None is success.
func (k *Kernel) end() error {
	c, err := dial(k.socket)
	if err != nil {
		return nil //nolint:nilerr // nobody listens
	}
	defer c.Close() //nolint:errcheck // it was only asked
	pid, err := listener(c)
	if err != nil {
		return err
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd) //nolint:errcheck // it was only signalled through
	if _, err := ask(c); err != nil {
		// Nobody answers: whoever had the number may be gone, and another have
		// it. Its link says whether it lives.
		if l, errLink := k.link(); errLink != nil || l == nil {
			return errLink
		}
	}
	for _, s := range []unix.Signal{unix.SIGTERM, unix.SIGKILL} {
		if err := unix.PidfdSendSignal(fd, s, nil, 0); errors.Is(err, unix.ESRCH) {
			return nil
		} else if err != nil {
			return err
		}
		if gone, err := readable(fd, patience); gone || err != nil {
			return err
		}
	}
	return fmt.Errorf("process %d does not end", pid)
}

// listener is the process that listens at the other end.
func listener(c *net.UnixConn) (pid int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	var errCred error
	err = raw.Control(func(fd uintptr) { cred, errCred = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err := errors.Join(err, errCred); err != nil {
		return 0, fmt.Errorf("ask who listens: %w", err)
	}
	return int(cred.Pid), nil
}

// readable waits until a process has ended.
func readable(pidfd int, wait time.Duration) (bool, error) {
	for until := time.Now().Add(wait); ; {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, int(max(0, time.Until(until)).Milliseconds()))
		if n > 0 {
			return true, nil
		}
		if err != nil && !errors.Is(err, unix.EINTR) {
			return false, fmt.Errorf("poll: %w", err)
		}
		if err == nil {
			return false, nil
		}
	}
}
