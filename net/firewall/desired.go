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
	zoneLinks = "zones"     // bridges of zones
	egress    = "egress"    // bridges of zones whose guests may open connections to the Internet
	zones6    = "zones6"    // bridges of zones with IPv6
	egress6   = "egress6"   // bridges of zones whose guests may do so by IPv6
	opened6   = "opened6"   // (address . proto . port) of guests that the Internet reaches by IPv6
	uplinks   = "uplinks"   // interfaces to the provider
	services  = "services"  // what the host answers on the uplink
	legs      = "legs"      // bridges of admin legs
	operators = "operators" // interfaces that operators come in by
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
	own := ownLimits(m)
	t := nft.NewTable(nft.Inet, m.Installation.Table(Layer), append([]nft.Set{
		{Name: zoneLinks, Key: []nft.Type{nft.TypeIfname}},
		{Name: legs, Key: []nft.Type{nft.TypeIfname}},
		{Name: operators, Key: []nft.Type{nft.TypeIfname}},
		{Name: egress, Key: []nft.Type{nft.TypeIfname}},
		{Name: zones6, Key: []nft.Type{nft.TypeIfname}},
		{Name: egress6, Key: []nft.Type{nft.TypeIfname}},
		{Name: opened6, Key: []nft.Type{nft.TypeIPv6, nft.TypeProto, nft.TypeService}},
		{Name: uplinks, Key: []nft.Type{nft.TypeIfname}},
		{Name: services, Key: []nft.Type{nft.TypeProto, nft.TypeService}},
		{Name: bogons, Key: []nft.Type{nft.TypeIPv4}, Interval: true},
		{Name: bogons6, Key: []nft.Type{nft.TypeIPv6}, Interval: true},
		{Name: insiders6, Key: []nft.Type{nft.TypeIPv6}, Interval: true},
		zoneServiceSet(), zoneServiceSet6(),
	}, slices.Concat(wholeSets(), policySets(), limitSets(), ownLimitSets(own), hostSourceSets(), vpnSets(), gatewaySets())...), slices.Concat(chains(m.Installation.LinkPattern(), own), bogonChains(), vpnChains()))
	addPolicies(t, m)
	addWhole(t, m)
	addOwnLimits(t, own)
	addBogons(t, m)
	addZoneServices(t, m)
	addLegs(t, m)
	addVPN(t, m)
	for _, z := range m.Zones {
		bridge := nft.Elem{Key: nft.Join(nft.Ifname(m.Installation.Bridge(z.Name)))}
		t.Add(zoneLinks, bridge)
		if z.Egress {
			t.Add(egress, bridge)
		}
		if z.Prefix6.IsValid() {
			t.Add(zones6, bridge)
		}
		if z.Egress6() {
			t.Add(egress6, bridge)
		}
	}
	addForwards6(t, m)
	for _, link := range m.UplinkLinks() {
		t.Add(uplinks, nft.Elem{Key: nft.Join(nft.Ifname(link))})
	}
	addHostSources(t, m)
	addGateway(t, m)
	for _, s := range m.HostServices {
		t.Add(services, nft.Elem{Key: nft.Join(nft.Proto(s.Proto), nft.Service(s.Port))})
	}
	return t
}

// addForwards6 opens ports of guests: nothing translates IPv6, so a forward of
// it is a hole in the wall and no more.
func addForwards6(t nft.Table, m *ispctl.Model) {
	for _, f := range m.Forwards {
		if !f.Listen.Addr.Is6() {
			continue
		}
		for port := int(f.Listen.Port); port <= max(int(f.Listen.Port), int(f.Last)); port++ {
			t.Add(opened6, nft.Elem{Key: nft.Join(nft.Addr(f.Listen.Addr), nft.Proto(f.Listen.Proto), nft.Service(uint16(port)))})
		}
	}
}

// chains are the rules; ours matches the name of every link of ours.
func chains(ours string, own []ownLimit) []nft.Chain {
	return []nft.Chain{
		{
			Name: "forward", Hook: &nft.Hook{Type: "filter", Hook: "forward", Priority: filterPriority},
			Rules: slices.Concat([]nft.Rule{
				nft.NewRule("neither end is ours: not for us to judge", nft.NotIIF(ours), nft.NotOIF(ours), nft.Accept()),
				nft.NewRule("belongs to no connection", nft.InState(nft.Invalid), nft.Count(), nft.Drop()),
			}, vpnForwardRules(), packetRules(own), []nft.Rule{
				nft.NewRule("answers to what was let through", nft.InState(nft.Established, nft.Related), nft.Accept()),
			}, guestLimitRules(own), floodRules(), []nft.Rule{
				nft.NewRule("operator to a guest, by its leg", nft.FromIPv4(), nft.IIFIn(operators), nft.OIFIn(legs), nft.Accept()),
				nft.NewRule("zone with egress to the Internet", nft.FromIPv4(), nft.IIFIn(egress), nft.OIFIn(uplinks), nft.Accept()),
				nft.NewRule("the same by IPv6", nft.FromIPv6(), nft.IIFIn(egress6), nft.OIFIn(uplinks), nft.Accept()),
				nft.NewRule("IPv6 forward from the Internet", nft.FromIPv6(), nft.IIFIn(uplinks), nft.OIFIn(zoneLinks), nft.In(opened6, nft.IP6Dest, nft.L4, nft.DestPort), nft.Accept()),
				nft.NewRule("IPv6 forward from a zone that may go out", nft.FromIPv6(), nft.IIFIn(egress6), nft.OIFIn(zoneLinks), nft.In(opened6, nft.IP6Dest, nft.L4, nft.DestPort), nft.Accept()),
				nft.NewRule("forward from the Internet", nft.IIFIn(uplinks), nft.OIFIn(zoneLinks), nft.DestinationChanged(), notWhole(), nft.Accept()),
				nft.NewRule("forward from a zone that may go out", nft.IIFIn(egress), nft.OIFIn(zoneLinks), nft.DestinationChanged(), notWhole(), nft.Accept()),
			}, wholeRules(), policyRules(false), []nft.Rule{
				nft.NewRule("closed: zone to zone, whatever guests start on a leg, unknown links, all else", nft.Count(), nft.Drop()),
			}),
		},
		{
			Name: "input", Hook: &nft.Hook{Type: "filter", Hook: "input", Priority: filterPriority},
			Rules: slices.Concat([]nft.Rule{
				nft.NewRule("from elsewhere: not for us to judge", nft.NotIIF(ours), nft.IIFNotIn(uplinks), nft.Accept()),
				nft.NewRule("belongs to no connection", nft.InState(nft.Invalid), nft.Count(), nft.Drop()),
			}, vpnInputRules(), packetRules(own), []nft.Rule{
				nft.NewRule("answers to what the host asked", nft.InState(nft.Established, nft.Related), nft.Accept()),
			}, guestLimitRules(own), []nft.Rule{}, hostServiceRules(), gatewayRules(), []nft.Rule{
				nft.NewRule("ping", nft.IIFIn(uplinks), nft.ICMP("echo-request", 8), nft.Accept()),
				nft.NewRule("IPv6 does not work without ICMPv6", nft.IIFIn(uplinks), nft.L4Proto("ipv6-icmp", 58), nft.Accept()),
				// The answer to its question to a group is no established
				// traffic to conntrack.
				nft.NewRule("lease of the host itself", nft.IIFIn(uplinks), nft.FromIPv6(), nft.UDPTo(dhcpv6Client), nft.Accept()),
			}, zoneServiceRules(), policyRules(true), []nft.Rule{
				nft.NewRule("closed: guests to the host, Internet to the host", nft.Count(), nft.Drop()),
			}),
		},
	}
}
