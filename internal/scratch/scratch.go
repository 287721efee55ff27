// Package scratch makes network namespaces that nothing outside this process
// can see, to send packets from and to. Each is gone, with all that is in it,
// once its files are closed and the last thread has left it: a process that is
// killed leaves none behind.
//
// See network_namespaces(7), veth(4).
package scratch

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Namespace is a network namespace, and a socket to its links.
type Namespace struct {
	Links *netlink.Handle
	file  *os.File
}

// Run calls fn on a thread of its own that ends with it, so that fn may move it
// from namespace to namespace.
func Run[T any](fn func() (T, error)) (T, error) {
	type outcome struct {
		value T
		err   error
	}
	done := make(chan outcome, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
		value, err := fn()
		done <- outcome{value, err}
	}()
	o := <-done
	return o.value, o.err
}

// Here is the namespace the thread is in. It is to be closed.
func Here() (Namespace, error) {
	file, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return Namespace{}, err
	}
	handle, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return Namespace{}, errors.Join(err, file.Close())
	}
	return Namespace{handle, file}, nil
}

// Enter moves the thread into a new namespace. It is to be closed.
func Enter() (Namespace, error) {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return Namespace{}, fmt.Errorf("new network namespace: %w", err)
	}
	n, err := Here()
	if err != nil {
		return n, err
	}
	return n, n.Up("lo")
}

// Return moves the thread into the namespace.
func (n Namespace) Return() error {
	if err := unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter network namespace: %w", err)
	}
	return nil
}

// Fd is a file descriptor of the namespace, to make links in it.
func (n Namespace) Fd() netlink.NsFd { return netlink.NsFd(int(n.file.Fd())) }

// Close lets go of the namespace.
func (n Namespace) Close() {
	n.Links.Close()
	_ = n.file.Close() // it was only looked up
}

// Up gives a link its addresses and brings it up.
func (n Namespace) Up(name string, addrs ...netip.Prefix) error {
	link, err := n.Links.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find %s: %w", name, err)
	}
	for _, p := range addrs {
		ip := &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
		// Whether somebody else has the address is known: it need not be
		// probed for.
		if err := n.Links.AddrAdd(link, &netlink.Addr{IPNet: ip, Flags: unix.IFA_F_NODAD}); err != nil {
			return fmt.Errorf("%s: add %s: %w", name, p, err)
		}
	}
	if err := n.Links.LinkSetUp(link); err != nil {
		return fmt.Errorf("bring %s up: %w", name, err)
	}
	return nil
}

// Route sends everything of the address's family out by a link: to whoever is
// there, or by way of via if that is an address of the same family.
func (n Namespace) Route(name string, family, via netip.Addr) error {
	link, err := n.Links.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find %s: %w", name, err)
	}
	route := &netlink.Route{
		LinkIndex: link.Attrs().Index, Scope: netlink.SCOPE_LINK,
		Dst: &net.IPNet{IP: make(net.IP, family.BitLen()/8), Mask: net.CIDRMask(0, family.BitLen())},
	}
	if via.IsValid() {
		route.Scope, route.Gw, route.Flags = netlink.SCOPE_UNIVERSE, via.AsSlice(), int(netlink.FLAG_ONLINK)
	}
	if err := n.Links.RouteAdd(route); err != nil {
		return fmt.Errorf("%s: add the default route: %w", name, err)
	}
	return nil
}

// To sends what is for one address out by a link, by way of via.
func (n Namespace) To(name string, dest, via netip.Addr) error {
	link, err := n.Links.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find %s: %w", name, err)
	}
	route := &netlink.Route{
		LinkIndex: link.Attrs().Index, Gw: via.AsSlice(), Flags: int(netlink.FLAG_ONLINK),
		Dst: &net.IPNet{IP: dest.AsSlice(), Mask: net.CIDRMask(dest.BitLen(), dest.BitLen())},
	}
	if err := n.Links.RouteAdd(route); err != nil {
		return fmt.Errorf("%s: add the route to %s: %w", name, dest, err)
	}
	return nil
}
