package route

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"ispctl"
)

// Found is what an uplink looks like.
type Found struct {
	Kind    ispctl.UplinkKind
	Address netip.Prefix // invalid: it has none of IPv4
	Gateway netip.Addr   // of the default route by it; invalid: there is none
	Why     string
}

// Detect looks at an uplink and changes nothing. What a provider does with
// further addresses cannot all be seen: whether each wants a MAC of its own, or
// moves by an API, is in its contract.
func (k *Kernel) Detect(name string) (Found, error) {
	link, err := k.nl.LinkByName(name)
	if _, gone := errors.AsType[netlink.LinkNotFoundError](err); gone {
		return Found{}, &ispctl.Error{Kind: ispctl.NotFound, Object: "uplink " + name, Cause: "no such interface here", Next: "see: ip link"}
	}
	if err != nil {
		return Found{}, fmt.Errorf("uplink %s: %w", name, err)
	}
	addrs, err := k.nl.AddrList(link, netlink.FAMILY_V4)
	if err != nil {
		return Found{}, fmt.Errorf("uplink %s: list addresses: %w", name, err)
	}
	f := Found{Kind: ispctl.Routed}
	for _, a := range addrs {
		ip, ok := netip.AddrFromSlice(a.IP)
		if ones, _ := a.Mask.Size(); ok && !f.Address.IsValid() && a.Scope == unix.RT_SCOPE_UNIVERSE {
			f.Address = netip.PrefixFrom(ip.Unmap(), ones)
		}
	}
	routes, err := k.nl.RouteListFiltered(netlink.FAMILY_V4,
		&netlink.Route{Table: unix.RT_TABLE_MAIN, LinkIndex: link.Attrs().Index}, netlink.RT_FILTER_TABLE|netlink.RT_FILTER_OIF)
	if err != nil {
		return Found{}, fmt.Errorf("uplink %s: list routes: %w", name, err)
	}
	for _, r := range routes {
		if r.Dst != nil {
			if ones, _ := r.Dst.Mask.Size(); ones != 0 {
				continue
			}
		}
		if gw, ok := netip.AddrFromSlice(r.Gw); ok {
			f.Gateway = gw.Unmap()
			break
		}
	}
	switch {
	case link.Type() == "bridge":
		f.Kind, f.Why = ispctl.Bridged, "it is a bridge, which VMs can be ports of"
	case f.Address.IsValid() && f.Gateway.IsValid() && !f.Address.Masked().Contains(f.Gateway):
		f.Why = fmt.Sprintf("its gateway %s lies outside %s, so whatever comes is routed", f.Gateway, f.Address)
	case f.Address.IsValid():
		f.Why = fmt.Sprintf("it is no bridge and has %s; if the provider issued a MAC for each further address, say vmac, and if they move by its API, failover", f.Address)
	default:
		f.Why = "it is no bridge, and has no address yet"
	}
	return f, nil
}
