package firewall

import (
	"net/netip"

	"ispctl"
	"ispctl/net/nft"
)

// The sets of who may reach the host's services.
const (
	sources4 = "host_sources4"
	sources6 = "host_sources6"
)

func hostSourceSets() []nft.Set {
	return []nft.Set{
		{Name: sources4, Key: []nft.Type{nft.TypeIPv4}, Interval: true},
		{Name: sources6, Key: []nft.Type{nft.TypeIPv6}, Interval: true},
	}
}

// hostServiceRules let who may come reach what is served.
func hostServiceRules() []nft.Rule {
	return []nft.Rule{
		nft.NewRule("host service", nft.IIFIn(uplinks), nft.FromIPv4(), nft.In(sources4, nft.IPSource), nft.ServiceIn(services), nft.Accept()),
		nft.NewRule("host service, by IPv6", nft.IIFIn(uplinks), nft.FromIPv6(), nft.In(sources6, nft.IP6Source), nft.ServiceIn(services), nft.Accept()),
	}
}

// addHostSources puts in who may; everybody is one element that covers all, so
// that the rules are the same.
func addHostSources(t nft.Table, m *ispctl.Model) {
	all := m.HostSources
	if len(all) == 0 {
		all = []netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.PrefixFrom(netip.IPv6Unspecified(), 0)}
	}
	for _, p := range all {
		set := sources4
		if p.Addr().Is6() {
			set = sources6
		}
		key, end := nft.Range(p)
		t.Add(set, nft.Elem{Key: key, End: end})
	}
}
