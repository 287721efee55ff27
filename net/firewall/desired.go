package firewall

import (
	"slices"

	"ispctl"
	"ispctl/net/nft"
)

// Layer is the layer's name, and the end of its table's.
const Layer = "firewall"

// The sets of the table.
const (
	zoneLinks = "zones"    // bridges of zones
	egress    = "egress"   // bridges of zones whose guests may open connections to the Internet
	uplinks   = "uplinks"  // interfaces to the provider
	services  = "services" // what the host answers on the uplink
)

// filterPriority is "filter" in nft(8).
const filterPriority = 0

// Desired is a table for packets, one for frames, and one that counts frames.
func Desired(m *ispctl.Model) (nft.State, error) {
	if !m.Uplink.Configured() && len(m.Zones) == 0 {
		return nft.NewState(), nil
	}
	frames, err := spoofing(m)
	if err != nil {
		return nil, err
	}
	return nft.NewState(walls(m), frames, dropTable(m)), nil
}

// walls is the table between zones and around the host, with an element per
// zone, uplink and service.
func walls(m *ispctl.Model) nft.Table {
	t := nft.NewTable(nft.Inet, m.Installation.Table(Layer), append([]nft.Set{
		{Name: zoneLinks, Key: []nft.Type{nft.TypeIfname}},
		{Name: egress, Key: []nft.Type{nft.TypeIfname}},
		{Name: uplinks, Key: []nft.Type{nft.TypeIfname}},
		{Name: services, Key: []nft.Type{nft.TypeProto, nft.TypeService}},
		{Name: bogons, Key: []nft.Type{nft.TypeIPv4}, Interval: true},
		zoneServiceSet(),
	}, policySets()...), append(chains(m.Installation.LinkPattern()), bogonChains()...))
	addPolicies(t, m)
	addBogons(t, m)
	addZoneServices(t, m)
	for _, z := range m.Zones {
		bridge := nft.Elem{Key: nft.Join(nft.Ifname(m.Installation.Bridge(z.Name)))}
		t.Add(zoneLinks, bridge)
		if z.Egress {
			t.Add(egress, bridge)
		}
	}
	if m.Uplink.Configured() {
		t.Add(uplinks, nft.Elem{Key: nft.Join(nft.Ifname(m.Uplink.Interface))})
	}
	for _, s := range m.HostServices {
		t.Add(services, nft.Elem{Key: nft.Join(nft.Proto(s.Proto), nft.Service(s.Port))})
	}
	return t
}

// chains are the rules; ours matches the name of every link of ours.
func chains(ours string) []nft.Chain {
	return []nft.Chain{
		{
			Name: "forward", Hook: &nft.Hook{Type: "filter", Hook: "forward", Priority: filterPriority},
			Rules: slices.Concat([]nft.Rule{
				nft.NewRule("neither end is ours: not for us to judge", nft.NotIIF(ours), nft.NotOIF(ours), nft.Accept()),
				nft.NewRule("belongs to no connection", nft.InState(nft.Invalid), nft.Count(), nft.Drop()),
				nft.NewRule("answers to what was let through", nft.InState(nft.Established, nft.Related), nft.Accept()),
				nft.NewRule("zone with egress to the Internet", nft.FromIPv4(), nft.IIFIn(egress), nft.OIFIn(uplinks), nft.Accept()),
				nft.NewRule("forward from the Internet", nft.IIFIn(uplinks), nft.OIFIn(zoneLinks), nft.DestinationChanged(), nft.Accept()),
				nft.NewRule("forward from a zone that may go out", nft.IIFIn(egress), nft.OIFIn(zoneLinks), nft.DestinationChanged(), nft.Accept()),
			}, policyRules(false), []nft.Rule{
				nft.NewRule("closed: zone to zone, unknown links, all else", nft.Count(), nft.Drop()),
			}),
		},
		{
			Name: "input", Hook: &nft.Hook{Type: "filter", Hook: "input", Priority: filterPriority},
			Rules: slices.Concat([]nft.Rule{
				nft.NewRule("from elsewhere: not for us to judge", nft.NotIIF(ours), nft.IIFNotIn(uplinks), nft.Accept()),
				nft.NewRule("belongs to no connection", nft.InState(nft.Invalid), nft.Count(), nft.Drop()),
				nft.NewRule("answers to what the host asked", nft.InState(nft.Established, nft.Related), nft.Accept()),
				nft.NewRule("host service", nft.IIFIn(uplinks), nft.ServiceIn(services), nft.Accept()),
				nft.NewRule("ping", nft.IIFIn(uplinks), nft.ICMP("echo-request", 8), nft.Accept()),
				nft.NewRule("IPv6 does not work without ICMPv6", nft.IIFIn(uplinks), nft.L4Proto("ipv6-icmp", 58), nft.Accept()),
				// The answer to its question to a group is no established
				// traffic to conntrack.
				nft.NewRule("lease of the host itself", nft.IIFIn(uplinks), nft.FromIPv6(), nft.UDPTo(dhcpv6Client), nft.Accept()),
				zoneServiceRule(),
			}, policyRules(true), []nft.Rule{
				nft.NewRule("closed: guests to the host, Internet to the host", nft.Count(), nft.Drop()),
			}),
		},
	}
}
