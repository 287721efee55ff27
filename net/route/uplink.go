package route

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

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
	if u.Address.IsValid() {
		err := k.nl.AddrAdd(link, &netlink.Addr{IPNet: ipNet(u.Address)})
		if err := except(err, unix.EEXIST); err != nil {
			return done, fmt.Errorf("uplink %s: add address %s: %w", u.Interface, u.Address, err)
		}
		if err == nil {
			done = append(done, fmt.Sprintf("ip address add %s dev %s", u.Address, u.Interface))
		}
	}
	if !u.Gateway.IsValid() {
		return done, nil
	}
	has, err := k.hasDefault()
	if err != nil || has {
		return done, err
	}
	r := &netlink.Route{LinkIndex: link.Attrs().Index, Gw: u.Gateway.AsSlice(), Dst: ipNet(netip.PrefixFrom(netip.IPv4Unspecified(), 0))}
	text := fmt.Sprintf("ip route add default via %s dev %s", u.Gateway, u.Interface)
	if !u.Address.Masked().Contains(u.Gateway) {
		// A rented server's gateway often lies outside its /32.
		r.Flags = int(netlink.FLAG_ONLINK)
		text += " onlink"
	}
	if err := k.nl.RouteAdd(r); err != nil {
		return done, fmt.Errorf("uplink %s: %s: %w", u.Interface, text, err)
	}
	return append(done, text), nil
}

func (k *Kernel) hasDefault() (bool, error) {
	routes, err := k.nl.RouteListFiltered(netlink.FAMILY_V4, &netlink.Route{Table: unix.RT_TABLE_MAIN}, netlink.RT_FILTER_TABLE)
	if err != nil {
		return false, fmt.Errorf("list routes: %w", err)
	}
	for _, r := range routes {
		if r.Dst == nil {
			return true, nil
		}
		if ones, _ := r.Dst.Mask.Size(); ones == 0 {
			return true, nil
		}
	}
	return false, nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
