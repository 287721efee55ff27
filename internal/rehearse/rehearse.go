// Package rehearse tries a connection to the host against walls that do not
// stand yet. It builds them in a network namespace of their own, with an uplink
// and zones that bear the real names, and opens the connection from a second
// namespace at the uplink's other end. Both are gone when it returns; nothing
// outside them is touched.
//
// See network_namespaces(7), veth(4).
package rehearse

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"ispctl"
	"ispctl/net/firewall"
	"ispctl/net/nat"
	"ispctl/net/nft"
)

// patience is how long an answer may take that never leaves the kernel.
const patience = 500 * time.Millisecond

// Through reports whether a TCP connection from client to server, by the
// uplink, would be opened on a host with the walls of m.
func Through(ctx context.Context, m *ispctl.Model, client, server netip.AddrPort) (bool, error) {
	type outcome struct {
		through bool
		err     error
	}
	done := make(chan outcome, 1)
	go func() {
		// Never unlocked: the thread ends with this goroutine, and the
		// namespaces with the thread.
		runtime.LockOSThread()
		through, err := try(ctx, m, client, server)
		done <- outcome{through, err}
	}()
	o := <-done
	if o.err != nil {
		return false, fmt.Errorf("try a connection in a scratch namespace: %w", o.err)
	}
	return o.through, nil
}

// try leaves the calling thread in the caller's namespace.
func try(ctx context.Context, m *ispctl.Model, client, server netip.AddrPort) (bool, error) {
	caller, err := enterNew()
	if err != nil {
		return false, err
	}
	defer caller.close()
	host, err := enterNew()
	if err != nil {
		return false, err
	}
	defer host.close()
	if err := stage(m, caller, host, client.Addr(), server.Addr()); err != nil {
		return false, err
	}
	if err := raise(ctx, m); err != nil {
		return false, err
	}
	var listen net.ListenConfig
	l, err := listen.Listen(ctx, "tcp", server.String())
	if err != nil {
		return false, err
	}
	defer l.Close() //nolint:errcheck // nobody else listens there
	if err := unix.Setns(int(caller.ns.Fd()), unix.CLONE_NEWNET); err != nil {
		return false, err
	}
	d := net.Dialer{Timeout: patience, LocalAddr: net.TCPAddrFromAddrPort(client)}
	conn, err := d.DialContext(ctx, "tcp", server.String())
	if err != nil {
		return false, ctx.Err() // refused, or no answer: that is what was asked
	}
	return true, conn.Close()
}

// side is one of the two namespaces, and a socket to its links.
type side struct {
	ns *os.File
	nl *netlink.Handle
}

// enterNew moves the thread into a new network namespace.
func enterNew() (side, error) {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return side{}, fmt.Errorf("new network namespace: %w", err)
	}
	ns, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return side{}, err
	}
	handle, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return side{}, errors.Join(err, ns.Close())
	}
	return side{ns, handle}, nil
}

func (s side) close() {
	s.nl.Close()
	_ = s.ns.Close() // it was only looked up
}

// callerLink is the caller's end of the uplink.
const callerLink = "caller"

// stage makes the uplink between both sides, the host's zones, so that an
// answer goes astray here as it would there, and loopback.
func stage(m *ispctl.Model, caller, host side, client, server netip.Addr) error {
	uplink := &netlink.Veth{
		LinkAttrs: netlink.LinkAttrs{Name: m.Uplink.Interface},
		PeerName:  callerLink, PeerNamespace: netlink.NsFd(int(caller.ns.Fd())),
	}
	if err := host.nl.LinkAdd(uplink); err != nil {
		return fmt.Errorf("make %s: %w", m.Uplink.Interface, err)
	}
	for _, z := range m.Zones {
		bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: m.Installation.Bridge(z.Name)}}
		if err := host.nl.LinkAdd(bridge); err != nil {
			return fmt.Errorf("make %s: %w", bridge.Name, err)
		}
		if err := host.up(bridge.Name, z.GatewayPrefix()); err != nil {
			return err
		}
	}
	return errors.Join(
		host.up("lo"), caller.up("lo"),
		host.up(m.Uplink.Interface, single(server)), caller.up(callerLink, single(client)),
		host.route(m.Uplink.Interface, server), caller.route(callerLink, client),
	)
}

func single(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

// up gives a link its addresses and brings it up.
func (s side) up(name string, addrs ...netip.Prefix) error {
	link, err := s.nl.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find %s: %w", name, err)
	}
	for _, p := range addrs {
		ip := &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
		// Nobody else is there to have the address: it need not be probed for.
		if err := s.nl.AddrAdd(link, &netlink.Addr{IPNet: ip, Flags: unix.IFA_F_NODAD}); err != nil {
			return fmt.Errorf("%s: add %s: %w", name, p, err)
		}
	}
	if err := s.nl.LinkSetUp(link); err != nil {
		return fmt.Errorf("bring %s up: %w", name, err)
	}
	return nil
}

// route sends everything of the address's family out by a link.
func (s side) route(name string, family netip.Addr) error {
	link, err := s.nl.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find %s: %w", name, err)
	}
	everywhere := &net.IPNet{IP: make(net.IP, family.BitLen()/8), Mask: net.CIDRMask(0, family.BitLen())}
	if err := s.nl.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Dst: everywhere, Scope: netlink.SCOPE_LINK}); err != nil {
		return fmt.Errorf("%s: add the default route: %w", name, err)
	}
	return nil
}

// raise puts the walls and translations of the model up.
func raise(ctx context.Context, m *ispctl.Model) error {
	for name, desired := range map[string]func(*ispctl.Model) (nft.State, error){firewall.Layer: firewall.Desired, nat.Layer: nat.Desired} {
		want, err := desired(m)
		if err != nil {
			return err
		}
		k, err := nft.Open(m.Installation.Table(name))
		if err != nil {
			return err
		}
		if err := errors.Join(k.Apply(ctx, nft.Diff(want, nft.NewState())), k.Close()); err != nil {
			return err
		}
	}
	return nil
}
