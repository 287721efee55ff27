package firewall

import (
	"net/netip"
	"slices"

	"ispctl"
	"ispctl/net/nft"
)

// bogons is the set of IPv4 addresses that must not be seen on the uplink, in
// either direction: the provider takes them for an attack.
const bogons = "bogons"

// Priorities: before anything changes a destination, and after everything has
// changed a source (enum nf_ip_hook_priorities).
const (
	rawPriority  = -300
	lastPriority = 300
)

// bogonPrefixes are the special-purpose prefixes that are not global (RFC 6890,
// RFC 1918, RFC 6598). Those for documentation are left out: labs and the demo
// are made of them.
var bogonPrefixes = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.0.0.0/24"), netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("240.0.0.0/4"),
}

// uplinkBogons are the prefixes that are foreign to this uplink. One that the
// uplink itself lives in, behind a router of the operator's own, is none; the
// zones in it still are.
func uplinkBogons(m *ispctl.Model) []netip.Prefix {
	ours := []netip.Prefix{}
	if m.Uplink.Address.IsValid() {
		ours = append(ours, m.Uplink.Address.Masked())
	}
	for _, a := range append([]ispctl.Address{{Addr: m.Uplink.Gateway}}, m.Addresses...) {
		if a.Addr.IsValid() {
			ours = append(ours, netip.PrefixFrom(a.Addr, a.Addr.BitLen()))
		}
	}
	var all []netip.Prefix
	for _, p := range bogonPrefixes {
		if !slices.ContainsFunc(ours, p.Overlaps) {
			all = append(all, p)
		}
	}
	for _, z := range m.Zones {
		if m.SourceOf(z).IsValid() && !slices.ContainsFunc(all, z.Prefix.Overlaps) {
			all = append(all, z.Prefix)
		}
	}
	return all
}

func addBogons(t nft.Table, m *ispctl.Model) {
	for _, p := range uplinkBogons(m) {
		key, end := nft.Range(p)
		t.Add(bogons, nft.Elem{Key: key, End: end})
	}
}

// bogonChains stand before the first and after the last that happens to a
// packet on the host.
func bogonChains() []nft.Chain {
	return []nft.Chain{
		{
			Name: "arriving", Hook: &nft.Hook{Type: "filter", Hook: "prerouting", Priority: rawPriority},
			Rules: []nft.Rule{
				nft.NewRule("no such source on the Internet", nft.IIFIn(uplinks), nft.FromIPv4(), nft.In(bogons, nft.IPSource), nft.Count(), nft.Drop()),
			},
		},
		{
			Name: "leaving", Hook: &nft.Hook{Type: "filter", Hook: "postrouting", Priority: lastPriority},
			Rules: []nft.Rule{
				nft.NewRule("a source that is not for the Internet", nft.OIFIn(uplinks), nft.FromIPv4(), nft.In(bogons, nft.IPSource), nft.Count(), nft.Drop()),
				nft.NewRule("no such place on the Internet", nft.OIFIn(uplinks), nft.FromIPv4(), nft.In(bogons, nft.IPDest), nft.Count(), nft.Drop()),
			},
		},
	}
}
