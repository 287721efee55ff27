package firewall

import (
	"net"
	"net/netip"
	"slices"

	"ispctl"
	"ispctl/net/nft"
)

// The sets of the opt-outs. A NIC with one adds a few elements, and no rule;
// frames of the others never come to the rules of this file.
const (
	opted         = "opted"           // taps with an opt-out
	anyMAC        = "any_mac"         // taps that may bear any MAC
	anyMAC4       = "any_mac4"        // (tap . address) of these
	anyMAC6       = "any_mac6"        // the same for IPv6
	anyMACTargets = "any_mac_targets" // any_mac6, as neighbour discovery has them
	anyMACHas6    = "any_mac_has6"    // taps that may bear any MAC with an IPv6 address
	anyAddress    = "any_address"     // (tap . MAC) that may bear any address
	anybody       = "anybody"         // taps that may bear any MAC with any address
	serving       = "serving"         // taps of DHCP servers and routers
	restricted    = "restricted"      // taps that may send what guests have no use for

	ordinary4  = "ordinary4"  // transports of IPv4 that are judged elsewhere
	ordinary6  = "ordinary6"  // the same for IPv6, and its extension headers
	closedType = "closed"     // Ethernet types that no opt-out opens
	optedChain = "opted-outs" // where opted taps' frames go on
)

// Ethernet types of what is said between bridges, and to them.
const (
	etherPause = 0x8808
	etherSlow  = 0x8809 // LACP
	etherEAPOL = 0x888e // 802.1X
	etherMVRP  = 0x88f5
	etherMMRP  = 0x88f6
	etherLLDP  = 0x88cc
	etherTRILL = 0x22f3
	etherPBB   = 0x88e7 // backbone bridging: a frame in a frame
	etherCFM   = 0x8902
	etherQinQ1 = 0x9100 // before there was a standard
	etherQinQ2 = 0x9200
	etherFirst = 0x0600 // below: a length
)

func allowanceSets() []nft.Set {
	tap := nft.TypeIfname
	return []nft.Set{
		{Name: opted, Key: []nft.Type{tap}},
		{Name: anyMAC, Key: []nft.Type{tap}},
		{Name: anyMAC4, Key: []nft.Type{tap, nft.TypeIPv4}},
		{Name: anyMAC6, Key: []nft.Type{tap, nft.TypeIPv6}},
		{Name: anyMACTargets, Key: []nft.Type{tap, nft.TypeNDTarget}},
		{Name: anyMACHas6, Key: []nft.Type{tap}},
		{Name: anyAddress, Key: []nft.Type{tap, nft.TypeEther}},
		{Name: anybody, Key: []nft.Type{tap}},
		{Name: serving, Key: []nft.Type{tap}},
		{Name: restricted, Key: []nft.Type{tap}},
		{Name: ordinary4, Key: []nft.Type{nft.TypeProto}},
		{Name: ordinary6, Key: []nft.Type{nft.TypeProto}},
		{Name: closedType, Key: []nft.Type{nft.TypeEtherType}},
	}
}

func addOrdinary(t nft.Table) {
	for _, p := range []byte{protoICMP, protoIGMP, protoTCP, protoUDP, protoICMPv6} {
		t.Add(ordinary4, element(nft.Byte(p)))
	}
	// Extension headers, behind which there could be anything (IANA, IPv6
	// parameters).
	for _, p := range []byte{protoHopByHop, protoTCP, protoUDP, 43, protoFragment, 51, protoICMPv6, 59, 60, 135, 139, 140} {
		t.Add(ordinary6, element(nft.Byte(p)))
	}
	for _, n := range []uint16{
		etherIPv4, etherARP, etherIPv6, etherVLAN, etherQinQ, etherQinQ1, etherQinQ2, etherPause, etherSlow, etherEAPOL, etherMVRP, etherMMRP, etherLLDP, etherTRILL, etherPBB, etherCFM,
	} {
		t.Add(closedType, element(nft.Short(n)))
	}
}

// addAllowances lets a NIC do what it was opted out for.
func addAllowances(t nft.Table, nic ispctl.NIC, own []netip.Addr, hw net.HardwareAddr) {
	if len(nic.Allow) == 0 {
		return
	}
	tap := nft.Ifname(nic.Tap)
	t.Add(opted, element(tap))
	anyHW, anyIP := nic.Allows(ispctl.AllowMACSpoofing), nic.Allows(ispctl.AllowIPSpoofing)
	switch {
	case anyHW && anyIP:
		t.Add(anybody, element(tap))
	case anyIP:
		t.Add(anyAddress, element(tap, nft.MAC(hw)))
	case anyHW:
		t.Add(anyMAC, element(tap))
		for _, a := range own {
			switch {
			case a.Is4():
				t.Add(anyMAC4, element(tap, nft.Addr(a)))
			case a.Is6():
				t.Add(anyMACHas6, element(tap))
				for _, a := range []netip.Addr{a, ispctl.LinkLocal(hw)} {
					t.Add(anyMAC6, element(tap, nft.Addr(a)))
					t.Add(anyMACTargets, element(tap, nft.Addr(a)))
				}
			}
		}
	}
	if nic.Allows(ispctl.AllowDHCPSpoofing) {
		t.Add(serving, element(tap))
	}
	if nic.Allows(ispctl.AllowRestrictedTraffic) {
		t.Add(restricted, element(tap))
	}
}

// toOptedOuts sends frames of taps with opt-outs on, when nothing that all
// guests may do has matched.
func toOptedOuts() nft.Rule {
	return rule("NIC with opt-outs", nft.IIFIn(opted), nft.Jump(optedChain))
}

// optedOuts are the sentences of all guests again, for senders who are held to
// less, and those that are legitimate only with an opt-out.
func optedOuts() []nft.Rule {
	var rules []nft.Rule
	for _, s := range []self{byAnyMAC(), byAnyAddress(), byAnything()} {
		rules = slices.Concat(rules, allowIPv4(s), allowARP(s), allowIPv6(s))
	}
	for _, s := range []self{itself(), byAnyMAC(), byAnyAddress(), byAnything()} {
		rules = slices.Concat(rules, allowServing(s), allowRestricted(s))
	}
	return rules
}

// allowServing lets a guest answer as DHCP servers do and advertise itself as a
// router.
func allowServing(s self) []nft.Rule {
	answer := slices.Concat([]nft.Stmt{
		nft.IIFIn(serving), etherType(etherIPv4), nft.NetworkBytes(0, 1).Is(nft.Byte(0x45)), l4(protoUDP),
		nft.IPFragment.Masked(nft.Short(0x3fff), nft.Short(0)), nft.UDPSource.Is(nft.Service(dhcpServer)), s.source4,
	})
	six := []nft.Stmt{nft.IIFIn(serving), etherType(etherIPv6)}
	advertise := []nft.Stmt{
		nft.IP6Next.Is(nft.Byte(protoICMPv6)), nft.IP6Hops.Is(nft.Byte(255)), l4(protoICMPv6),
		nft.ICMPv6Type.Is(nft.Byte(routerAdvertisement)), s.source6,
	}
	return []nft.Rule{
		rule("DHCP answer to one", answer, toOne(), nft.Accept()),
		rule("DHCP answer to all", answer, toAll(), nft.IPDest.Is(addr("255.255.255.255")), nft.Accept()),
		rule("DHCPv6 answer", six, nft.IP6Next.Is(nft.Byte(protoUDP)), l4(protoUDP), nft.UDPSource.Is(nft.Service(dhcpv6Server)), s.source6, toOne6(), nft.Accept()),
		rule("advertises itself as a router, to all", six, advertise, toGroup6(), nft.IP6Dest.Is(addr("ff02::1")), nft.Accept()),
		rule("advertises itself as a router, to one", six, advertise, toOne6(), nft.Accept()),
	}
}

// allowRestricted lets through what guests have no use for, but nothing of what
// is judged elsewhere: what routers and servers say by ICMP, IGMP and DHCP, and
// bridges to each other.
func allowRestricted(s self) []nft.Rule {
	four := []nft.Stmt{nft.IIFIn(restricted), etherType(etherIPv4), nft.NetworkBytes(0, 1).Is(nft.Byte(0x45))}
	six := []nft.Stmt{nft.IIFIn(restricted), etherType(etherIPv6)}
	group4 := []nft.Stmt{nft.EtherDest.Masked(mac("ff:ff:ff:80:00:00"), mac(ip4GroupsTo)), nft.IPDest.Between(addr("224.0.0.0"), addr("239.255.255.255"))}
	group6 := []nft.Stmt{toGroup6(), nft.IP6Dest.Under(netip.MustParsePrefix("ff00::/8"))}
	other4 := []nft.Stmt{nft.NotIn(ordinary4, nft.L4), s.source4}
	other6 := []nft.Stmt{nft.NotIn(ordinary6, nft.IP6Next), s.source6}
	return []nft.Rule{
		rule("UDP to a group", four, noAnswer(), s.source4, group4, nft.Accept()),
		rule("UDP to all", four, noAnswer(), s.source4, toAll(), nft.Accept()),
		rule("another transport to one", four, other4, toOne(), nft.Accept()),
		rule("another transport to a group", four, other4, group4, nft.Accept()),
		rule("UDP to a group, by IPv6", six, nft.IP6Next.Is(nft.Byte(protoUDP)), noAnswer(), s.source6, group6, nft.Accept()),
		rule("another transport to one, by IPv6", six, other6, toOne6(), nft.Accept()),
		rule("another transport to a group, by IPv6", six, other6, group6, nft.Accept()),
		rule("another Ethernet type", nft.IIFIn(restricted), nft.NotIn(closedType, nft.EtherType),
			nft.EtherType.Between(nft.Short(etherFirst), nft.Short(0xffff)), s.mac,
			nft.EtherDest.NotMasked(mac("ff:ff:ff:ff:ff:f0"), mac(reservedTo)), nft.Accept()),
	}
}
