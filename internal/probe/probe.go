// Package probe sends a real packet by the host's own walls, to prove what
// they do. Its ends are namespaces of its own that are wired into the bridges
// of zones like a guest, at an address that is nobody's; the host itself; and
// for what goes out, whoever is next on the uplink. What comes from the
// Internet nobody but the provider can send: there the walls of the model are
// tried on a scratch host, see [rehearse].
package probe

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"

	"ispctl"
	"ispctl/internal/rehearse"
	"ispctl/internal/scratch"
)

// patience is how long a packet and its answer may take that never leave the
// machine; the first one waits for a neighbour to be found.
const patience = 1200 * time.Millisecond

// Outcome is what became of the packet.
type Outcome struct {
	Reached   bool   `json:"reached"`
	Rehearsed bool   `json:"rehearsed"` // on a scratch host with the same walls
	Detail    string `json:"detail"`    // from where to where
}

// Question is one connection that is to be tried.
type Question struct {
	From, To ispctl.End
	Opening  ispctl.Opening
	Family   ispctl.Family
}

// anyPort stands for all ports, where a policy opens everything.
const anyPort = 47808

// Try sends the packet. An error says that it could not be tried; that it did
// not come through is an outcome.
func Try(ctx context.Context, m *ispctl.Model, q Question) (Outcome, error) {
	if q.Opening.Transport == ispctl.AnyTransport {
		q.Opening = ispctl.Opening{Transport: ispctl.TransportTCP, Port: anyPort}
	}
	o, err := scratch.Run(func() (Outcome, error) {
		if q.From == ispctl.Internet {
			return rehearsed(ctx, m, q)
		}
		return live(ctx, m, q)
	})
	if err != nil {
		return o, fmt.Errorf("probe %s -> %s %s: %w", q.From, q.To, q.Opening, err)
	}
	return o, nil
}

// end is where a packet comes from or goes to.
type end struct {
	ns     scratch.Namespace
	addr   netip.Addr
	detach func() // of an end that was attached
}

// live tries it on the host.
func live(ctx context.Context, m *ispctl.Model, q Question) (Outcome, error) {
	host, err := scratch.Here()
	if err != nil {
		return Outcome{}, err
	}
	defer host.Close()
	from := end{ns: host}
	if q.From != ispctl.Host {
		if from, err = attach(host, m, q.From, q.Family); err != nil {
			return Outcome{}, err
		}
		defer from.detach()
	}
	var to end
	switch q.To {
	case ispctl.Internet:
		return leaves(ctx, m, host, from, q)
	case ispctl.Host:
		to = end{ns: host, addr: gatewayOf(m, q.From, q.Family)}
	default:
		if to, err = attach(host, m, q.To, q.Family); err != nil {
			return Outcome{}, err
		}
		defer to.detach()
	}
	return arrives(ctx, from, to, q)
}

// rehearsed tries what comes from the Internet.
func rehearsed(ctx context.Context, m *ispctl.Model, q Question) (Outcome, error) {
	if !m.Uplink.Configured() {
		return Outcome{}, &ispctl.Error{Kind: ispctl.Conflict, Object: "uplink", Cause: "there is none", Next: "run: ispctl init --uplink INTERFACE"}
	}
	// Addresses for documentation (RFC 5737, RFC 3849): nobody's, and no bogons
	// to the walls.
	client, server := netip.MustParseAddr("198.51.100.77"), netip.MustParseAddr("198.51.100.78")
	if q.Family == ispctl.IPv6 {
		client, server = netip.MustParseAddr("2001:db8:ffff::77"), netip.MustParseAddr("2001:db8:ffff::78")
	}
	s, err := rehearse.NewStage(ctx, m, client, server)
	if err != nil {
		return Outcome{}, err
	}
	defer s.Close()
	to := end{ns: s.Host, addr: server}
	if q.To != ispctl.Host {
		if to, err = attach(s.Host, m, q.To, q.Family); err != nil {
			return Outcome{}, err
		}
		defer to.detach()
		if err := s.Internet.To(rehearse.InternetLink, to.addr, server); err != nil {
			return Outcome{}, err
		}
	}
	o, err := arrives(ctx, end{ns: s.Internet, addr: client}, to, q)
	o.Rehearsed = true
	return o, err
}

// inner is the end of the wire that the packet is sent from or goes to.
const inner = "probe"

// attach wires a new namespace into the bridge of a zone.
func attach(host scratch.Namespace, m *ispctl.Model, zone ispctl.End, f ispctl.Family) (end, error) {
	z, err := m.Zone(string(zone))
	if err != nil {
		return end{}, err
	}
	prefix, gateway := z.Prefix, z.Gateway()
	if f == ispctl.IPv6 {
		prefix, gateway = z.Prefix6, z.Gateway6()
	}
	if !prefix.IsValid() {
		return end{}, ispctl.Conflicting("zone", string(z.Name), "has no %s prefix to send from", f)
	}
	addr, err := spare(m, prefix)
	if err != nil {
		return end{}, err
	}
	bridge, err := host.Links.LinkByName(m.Installation.Bridge(z.Name))
	if err != nil {
		return end{}, &ispctl.Error{Kind: ispctl.Conflict, Object: fmt.Sprintf("zone %q", z.Name), Cause: "its bridge is not there", Next: "run: ispctl converge"}
	}
	ns, err := scratch.Enter()
	if err != nil {
		return end{}, err
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MasterIndex = outerName(), bridge.Attrs().Index
	// The wire would go with the namespace, but some time later.
	detach := func() {
		_ = host.Links.LinkDel(&netlink.Veth{LinkAttrs: attrs})
		ns.Close()
	}
	err = errors.Join(
		host.Links.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: inner, PeerNamespace: ns.Fd(), PeerHardwareAddr: macOf(addr)}),
		host.Up(attrs.Name), ns.Up(inner, netip.PrefixFrom(addr, prefix.Bits())), ns.Route(inner, addr, gateway),
	)
	if err != nil {
		detach()
		return end{}, fmt.Errorf("wire into zone %s: %w", z.Name, err)
	}
	if err := carries(host, attrs.Name); err != nil {
		detach()
		return end{}, fmt.Errorf("wire into zone %s: %w", z.Name, err)
	}
	return end{ns, addr, detach}, nil
}

// carries waits until the bridge passes what comes by the wire: it does some
// time after both ends are up, and the first question for a neighbour, which is
// asked again only after a second, would be lost.
func carries(host scratch.Namespace, name string) error {
	const poll, tries = 5 * time.Millisecond, 400
	for range tries {
		l, err := host.Links.LinkByName(name)
		if err != nil {
			return err
		}
		if l.Attrs().OperState == netlink.OperUp {
			return nil
		}
		time.Sleep(poll)
	}
	return fmt.Errorf("%s has no carrier", name)
}

// macOf is the same for each end that ever has the address: the host believes a
// neighbour that it has just found for a second (locktime in arp(7)), and the
// next probe may come sooner.
func macOf(a netip.Addr) net.HardwareAddr {
	b := a.AsSlice()
	return append(net.HardwareAddr{0x02, 0x70}, b[len(b)-4:]...)
}

// outerName is a link's name that bears none of our marks, so that the wall
// against spoofing, which judges guests, does not take it for one.
func outerName() string {
	var b [4]byte
	rand.Read(b[:]) // never fails, see crypto/rand
	return "probe-" + hex.EncodeToString(b[:])
}

// spare is the last address of the prefix that is nobody's: guests get the
// first ones.
func spare(m *ispctl.Model, prefix netip.Prefix) (netip.Addr, error) {
	taken := map[netip.Addr]bool{}
	for _, vm := range m.VMs {
		for _, nic := range vm.NICs {
			taken[nic.Addr], taken[nic.Addr6] = true, true
		}
	}
	gateway := prefix.Addr().Next()
	for a := last(prefix).Prev(); a.Compare(gateway) > 0; a = a.Prev() {
		if !taken[a] {
			return a, nil
		}
	}
	return netip.Addr{}, &ispctl.Error{Kind: ispctl.Conflict, Object: "prefix " + prefix.String(), Cause: "has no free address to send from", Next: "destroy a VM, or ask without --probe"}
}

// last is the highest address of a prefix.
func last(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for bit := p.Bits(); bit < len(b)*8; bit++ {
		b[bit/8] |= 0x80 >> (bit % 8)
	}
	a, _ := netip.AddrFromSlice(b) // as long as it was
	return a
}

// gatewayOf is the host as the guests of a zone know it; from the host itself
// it is not asked.
func gatewayOf(m *ispctl.Model, zone ispctl.End, f ispctl.Family) netip.Addr {
	z, err := m.Zone(string(zone))
	switch {
	case err != nil:
		return netip.Addr{}
	case f == ispctl.IPv6:
		return z.Gateway6()
	}
	return z.Gateway()
}
