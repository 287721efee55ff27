package firewall

import (
	"slices"

	"ispctl"
	"ispctl/net/nft"
)

// The sets of the admin network's legs in the table of frames. A NIC on a leg
// is in no set of those in zones but that of MACs, so nothing that is let
// through there is let through here.
const (
	legPeers  = "leg_peers"  // (tap . MAC . address . gateway of the leg)
	legOwners = "leg_owners" // (tap . MAC . address)
)

// addLegs puts a leg's bridge, who may come to it and what the host answers
// there into the table of packets. A leg is in none of the sets of zones: what
// a guest starts there meets the end of the chain.
func addLegs(t nft.Table, m *ispctl.Model) {
	for _, link := range m.Admin.Links {
		t.Add(operators, nft.Elem{Key: nft.Join(nft.Ifname(link))})
	}
	for _, z := range m.Zones {
		leg := m.LegBridge(z)
		if leg == "" {
			continue
		}
		t.Add(legs, nft.Elem{Key: nft.Join(nft.Ifname(leg))})
		for _, s := range m.Admin.Services {
			t.Add(zoneServices, nft.Elem{Key: nft.Join(nft.Ifname(leg), nft.Addr(z.LegGateway()), nft.Proto(s.Proto), nft.Service(s.Port))})
		}
	}
}

func legSets() []nft.Set {
	return []nft.Set{
		{Name: legPeers, Key: []nft.Type{nft.TypeIfname, nft.TypeEther, nft.TypeIPv4, nft.TypeIPv4}},
		{Name: legOwners, Key: []nft.Type{nft.TypeIfname, nft.TypeEther, nft.TypeIPv4}},
	}
}

// addLegNIC lets a NIC on a leg speak to its gateway.
func addLegNIC(t nft.Table, nic ispctl.NIC, tap, mac nft.Field, z ispctl.Zone) {
	t.Add(legOwners, element(tap, mac, nft.Addr(nic.Addr)))
	t.Add(legPeers, element(tap, mac, nft.Addr(nic.Addr), nft.Addr(z.LegGateway())))
}

// allowLegs lets a guest answer its leg's gateway, as which it sees everybody
// who comes to it there, and find that gateway. There is nobody else on a leg:
// no other machine, no group, no lease.
func allowLegs() []nft.Rule {
	to := nft.In(legPeers, nft.InLink, nft.EtherSource, nft.IPSource, nft.IPDest)
	gateway := func(more ...nft.Stmt) []nft.Stmt {
		return slices.Concat(
			[]nft.Stmt{etherType(etherIPv4), nft.NetworkBytes(0, 1).Is(nft.Byte(0x45))}, // version 4, no options
			more, []nft.Stmt{to, toOne()})
	}
	arp := slices.Concat(plainARP(), []nft.Stmt{
		nft.ARPOperation.Between(nft.Short(1), nft.Short(2)), // asks or answers
		ownMAC(),
		nft.In(legPeers, nft.InLink, nft.ARPSenderMAC, nft.ARPSenderIP, nft.ARPTargetIP),
	})
	return []nft.Rule{
		rule("TCP to the gateway of its leg", gateway(nft.WholeTCP()), nft.Accept()),
		rule("UDP to the gateway of its leg", gateway(noAnswer()...), nft.Accept()),
		rule("ICMP to the gateway of its leg", gateway(l4(protoICMP), nft.In(errands4, nft.ICMPType)), nft.Accept()),
		rule("later fragments to the gateway of its leg",
			gateway(nft.IPFragment.NotMasked(nft.Short(0x1fff), nft.Short(0)), nft.In(fragmentable, nft.L4)), nft.Accept()),
		rule("ARP with the gateway of its leg, to one", arp, toOne(), nft.Accept()),
		rule("ARP with the gateway of its leg, to all", arp, toAll(), nft.Accept()),
	}
}

// legCondemnation gives what is the guest's own, but for nobody on a leg, its
// own reason.
func legCondemnation() nft.Rule {
	return rule("on a leg, to another than the gateway", etherType(etherIPv4), nft.In(legOwners, nft.InLink, nft.EtherSource, nft.IPSource), condemn(offLeg))
}
