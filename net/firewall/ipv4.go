package firewall

import (
	"net/netip"
	"slices"

	"ispctl/net/nft"
)

// Ports of DHCP (RFC 2131, 4.1) and DHCPv6 (RFC 8415, 7.2).
const (
	dhcpServer   = 67
	dhcpClient   = 68
	dhcpv6Client = 546
	dhcpv6Server = 547
)

// allowIPv4 lets a guest send from its own address to one other machine, ask
// for its lease, and join groups. Not to groups and not to all: what can be
// said there to neighbours is what they are misled by (mDNS, LLMNR, SSDP, VRRP,
// routing protocols).
//
// A header with options does not pass, but for the router alert of IGMP: of the
// options defined, source routes and record route to quick start, RFC 7126
// advises to drop each.
func allowIPv4(s self) []nft.Rule {
	return []nft.Rule{
		rule("TCP from its own address", s.ownIPv4(nft.WholeTCP()), nft.Accept()),
		rule("UDP from its own address, but no DHCP answer", s.ownIPv4(noAnswer()...), nft.Accept()),
		rule("ICMP from its own address, but no redirect", s.ownIPv4(l4(protoICMP), nft.In(errands4, nft.ICMPType)), nft.Accept()),
		rule("tunnels and other transports from its own address", s.ownIPv4(nft.In(transports, nft.L4)), nft.Accept()),
		// Ports and types are in the first fragment, which the rules above
		// have judged; one that begins later cannot replace them.
		rule("later fragments from its own address",
			s.ownIPv4(nft.IPFragment.NotMasked(nft.Short(0x1fff), nft.Short(0)), nft.In(fragmentable, nft.L4)), nft.Accept()),
		rule("DHCP, asking without an address", dhcp(), s.mac, nft.IPSource.Is(addr("0.0.0.0")), nft.Accept()),
		rule("DHCP, asking anew", dhcp(), s.source4, nft.Accept()),
		rule("IGMPv3 report", s.igmp(0x22), nft.IPDest.Is(addr("224.0.0.22")), nft.Accept()),
		rule("IGMPv2 report", s.igmp(0x16), nft.IPDest.Between(addr("224.0.0.2"), addr("239.255.255.255")), nft.Accept()),
		rule("IGMPv2 leave", s.igmp(0x17), nft.IPDest.Is(addr("224.0.0.2")), nft.Accept()),
	}
}

// noAnswer matches UDP that no DHCP client takes for an answer. Clients look at
// their own port only, so it does not do to close the server's.
//
// The ports are in sets because nft 1.0.6 reads `udp sport != 67 udp dport !=
// 68` as "not both", even with other conditions in between, and lists it as it
// was written.
func noAnswer() []nft.Stmt {
	return []nft.Stmt{l4(protoUDP), nft.NotIn(dhcpServers, nft.UDPSource), nft.NotIn(dhcpClients, nft.UDPDest)}
}

// ownIPv4 matches IPv4 from the NIC's address to one machine; more is asked
// before the dearest question.
func (s self) ownIPv4(more ...nft.Stmt) []nft.Stmt {
	return slices.Concat(
		[]nft.Stmt{etherType(etherIPv4), nft.NetworkBytes(0, 1).Is(nft.Byte(0x45))}, // version 4, no options
		more,
		[]nft.Stmt{
			s.source4,
			toOne(),
			nft.IPDest.Between(addr("1.0.0.0"), addr("223.255.255.255")),
			nft.IPDest.NotUnder(netip.MustParsePrefix("127.0.0.0/8")),
		},
	)
}

// dhcp matches a client's broadcast, unfragmented.
func dhcp() []nft.Stmt {
	return []nft.Stmt{
		etherType(etherIPv4), nft.NetworkBytes(0, 1).Is(nft.Byte(0x45)), l4(protoUDP), toAll(),
		nft.IPDest.Is(addr("255.255.255.255")), nft.IPFragment.Masked(nft.Short(0x3fff), nft.Short(0)),
		nft.UDPSource.Is(nft.Service(dhcpClient)), nft.UDPDest.Is(nft.Service(dhcpServer)),
	}
}

// igmp matches a message of a host (RFC 2236, RFC 3376), with the router alert
// (RFC 2113) that both demand, from the NIC's own address. Queries are of
// routers.
func (s self) igmp(kind byte) []nft.Stmt {
	return []nft.Stmt{
		etherType(etherIPv4), nft.NetworkBytes(0, 1).Is(nft.Byte(0x46)), nft.NetworkBytes(20, 4).Is(nft.Field{0x94, 4, 0, 0}),
		l4(protoIGMP), nft.IGMPType.Is(nft.Byte(kind)), s.source4, nft.IPTTL.Is(nft.Byte(1)),
		nft.EtherDest.Masked(mac("ff:ff:ff:80:00:00"), mac(ip4GroupsTo)),
	}
}

func l4(proto byte) nft.Stmt { return nft.L4.Is(nft.Byte(proto)) }

// addr encodes a literal of this package.
func addr(s string) nft.Field { return nft.Addr(netip.MustParseAddr(s)) }
