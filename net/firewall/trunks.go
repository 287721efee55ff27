package firewall

import (
	"net"

	"ispctl"
	"ispctl/net/nft"
)

// The sets of trunks.
const (
	tags          = "tags"           // (tap . MAC . tag) of guests that take part in VLANs
	trunks        = "trunks"         // ports by which VLANs of trunks come in
	doors         = "doors"          // those by which a zone goes on: we are its router there
	doorGateways  = "door_gateways"  // (port . our address in the zone)
	doorGateways6 = "door_gateways6" // the same for IPv6
	doorTargets   = "door_targets"   // door_gateways6, as neighbour discovery has them
)

func trunkSets() []nft.Set {
	return []nft.Set{
		{Name: tags, Key: []nft.Type{nft.TypeIfname, nft.TypeEther, nft.TypeTag}},
		{Name: trunks, Key: []nft.Type{nft.TypeIfname}},
		{Name: doors, Key: []nft.Type{nft.TypeIfname}},
		{Name: doorGateways, Key: []nft.Type{nft.TypeIfname, nft.TypeIPv4}},
		{Name: doorGateways6, Key: []nft.Type{nft.TypeIfname, nft.TypeIPv6}},
		{Name: doorTargets, Key: []nft.Type{nft.TypeIfname, nft.TypeNDTarget}},
	}
}

func addTrunks(t nft.Table, m *ispctl.Model, zones map[ispctl.Name]ispctl.Zone) {
	for _, port := range m.TrunkPorts() {
		name, z := nft.Ifname(port.Name), zones[port.Zone]
		t.Add(trunks, element(name))
		if port.Aware {
			continue
		}
		t.Add(doors, element(name))
		t.Add(doorGateways, element(name, nft.Addr(z.Gateway())))
		if z.Prefix6.IsValid() {
			t.Add(doorGateways6, element(name, nft.Addr(z.Gateway6())))
			t.Add(doorTargets, element(name, nft.Addr(z.Gateway6())))
			local := ispctl.BridgeLinkLocal(m.Installation.Bridge(z.Name))
			t.Add(doorGateways6, element(name, nft.Addr(local)))
			t.Add(doorTargets, element(name, nft.Addr(local)))
		}
	}
}

// addTags lets a NIC take part in VLANs of its zone's trunk. The tag's three
// bits of priority have to be zero: how urgent a frame is at the switch beyond
// is not the guest's to say.
func addTags(t nft.Table, nic ispctl.NIC, hw net.HardwareAddr, z ispctl.Zone) {
	if !z.VLANAware() {
		return
	}
	for _, tag := range nic.Tags {
		t.Add(tags, element(nft.Ifname(nic.Tap), nft.MAC(hw), nft.Short(uint16(tag))))
	}
}

// allowTags lets a guest speak IP in its VLANs, as whoever it likes, but with its
// own MAC. Who is who there is not ours to know: addresses are given out beyond
// the trunk. What stands inside the tag is no second one, and nothing that is
// for bridges.
func allowTags() []nft.Rule {
	tagged := func(kind uint16) []nft.Stmt {
		return []nft.Stmt{
			etherType(etherVLAN), nft.TaggedType.Is(nft.Short(kind)), nft.In(tags, nft.InLink, nft.EtherSource, nft.TagControl),
			nft.EtherDest.NotMasked(mac("ff:ff:ff:ff:ff:f0"), mac(reservedTo)),
		}
	}
	return []nft.Rule{
		rule("IPv4 in a VLAN of its own", tagged(etherIPv4), nft.Accept()),
		rule("IPv6 in a VLAN of its own", tagged(etherIPv6), nft.Accept()),
		rule("ARP in a VLAN of its own", tagged(etherARP), nft.Accept()),
	}
}

// beyond judges what comes in by a trunk. Machines there are as they are; they
// are held only to be machines: not a switch that talks to ours, not a second
// VLAN inside the first, and where the zone is ours, not its router.
func beyond(ours string) []nft.Rule {
	udp := func(kind uint16, from uint16) []nft.Stmt {
		return []nft.Stmt{etherType(kind), l4(protoUDP), nft.UDPSource.Is(nft.Service(from))}
	}
	icmp6 := func(kind byte) []nft.Stmt {
		return []nft.Stmt{etherType(etherIPv6), l4(protoICMPv6), nft.ICMPv6Type.Is(nft.Byte(kind))}
	}
	drop := []nft.Stmt{nft.Count(), nft.Drop()}
	return []nft.Rule{
		rule("from a guest: judged next", nft.IIF(ours), nft.Accept()),
		rule("by no trunk of ours", nft.IIFNotIn(trunks), nft.Accept()),
		rule("bridges talking to each other", reservedGroup(), drop),
		rule("VLAN tag inside another", etherType(etherVLAN), drop),
		rule("service VLAN tag inside another", etherType(etherQinQ), drop),
		rule("a VLAN that guests take part in: its routers and servers are beyond", nft.IIFNotIn(doors), nft.Accept()),
		rule("ARP as the gateway", etherType(etherARP), nft.In(doorGateways, nft.InLink, nft.ARPSenderIP), drop),
		rule("IPv4 as the gateway", etherType(etherIPv4), nft.In(doorGateways, nft.InLink, nft.IPSource), drop),
		rule("IPv6 as the gateway", etherType(etherIPv6), nft.In(doorGateways6, nft.InLink, nft.IP6Source), drop),
		rule("answers as the gateway", icmp6(neighbourAdvertise), nft.In(doorTargets, nft.InLink, nft.NDTarget), drop),
		rule("DHCP answer", udp(etherIPv4, dhcpServer), drop),
		rule("DHCPv6 answer", udp(etherIPv6, dhcpv6Server), drop),
		rule("router advertisement", icmp6(routerAdvertisement), drop),
		rule("redirect", icmp6(redirect6), drop),
	}
}
