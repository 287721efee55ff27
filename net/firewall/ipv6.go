package firewall

import (
	"net/netip"
	"slices"

	"ispctl/net/nft"
)

// ICMPv6 types (RFC 4861, RFC 2710, RFC 3810).
const (
	echoRequest6          = 128
	echoReply6            = 129
	mldReport             = 131
	mldDone               = 132
	routerSolicitation    = 133
	routerAdvertisement   = 134
	neighbourSolicitation = 135
	neighbourAdvertise    = 136
	redirect6             = 137
	mldReport2            = 143
)

// allowIPv6 is for NICs with an IPv6 address; those without have no element in
// any of its sets, and pass nothing.
//
// Extension headers do not pass, because what is behind them is what the other
// side acts on (RFC 7113): only a fragment header, with nothing hidden behind
// it, and the router alert of MLD, byte for byte.
func allowIPv6(s self) []nft.Rule {
	return slices.Concat(s.unicast6(), s.fragments6(), s.discovery6(), s.groups6())
}

func (s self) unicast6() []nft.Rule {
	next := func(proto byte) nft.Stmt { return nft.IP6Next.Is(nft.Byte(proto)) }
	return []nft.Rule{
		rule("TCP from its own IPv6 address", s.ownIPv6(next(protoTCP), nft.WholeTCP()), nft.Accept()),
		rule("UDP from its own IPv6 address, but no DHCPv6 answer",
			s.ownIPv6(append([]nft.Stmt{next(protoUDP)}, noAnswer()...)...), nft.Accept()),
		rule("ICMPv6 errands from its own address", s.ownIPv6(next(protoICMPv6), l4(protoICMPv6), nft.In(errands6, nft.ICMPv6Type)), nft.Accept()),
		rule("tunnels and other transports from its own IPv6 address", s.ownIPv6(nft.In(transports, nft.IP6Next), nft.In(transports, nft.L4)), nft.Accept()),
	}
}

// fragments6 judges first fragments by what they carry and later ones by the
// protocol alone. The protocol that counts is the first one's (RFC 8200, 4.5),
// so none with an extension header behind the fragment header passes.
func (s self) fragments6() []nft.Rule {
	carries := func(proto byte) []nft.Stmt {
		return []nft.Stmt{nft.IP6Next.Is(nft.Byte(protoFragment)), nft.NetworkBytes(40, 1).Is(nft.Byte(proto))}
	}
	first := func(proto byte, more ...nft.Stmt) []nft.Stmt { return s.ownIPv6(append(carries(proto), more...)...) }
	return []nft.Rule{
		rule("later IPv6 fragments",
			s.ownIPv6(nft.IP6Next.Is(nft.Byte(protoFragment)), nft.NetworkBytes(42, 2).NotMasked(nft.Short(0xfff8), nft.Short(0)), nft.In(fragmentable, nft.L4)),
			nft.Accept()),
		rule("first IPv6 fragment of TCP", first(protoTCP, nft.WholeTCP()), nft.Accept()),
		rule("first IPv6 fragment of UDP, but no DHCPv6 answer",
			first(protoUDP, noAnswer()...), nft.Accept()),
		rule("first IPv6 fragment of an echo",
			first(protoICMPv6, l4(protoICMPv6), nft.ICMPv6Type.Between(nft.Byte(echoRequest6), nft.Byte(echoReply6))), nft.Accept()),
	}
}

// discovery6 lets a guest look for neighbours and routers and answer for
// itself (RFC 4861), and see whether its own address is taken (RFC 4862).
// Advertising routers and redirecting are not for guests.
func (s self) discovery6() []nft.Rule {
	nd := func(kind byte) []nft.Stmt {
		return []nft.Stmt{
			etherType(etherIPv6), nft.IP6Next.Is(nft.Byte(protoICMPv6)), nft.IP6Hops.Is(nft.Byte(255)),
			l4(protoICMPv6), nft.ICMPv6Type.Is(nft.Byte(kind)),
		}
	}
	solicited := []nft.Stmt{toGroup6(), nft.IP6Dest.Under(netip.MustParsePrefix("ff02::1:ff00:0/104"))}
	whole := nft.NDTarget.Not(make(nft.Field, 16)) // what is cut off before its target is none
	allNodes := []nft.Stmt{toGroup6(), nft.IP6Dest.Is(addr("ff02::1"))}
	allRouters := []nft.Stmt{toGroup6(), nft.IP6Dest.Is(addr("ff02::2"))}
	return []nft.Rule{
		rule("looks for a neighbour", nd(neighbourSolicitation), s.source6, whole, solicited, nft.Accept()),
		rule("looks whether a neighbour is still there", nd(neighbourSolicitation), s.source6, whole, toOne6(), nft.Accept()),
		rule("looks whether its own address is taken", nd(neighbourSolicitation), s.nowhere6(), s.target, solicited, nft.Accept()),
		rule("answers for itself", nd(neighbourAdvertise), s.source6, s.target, toOne6(), nft.Accept()),
		rule("announces itself", nd(neighbourAdvertise), s.source6, s.target, allNodes, nft.Accept()),
		rule("looks for a router", nd(routerSolicitation), s.source6, allRouters, nft.Accept()),
		rule("looks for a router, without an address", nd(routerSolicitation), s.nowhere6(), allRouters, nft.Accept()),
	}
}

// groups6 lets a guest join groups and ask for a lease. While it looks whether
// its address is taken it reports from none (RFC 3590).
func (s self) groups6() []nft.Rule {
	mld := func(kind byte) []nft.Stmt {
		return []nft.Stmt{
			etherType(etherIPv6), nft.IP6Next.Is(nft.Byte(protoHopByHop)), nft.IP6Hops.Is(nft.Byte(1)),
			nft.NetworkBytes(40, 8).Is(nft.Field{protoICMPv6, 0, 5, 2, 0, 0, 1, 0}), // router alert (RFC 2711), two bytes of padding
			l4(protoICMPv6), nft.ICMPv6Type.Is(nft.Byte(kind)), toGroup6(),
		}
	}
	all := nft.IP6Dest.Is(addr("ff02::16"))
	group := nft.IP6Dest.Under(netip.MustParsePrefix("ff00::/8"))
	return []nft.Rule{
		rule("MLDv2 report", mld(mldReport2), all, s.source6, nft.Accept()),
		rule("MLDv2 report, without an address", mld(mldReport2), all, s.nowhere6(), nft.Accept()),
		rule("MLDv1 report", mld(mldReport), group, s.source6, nft.Accept()),
		rule("MLDv1 report, without an address", mld(mldReport), group, s.nowhere6(), nft.Accept()),
		rule("MLDv1 done", mld(mldDone), nft.IP6Dest.Is(addr("ff02::2")), s.source6, nft.Accept()),
		rule("DHCPv6, asking", etherType(etherIPv6), nft.IP6Next.Is(nft.Byte(protoUDP)), l4(protoUDP),
			nft.UDPSource.Is(nft.Service(dhcpv6Client)), nft.UDPDest.Is(nft.Service(dhcpv6Server)),
			toGroup6(), nft.IP6Dest.Is(addr("ff02::1:2")), s.source6, nft.Accept()),
	}
}

// ownIPv6 matches IPv6 from an address of the NIC to one machine.
func (s self) ownIPv6(more ...nft.Stmt) []nft.Stmt {
	return slices.Concat([]nft.Stmt{etherType(etherIPv6)}, more, []nft.Stmt{s.source6}, toOne6())
}

func toOne6() []nft.Stmt {
	return []nft.Stmt{toOne(), nft.IP6Dest.NotUnder(netip.MustParsePrefix("ff00::/8"))}
}

func toGroup6() nft.Stmt {
	return nft.EtherDest.Masked(mac("ff:ff:00:00:00:00"), mac(ip6GroupsTo))
}

// nowhere6 matches a NIC that has an IPv6 address and does not bear it yet.
func (s self) nowhere6() []nft.Stmt {
	return []nft.Stmt{s.no6, nft.IP6Source.Is(addr("::"))}
}
