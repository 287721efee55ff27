// Package rehearse builds the walls of a model in a network namespace of their
// own, with an uplink and zones that bear the real names, and sends packets at
// them. It answers what a host with those walls would do: whether they would
// cut somebody off before they stand, and what happens to what comes from the
// Internet, which nobody but the provider can send. All of it is gone when it
// returns; nothing outside is touched.
package rehearse

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"ispctl"
	"ispctl/internal/scratch"
	"ispctl/net/firewall"
	"ispctl/net/nat"
	"ispctl/net/nft"
)

// patience is how long an answer may take that never leaves the kernel.
const patience = 500 * time.Millisecond

// Through reports whether a TCP connection from client to server, by the
// uplink, would be opened on a host with the walls of m.
func Through(ctx context.Context, m *ispctl.Model, client, server netip.AddrPort) (bool, error) {
	through, err := scratch.Run(func() (bool, error) { return try(ctx, m, client, server) })
	if err != nil {
		return false, fmt.Errorf("try a connection in a scratch namespace: %w", err)
	}
	return through, nil
}

// try leaves the calling thread in the caller's namespace.
func try(ctx context.Context, m *ispctl.Model, client, server netip.AddrPort) (bool, error) {
	s, err := NewStage(ctx, m, client.Addr(), server.Addr())
	if err != nil {
		return false, err
	}
	defer s.Close()
	var listen net.ListenConfig
	l, err := listen.Listen(ctx, "tcp", server.String())
	if err != nil {
		return false, err
	}
	defer l.Close() //nolint:errcheck // nobody else listens there
	if err := s.Internet.Return(); err != nil {
		return false, err
	}
	d := net.Dialer{Timeout: patience, LocalAddr: net.TCPAddrFromAddrPort(client)}
	conn, err := d.DialContext(ctx, "tcp", server.String())
	if err != nil {
		return false, ctx.Err() // refused, or no answer: that is what was asked
	}
	return true, conn.Close()
}

// Stage is a host with the walls of a model, and the Internet behind its
// uplink.
type Stage struct {
	Host, Internet scratch.Namespace
}

// Close lets go of both.
func (s Stage) Close() {
	s.Host.Close()
	s.Internet.Close()
}

// InternetLink is the Internet's end of the uplink.
const InternetLink = "internet"

// NewStage builds a stage. The host has the address server, and the Internet
// the address client, to which all goes that the host has no better route for.
// It leaves the calling thread in the host's namespace.
func NewStage(ctx context.Context, m *ispctl.Model, client, server netip.Addr) (s Stage, err error) {
	if s.Internet, err = scratch.Enter(); err != nil {
		return s, err
	}
	if s.Host, err = scratch.Enter(); err != nil {
		s.Internet.Close()
		return s, err
	}
	if err := errors.Join(s.wire(m, client, server), forwarding(), raise(ctx, m)); err != nil {
		s.Close()
		return s, err
	}
	return s, nil
}

// wire makes the uplink between both sides and the host's zones, so that an
// answer goes astray here as it would there.
func (s Stage) wire(m *ispctl.Model, client, server netip.Addr) error {
	uplink := &netlink.Veth{
		LinkAttrs: netlink.LinkAttrs{Name: m.Uplink.Interface},
		PeerName:  InternetLink, PeerNamespace: s.Internet.Fd(),
	}
	if err := s.Host.Links.LinkAdd(uplink); err != nil {
		return fmt.Errorf("make %s: %w", m.Uplink.Interface, err)
	}
	for _, z := range m.Zones {
		gateways := []netip.Prefix{z.GatewayPrefix()}
		if z.Prefix6.IsValid() {
			gateways = append(gateways, netip.PrefixFrom(z.Gateway6(), z.Prefix6.Bits()))
		}
		if err := s.bridge(m.Installation.Bridge(z.Name), gateways...); err != nil {
			return err
		}
		if leg := m.LegBridge(z); leg != "" {
			if err := s.bridge(leg, netip.PrefixFrom(z.LegGateway(), z.Leg.Bits())); err != nil {
				return err
			}
		}
	}
	return errors.Join(
		s.Host.Up(m.Uplink.Interface, single(server)), s.Internet.Up(InternetLink, single(client)),
		s.Host.Route(m.Uplink.Interface, server, netip.Addr{}), s.Internet.Route(InternetLink, client, netip.Addr{}),
	)
}

func (s Stage) bridge(name string, addrs ...netip.Prefix) error {
	if err := s.Host.Links.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: name}}); err != nil {
		return fmt.Errorf("make %s: %w", name, err)
	}
	return s.Host.Up(name, addrs...)
}

// forwarding makes the calling thread's namespace a router, as the host is.
// What the kernel does not have cannot forward.
func forwarding() error {
	for _, key := range []string{"/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding"} {
		if err := os.WriteFile(key, []byte("1"), 0o644); err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	return nil
}

func single(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

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
