package firewall

import (
	"net/netip"
	"slices"

	"ispctl"
	"ispctl/net/nft"
)

// bogons are the sets of addresses that must not be seen on the uplink, in
// either direction: the provider takes them for an attack. Those of insiders6
// live behind us, and so come in by nothing but our own links.
const (
	bogons    = "bogons"
	bogons6   = "bogons6"
	insiders6 = "insiders6"
)

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

// bogonPrefixes6 are those of IPv6 (RFC 6890, RFC 4193, RFC 3879, and IANA's
// registry of special-purpose addresses). Link-local ones are not among them:
// neighbours on the uplink speak from them, and the kernel forwards none.
var bogonPrefixes6 = []netip.Prefix{
	netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("::ffff:0:0/96"), netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("100::/64"), netip.MustParsePrefix("2001:2::/48"), netip.MustParsePrefix("2001:10::/28"),
	netip.MustParsePrefix("5f00::/16"), netip.MustParsePrefix("fc00::/7"), netip.MustParsePrefix("fec0::/10"),
}

// uplinkBogons are the prefixes that are foreign to this uplink. One that the
// uplink itself lives in, behind a router of the operator's own, is none; the
// zones in it still are.
func uplinkBogons(m *ispctl.Model) []netip.Prefix {
	all := foreign(m, bogonPrefixes)
	for _, z := range m.Zones {
		if m.SourceOf(z).IsValid() && !slices.ContainsFunc(all, z.Prefix.Overlaps) {
			all = append(all, z.Prefix)
		}
		if z.Leg.IsValid() && !slices.ContainsFunc(all, z.Leg.Overlaps) {
			all = append(all, z.Leg)
		}
	}
	return all
}

// foreign are the prefixes that the uplink does not live in.
func foreign(m *ispctl.Model, prefixes []netip.Prefix) []netip.Prefix {
	var ours []netip.Prefix
	for _, p := range []netip.Prefix{m.Uplink.Address, m.Uplink.Address6} {
		if p.IsValid() {
			ours = append(ours, p.Masked())
		}
	}
	for _, a := range append([]ispctl.Address{{Addr: m.Uplink.Gateway}, {Addr: m.Uplink.Gateway6}}, m.Addresses...) {
		if a.Addr.IsValid() {
			ours = append(ours, netip.PrefixFrom(a.Addr, a.Addr.BitLen()))
		}
	}
	var all []netip.Prefix
	for _, p := range prefixes {
		if !slices.ContainsFunc(ours, p.Overlaps) {
			all = append(all, p)
		}
	}
	return all
}

// bogons6Of are those of IPv6, with the zones that nobody outside can answer.
func bogons6Of(m *ispctl.Model) []netip.Prefix {
	all := foreign(m, bogonPrefixes6)
	for _, z := range m.Zones {
		if z.Prefix6.IsValid() && !z.Global6() && !slices.ContainsFunc(all, z.Prefix6.Overlaps) {
			all = append(all, z.Prefix6)
		}
	}
	return all
}

func addBogons(t nft.Table, m *ispctl.Model) {
	for _, p := range uplinkBogons(m) {
		key, end := nft.Range(p)
		t.Add(bogons, nft.Elem{Key: key, End: end})
	}
	for _, p := range bogons6Of(m) {
		key, end := nft.Range(p)
		t.Add(bogons6, nft.Elem{Key: key, End: end})
	}
	for _, z := range m.Zones {
		if z.Prefix6.IsValid() {
			key, end := nft.Range(z.Prefix6)
			t.Add(insiders6, nft.Elem{Key: key, End: end})
		}
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
				nft.NewRule("no such IPv6 source on the Internet", nft.IIFIn(uplinks), nft.FromIPv6(), nft.In(bogons6, nft.IP6Source), nft.Count(), nft.Drop()),
				nft.NewRule("from outside as one of our guests", nft.IIFIn(uplinks), nft.FromIPv6(), nft.In(insiders6, nft.IP6Source), nft.Count(), nft.Drop()),
			},
		},
		{
			Name: "leaving", Hook: &nft.Hook{Type: "filter", Hook: "postrouting", Priority: lastPriority},
			Rules: []nft.Rule{
				nft.NewRule("a source that is not for the Internet", nft.OIFIn(uplinks), nft.FromIPv4(), nft.In(bogons, nft.IPSource), nft.Count(), nft.Drop()),
				nft.NewRule("no such place on the Internet", nft.OIFIn(uplinks), nft.FromIPv4(), nft.In(bogons, nft.IPDest), nft.Count(), nft.Drop()),
				nft.NewRule("an IPv6 source that is not for the Internet", nft.OIFIn(uplinks), nft.FromIPv6(), nft.In(bogons6, nft.IP6Source), nft.Count(), nft.Drop()),
				nft.NewRule("no such IPv6 place on the Internet", nft.OIFIn(uplinks), nft.FromIPv6(), nft.In(bogons6, nft.IP6Dest), nft.Count(), nft.Drop()),
			},
		},
	}
}
