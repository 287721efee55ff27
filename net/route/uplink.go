package route

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"ispctl"
)

// SetUp brings the uplink to what the operator declared, once, when it is
// declared: link up, its address, and a default route by its gateway. What is
// there already is left alone, and nothing is ever taken away: the uplink is
// the host's. It returns the commands it carried out.
func (k *Kernel) SetUp(u ispctl.Uplink) ([]string, error) {
	link, err := k.nl.LinkByName(u.Interface)
	if _, missing := errors.AsType[netlink.LinkNotFoundError](err); missing {
		return nil, &ispctl.Error{Kind: ispctl.NotFound, Object: "uplink " + u.Interface, Cause: "no such interface here", Next: "see: ip link"}
	}
	if err != nil {
		return nil, fmt.Errorf("uplink %s: %w", u.Interface, err)
	}
	var done []string
	if link.Attrs().Flags&net.FlagUp == 0 {
		if err := k.nl.LinkSetUp(link); err != nil {
			return done, fmt.Errorf("uplink %s: set up: %w", u.Interface, err)
		}
		done = append(done, "ip link set dev "+u.Interface+" up")
	}
	for _, ends := range []struct {
		address netip.Prefix
		gateway netip.Addr
	}{{u.Address, u.Gateway}, {u.Address6, u.Gateway6}} {
		if ends.address.IsValid() {
			said, err := k.setAddress(link, ends.address)
			done = append(done, said...)
			if err != nil {
				return done, fmt.Errorf("uplink %s: add address %s: %w", u.Interface, ends.address, err)
			}
		}
		if ends.gateway.IsValid() {
			said, err := k.setDefault(link, ends.address, ends.gateway)
			done = append(done, said...)
			if err != nil {
				return done, fmt.Errorf("uplink %s: default route: %w", u.Interface, err)
			}
		}
	}
	return done, nil
}

func (k *Kernel) setAddress(link netlink.Link, a netip.Prefix) ([]string, error) {
	err := k.nl.AddrAdd(link, &netlink.Addr{IPNet: ipNet(a)})
	if errors.Is(err, unix.EEXIST) {
		return nil, nil
	}
	return []string{fmt.Sprintf("ip address add %s dev %s", a, link.Attrs().Name)}, err
}

// setDefault adds a default route of the gateway's family where there is none.
func (k *Kernel) setDefault(link netlink.Link, address netip.Prefix, gateway netip.Addr) ([]string, error) {
	has, err := k.hasDefault(gateway)
	if err != nil || has {
		return nil, err
	}
	everywhere := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	if gateway.Is6() {
		everywhere = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	r := &netlink.Route{LinkIndex: link.Attrs().Index, Gw: gateway.AsSlice(), Dst: ipNet(everywhere)}
	text := fmt.Sprintf("ip route add default via %s dev %s", gateway, link.Attrs().Name)
	if !address.Masked().Contains(gateway) && !gateway.IsLinkLocalUnicast() {
		// A rented server's gateway often lies outside its /32.
		r.Flags = int(netlink.FLAG_ONLINK)
		text += " onlink"
	}
	if err := k.nl.RouteAdd(r); err != nil {
		return nil, fmt.Errorf("%s: %w", text, err)
	}
	return []string{text}, nil
}

// hasDefault looks for a default route of the address's family.
func (k *Kernel) hasDefault(of netip.Addr) (bool, error) {
	family := netlink.FAMILY_V4
	if of.Is6() {
		family = netlink.FAMILY_V6
	}
	all, err := k.mainTable(family)
	return slices.ContainsFunc(all, func(p netip.Prefix) bool { return p.Bits() == 0 }), err
}

// Destinations are the IPv4 prefixes that the host has routes to, but for the
// default.
func (k *Kernel) Destinations() ([]netip.Prefix, error) {
	all, err := k.mainTable(netlink.FAMILY_V4)
	return slices.DeleteFunc(all, func(p netip.Prefix) bool { return p.Bits() == 0 }), err
}

func (k *Kernel) mainTable(family int) ([]netip.Prefix, error) {
	routes, err := k.nl.RouteListFiltered(family, &netlink.Route{Table: unix.RT_TABLE_MAIN}, netlink.RT_FILTER_TABLE)
	if err != nil {
		return nil, fmt.Errorf("list routes: %w", err)
	}
	all := make([]netip.Prefix, len(routes))
	for i, r := range routes {
		all[i] = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		if r.Dst != nil {
			ones, _ := r.Dst.Mask.Size()
			addr, _ := netip.AddrFromSlice(r.Dst.IP)
			all[i] = netip.PrefixFrom(addr.Unmap(), ones)
		}
	}
	return all, nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
