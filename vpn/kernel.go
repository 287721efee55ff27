package vpn

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/wgctrl"
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"ispctl"
	"ispctl/converge"
)

// Kernel is the edge: the link in the network namespace it was opened in, and
// WireGuard behind it, in the kernel or in a process.
type Kernel struct {
	nl     *netlink.Handle
	wg     *wgctrl.Client
	inst   ispctl.Installation
	socket string
	keyDir string
	start  func(context.Context) error
}

var _ converge.Target[State, Change] = (*Kernel)(nil)

// Open binds to the caller's network namespace. start starts a process that
// calls [Serve], and returns when that is ready.
func Open(inst ispctl.Installation, paths ispctl.Paths, start func(context.Context) error) (*Kernel, error) {
	nl, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	wg, err := wgctrl.New()
	if err != nil {
		nl.Close()
		return nil, fmt.Errorf("open WireGuard's netlink: %w", err)
	}
	return &Kernel{nl: nl, wg: wg, inst: inst, socket: paths.VPNSocket(), keyDir: paths.VPNKeys(), start: start}, nil
}

// Close closes the sockets. The device stays.
func (k *Kernel) Close() error {
	k.nl.Close()
	return k.wg.Close()
}

// link is our link, or nil. A link of the name that does not bear our mark is
// another's.
func (k *Kernel) link() (netlink.Link, error) {
	l, err := k.nl.LinkByName(k.inst.VPNLink())
	if _, none := errors.AsType[netlink.LinkNotFoundError](err); none {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for link %s: %w", k.inst.VPNLink(), err)
	}
	if l.Attrs().Group != k.inst.VPNGroup() {
		return nil, nil
	}
	return l, nil
}

// kernelType is the type of a link that the kernel's WireGuard is behind.
const kernelType = "wireguard"

// look asks WireGuard; nil where there is no device that answers.
func (k *Kernel) look() (netlink.Link, *wgtypes.Device, error) {
	l, err := k.link()
	if err != nil || l == nil {
		return nil, nil, err
	}
	if l.Type() == kernelType {
		d, err := k.wg.Device(k.inst.VPNLink())
		if err != nil {
			return l, nil, fmt.Errorf("ask WireGuard: %w", err)
		}
		return l, d, nil
	}
	c, err := dial(k.socket)
	if err != nil {
		return l, nil, nil // its process is lost to us, and the link with it
	}
	defer c.Close() //nolint:errcheck // it was only asked
	d, err := ask(c)
	if err != nil {
		return l, nil, fmt.Errorf("ask the device at %s: %w", k.socket, err)
	}
	return l, d, nil
}

// Observe reads the device.
func (k *Kernel) Observe(context.Context) (State, error) {
	l, d, err := k.look()
	if err != nil || d == nil {
		return State{}, err
	}
	addrs, err := k.nl.AddrList(l, netlink.FAMILY_V4)
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return State{}, fmt.Errorf("list addresses of %s: %w", k.inst.VPNLink(), err)
	}
	s := &Device{
		Link: k.inst.VPNLink(), Up: l.Attrs().Flags&net.FlagUp != 0, MTU: l.Attrs().MTU, Port: d.ListenPort, Private: d.PrivateKey,
		KeyDir: k.keyDir, Peers: make(map[wgtypes.Key]Peer, len(d.Peers)),
	}
	if len(addrs) == 1 {
		s.Address = prefixOf(*addrs[0].IPNet)
	}
	for _, p := range d.Peers {
		peer := Peer{Preshared: p.PresharedKey}
		if len(p.AllowedIPs) == 1 {
			peer.Address = prefixOf(p.AllowedIPs[0])
		}
		s.Peers[p.PublicKey] = peer
	}
	return State{Device: s}, nil
}

func prefixOf(n net.IPNet) netip.Prefix {
	a, _ := netip.AddrFromSlice(n.IP)
	bits, _ := n.Mask.Size()
	return netip.PrefixFrom(a.Unmap(), bits)
}

// Apply carries out changes in order; what WireGuard is told in a row it is told
// at once. What cannot be done befalls the VPN, and nothing else of the host.
func (k *Kernel) Apply(ctx context.Context, changes []Change) error {
	for len(changes) > 0 {
		n := 1
		if cfg, told := configOf(changes[0]); told {
			for n < len(changes) {
				more, told := configOf(changes[n])
				if !told || more.PrivateKey != nil || more.ListenPort != nil {
					break
				}
				cfg.Peers = append(cfg.Peers, more.Peers...)
				n++
			}
			if err := k.configure(cfg); err != nil {
				return k.fault(changes[0], err)
			}
		} else if err := k.apply(ctx, changes[0]); err != nil {
			return k.fault(changes[0], err)
		}
		changes = changes[n:]
	}
	return nil
}

func (k *Kernel) fault(c Change, err error) error {
	if c.Act != Refuse {
		err = fmt.Errorf("%s: %w", c, err)
	}
	return &converge.Fault{Object: c.Object(), Err: err}
}

// configOf is what WireGuard is told for a change, if that is for it.
func configOf(c Change) (wgtypes.Config, bool) {
	switch c.Act {
	case SetKey:
		return wgtypes.Config{PrivateKey: &c.Device.Private}, true
	case SetPort:
		return wgtypes.Config{ListenPort: &c.Device.Port}, true
	case RemovePeer:
		return wgtypes.Config{Peers: []wgtypes.PeerConfig{{PublicKey: c.Key, Remove: true}}}, true
	case SetPeer:
		return wgtypes.Config{Peers: []wgtypes.PeerConfig{{
			PublicKey: c.Key, PresharedKey: &c.Peer.Preshared, ReplaceAllowedIPs: true,
			AllowedIPs: []net.IPNet{{IP: c.Peer.Address.Addr().AsSlice(), Mask: net.CIDRMask(c.Peer.Address.Bits(), c.Peer.Address.Addr().BitLen())}},
		}}}, true
	}
	return wgtypes.Config{}, false
}

func (k *Kernel) configure(cfg wgtypes.Config) error {
	l, err := k.link()
	if err != nil {
		return err
	}
	if l != nil && l.Type() == kernelType {
		return k.wg.ConfigureDevice(k.inst.VPNLink(), cfg)
	}
	c, err := dial(k.socket)
	if err != nil {
		return err
	}
	defer c.Close() //nolint:errcheck // it has answered
	return tell(c, cfg)
}

func (k *Kernel) apply(ctx context.Context, c Change) error {
	switch c.Act {
	case Refuse:
		return c.fault
	case AddLink:
		return k.add(ctx, c.Device)
	case RemoveLink:
		return k.remove()
	}
	l, err := k.link()
	if err != nil {
		return err
	}
	if l == nil {
		return fmt.Errorf("link %s is gone", k.inst.VPNLink())
	}
	switch c.Act {
	case SetMTU:
		return k.nl.LinkSetMTU(l, c.Device.MTU)
	case SetUp:
		return k.nl.LinkSetUp(l)
	case SetAddress:
		return k.address(l, c.Device.Address)
	}
	return fmt.Errorf("no such act: %d", c.Act)
}

// address makes this the link's only one.
func (k *Kernel) address(l netlink.Link, want netip.Prefix) error {
	addrs, err := k.nl.AddrList(l, netlink.FAMILY_V4)
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return err
	}
	for _, a := range addrs {
		if prefixOf(*a.IPNet) != want {
			if err := k.nl.AddrDel(l, &a); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
				return err
			}
		}
	}
	return k.nl.AddrReplace(l, &netlink.Addr{IPNet: &net.IPNet{
		IP: want.Addr().AsSlice(), Mask: net.CIDRMask(want.Bits(), want.Addr().BitLen()),
	}})
}
