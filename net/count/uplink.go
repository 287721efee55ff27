package count

import (
	"net/netip"

	"ispctl"
	"ispctl/net/nft"
)

// Addresses of IPv6 that no router carries on (RFC 4291, 2.5.6 and 2.7). Of the
// first ten bits the rule looks at eight: fe00::/8 holds nothing else in use.
var (
	linkLocal6 = netip.MustParsePrefix("fe00::/8")
	groups6    = netip.MustParsePrefix("ff00::/8")
)

// packets is the table that counts on the uplink, by external address.
func packets(m *ispctl.Model) nft.Table {
	dynamic := func(name string, t nft.Type) nft.Set {
		return nft.Set{Name: name, Key: []nft.Type{t}, Dynamic: true, Size: addressesSize}
	}
	t := nft.NewTable(nft.Inet, tableName(m.Installation), []nft.Set{
		{Name: uplinks, Key: []nft.Type{nft.TypeIfname}},
		{Name: addresses4, Key: []nft.Type{nft.TypeIPv4}},
		{Name: addresses6, Key: []nft.Type{nft.TypeIPv6}},
		dynamic(out4, nft.TypeIPv4), dynamic(in4, nft.TypeIPv4), dynamic(out6, nft.TypeIPv6), dynamic(in6, nft.TypeIPv6),
	}, []nft.Chain{
		{
			Name: "from-uplink", Hook: &nft.Hook{Type: "filter", Hook: "prerouting", Priority: fromWirePriority},
			Rules: []nft.Rule{
				nft.NewRule("to an external address", nft.IIFIn(uplinks), nft.FromIPv4(), nft.In(addresses4, nft.IPDest), nft.CountIn(in4, nft.IPDest)),
				nft.NewRule("to an external address", nft.IIFIn(uplinks), nft.FromIPv6(), nft.In(addresses6, nft.IP6Dest), nft.CountIn(in6, nft.IP6Dest)),
			},
		},
		{
			Name: "to-uplink", Hook: &nft.Hook{Type: "filter", Hook: "postrouting", Priority: toWirePriority},
			Rules: []nft.Rule{
				nft.NewRule("from an external address", nft.OIFIn(uplinks), nft.FromIPv4(), nft.In(addresses4, nft.IPSource), nft.CountIn(out4, nft.IPSource)),
				nft.NewRule("from an external address", nft.OIFIn(uplinks), nft.FromIPv6(), nft.In(addresses6, nft.IP6Source), nft.CountIn(out6, nft.IP6Source)),
			},
		},
	})
	for _, link := range m.UplinkLinks() {
		t.Add(uplinks, nft.Elem{Key: nft.Join(nft.Ifname(link))})
	}
	for _, none := range []string{out4, in4} {
		t.Keep(none, nft.Addr(netip.IPv4Unspecified()))
	}
	for _, none := range []string{out6, in6} {
		t.Keep(none, nft.Addr(netip.IPv6Unspecified()))
	}
	for _, a := range external(m) {
		set, counters := addresses4, []string{out4, in4}
		if a.Is6() {
			set, counters = addresses6, []string{out6, in6}
		}
		t.Add(set, nft.Elem{Key: nft.Join(nft.Addr(a))})
		for _, c := range counters {
			t.Keep(c, nft.Addr(a))
		}
	}
	return t
}

// external are the addresses on the uplink: the operator's, and the host's own,
// which zones without one go out with.
func external(m *ispctl.Model) []netip.Addr {
	var all []netip.Addr
	for _, a := range []netip.Prefix{m.Uplink.Address, m.Uplink.Address6} {
		if a.IsValid() {
			all = append(all, a.Addr())
		}
	}
	for _, a := range m.Addresses {
		all = append(all, a.Addr)
	}
	return all
}
