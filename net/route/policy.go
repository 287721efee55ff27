package route

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"ispctl"
)

// readRoutes sorts the routes that bear our protocol by what they are for.
func (k *Kernel) readRoutes(s State) error {
	routes, err := k.nl.RouteListFiltered(netlink.FAMILY_ALL,
		&netlink.Route{Table: unix.RT_TABLE_UNSPEC, Protocol: Protocol}, netlink.RT_FILTER_TABLE|netlink.RT_FILTER_PROTOCOL)
	if err != nil {
		return fmt.Errorf("list routes: %w", err)
	}
	names := map[int]string{}
	nameOf := func(index int) (string, error) {
		if names[index] == "" {
			link, err := k.nl.LinkByIndex(index)
			if err != nil {
				return "", fmt.Errorf("link %d: %w", index, err)
			}
			names[index] = link.Attrs().Name
		}
		return names[index], nil
	}
	for _, r := range routes {
		var dst netip.Addr
		if r.Dst != nil {
			dst, _ = netip.AddrFromSlice(r.Dst.IP)
			dst = dst.Unmap()
		}
		if r.Table == unix.RT_TABLE_LOCAL {
			s.Locals[dst] = true
			continue
		}
		link, err := nameOf(r.LinkIndex)
		if err != nil {
			return err
		}
		if r.Table == unix.RT_TABLE_MAIN {
			s.Guests[Guest{dst, link}] = true
			continue
		}
		gateway, _ := netip.AddrFromSlice(r.Gw)
		s.Ways[Way{addrOf(uint32(r.Table)), link, gateway.Unmap()}] = true
	}
	return nil
}

// addrOf is the address whose table has the number.
func addrOf(table uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(table >> 24), byte(table >> 16), byte(table >> 8), byte(table)})
}

func (k *Kernel) readRules(s State) error {
	rules, err := k.nl.RuleList(netlink.FAMILY_V4)
	if err != nil {
		return fmt.Errorf("list rules: %w", err)
	}
	for _, r := range rules {
		if r.Protocol != Protocol {
			continue
		}
		one := Rule{Table: uint32(r.Table)}
		if r.Src != nil {
			from, _ := netip.AddrFromSlice(r.Src.IP)
			one.From = from.Unmap()
		}
		s.Rules[one] = true
	}
	return nil
}

func (k *Kernel) applyGuest(g Guest, remove bool) error {
	r := &netlink.Route{Dst: single(g.Addr), Scope: unix.RT_SCOPE_LINK, Protocol: Protocol, Table: unix.RT_TABLE_MAIN}
	if g.Addr.Is6() {
		r.Scope = unix.RT_SCOPE_UNIVERSE // IPv6 knows no other
	}
	return k.applyOn(g.Link, r, remove)
}

func (k *Kernel) applyWay(w Way, remove bool) error {
	return k.applyOn(w.Link, &netlink.Route{
		Dst: ipNet(netip.PrefixFrom(netip.IPv4Unspecified(), 0)), Gw: w.Gateway.AsSlice(), Flags: int(netlink.FLAG_ONLINK),
		Protocol: Protocol, Table: int(ispctl.WayMark(w.Addr)),
	}, remove)
}

// applyOn makes or deletes a route by a link. With a link its routes go.
func (k *Kernel) applyOn(name string, r *netlink.Route, remove bool) error {
	link, err := k.nl.LinkByName(name)
	if missing(err) && remove {
		return nil
	}
	if err != nil {
		return err
	}
	r.LinkIndex = link.Attrs().Index
	if remove {
		return except(k.nl.RouteDel(r), unix.ESRCH)
	}
	return except(k.nl.RouteAppend(r), unix.EEXIST)
}

func (k *Kernel) applyRule(one Rule, remove bool) error {
	r := netlink.NewRule()
	r.Family, r.Table, r.Priority, r.Protocol = netlink.FAMILY_V4, int(one.Table), one.priority(), Protocol
	if one.From.IsValid() {
		r.Src = single(one.From)
	} else {
		r.Mark = one.Table
	}
	if remove {
		return except(k.nl.RuleDel(r), unix.ENOENT)
	}
	return except(k.nl.RuleAdd(r), unix.EEXIST)
}

func single(a netip.Addr) *net.IPNet { return ipNet(netip.PrefixFrom(a, a.BitLen())) }
