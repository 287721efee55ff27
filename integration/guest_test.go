package integration

import (
	"errors"
	"fmt"
	"io"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"ispctl/internal/netns"
	"ispctl/internal/testkit"
	"ispctl/operations"
)

// wiredGuest is a network namespace in the place of a guest: its eth0 has the
// MAC and the address of a VM, and every frame it sends goes in by that VM's
// tap, as QEMU would put it there. So what a guest can reach is tried with the
// kernel's own network stack, in no time, with as many guests as wanted.
type wiredGuest struct {
	vm operations.VMView
	ns string
}

// wire takes the place of a VM that no QEMU runs.
func (w *world) wire(t testing.TB, vm operations.VMView, gateway string) wiredGuest {
	t.Helper()
	g := wiredGuest{vm: vm, ns: fmt.Sprintf("%s-%s", w.provider, vm.Name)}
	if err := netns.Create(g.ns); err != nil {
		t.Fatal(err)
	}
	inside, err := attach(g.ns, "eth0")
	if err != nil {
		t.Fatal(err)
	}
	outside, err := attach(w.provider, vm.Tap)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// Closing ends both pumps.
		if err := errors.Join(inside.Close(), outside.Close(), netns.Delete(g.ns)); err != nil {
			t.Error(err)
		}
	})
	go pump(inside, outside)
	go pump(outside, inside)
	in := func(argv ...string) { testkit.Sh(t, append([]string{"ip", "-n", g.ns}, argv...)...) }
	in("link", "set", "eth0", "address", vm.MAC)
	in("address", "add", vm.Addresses[0]+"/24", "dev", "eth0")
	in("link", "set", "eth0", "up")
	in("route", "add", "default", "via", gateway)
	return g
}

// attach opens a tap of a namespace, made if it is not there, as QEMU does.
func attach(ns, name string) (*os.File, error) {
	var f *os.File
	err := netns.Do(ns, func() error {
		fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		if err != nil {
			return fmt.Errorf("open tun device: %w", err)
		}
		ifr, err := unix.NewIfreq(name)
		if err != nil {
			return err
		}
		ifr.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
		if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr); err != nil {
			return fmt.Errorf("attach to tap %s: %w", name, errors.Join(err, unix.Close(fd)))
		}
		f = os.NewFile(uintptr(fd), name)
		return nil
	})
	return f, err
}

// pump carries frames with their virtio header from one tap to another until
// either is closed.
func pump(from io.Reader, to io.Writer) {
	frame := make([]byte, 1<<16+64)
	for {
		n, err := from.Read(frame)
		if errors.Is(err, os.ErrClosed) {
			return
		}
		if err != nil {
			continue // the link is down for now
		}
		if _, err := to.Write(frame[:n]); errors.Is(err, os.ErrClosed) {
			return
		}
	}
}
