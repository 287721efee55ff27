package firewall

import (
	"net"
	"slices"

	"ispctl/net/nft"
)

// Ethernet types (IEEE 802 numbers, IANA).
const (
	etherIPv4   = 0x0800
	etherARP    = 0x0806
	etherVLAN   = 0x8100
	etherIPv6   = 0x86dd
	etherQinQ   = 0x88a8
	groupBit    = "01:00:00:00:00:00"
	broadcast   = "ff:ff:ff:ff:ff:ff"
	reservedTo  = "01:80:c2:00:00:00" // and the fifteen after it (IEEE 802.1Q, table 8-1)
	ip4GroupsTo = "01:00:5e:00:00:00" // RFC 1112, 6.4
	ip6GroupsTo = "33:33:00:00:00:00" // RFC 2464, 7
)

// Transport protocols (protocols(5)).
const (
	protoHopByHop = 0
	protoICMP     = 1
	protoIGMP     = 2
	protoIPIP     = 4
	protoTCP      = 6
	protoUDP      = 17
	protoDCCP     = 33
	protoIPv6     = 41
	protoFragment = 44
	protoGRE      = 47
	protoESP      = 50
	protoICMPv6   = 58
	protoL2TP     = 115
	protoSCTP     = 132
	protoUDPLite  = 136
)

// judge is the one chain every frame from a tap goes through, however many taps
// there are. First come sentences on what is legitimate, whole each, the most
// frequent first; then why everything else is not.
func judge(ours string) []nft.Rule {
	return slices.Concat(
		[]nft.Rule{
			rule("came by no link of ours: not for us to judge", nft.NotIIF(ours), nft.Accept()),
			rule("it may say nothing", nft.In(blocked, nft.InLink), nft.Jump(blockedChain)),
		},
		allowIPv4(itself()), allowARP(itself()), allowIPv6(itself()), allowLegs(), allowTags(), []nft.Rule{toOptedOuts()}, condemnations(),
	)
}

func etherType(n uint16) nft.Stmt { return nft.EtherType.Is(nft.Short(n)) }

// toOne matches frames for a single machine.
func toOne() nft.Stmt { return nft.EtherDest.Masked(mac(groupBit), mac("00:00:00:00:00:00")) }

// toMany matches all others.
func toMany() nft.Stmt { return nft.EtherDest.Masked(mac(groupBit), mac(groupBit)) }

func toAll() nft.Stmt { return nft.EtherDest.Is(mac(broadcast)) }

// reservedGroup matches what a bridge would take for itself: STP, LACP, pause
// frames, 802.1X, LLDP.
func reservedGroup() nft.Stmt {
	return nft.EtherDest.Masked(mac("ff:ff:ff:ff:ff:f0"), mac(reservedTo))
}

func ownMAC() nft.Stmt { return nft.In(macs, nft.InLink, nft.EtherSource) }

// mac encodes a literal of this package.
func mac(s string) nft.Field {
	hw, err := net.ParseMAC(s)
	if err != nil {
		panic(err)
	}
	return nft.MAC(hw)
}

// allowARP lets a guest ask for anybody and answer for itself (RFC 826), and
// probe whether its own address is taken (RFC 5227, 2.1.1). Announcing its own
// address is asking for it.
func allowARP(s self) []nft.Rule {
	own := slices.Concat(plainARP(), []nft.Stmt{
		nft.ARPOperation.Between(nft.Short(1), nft.Short(2)), // asks or answers
		s.mac,
		s.arp,
		// Nobody has this address, and what is cut off before it is no ARP.
		nft.ARPTargetIP.Not(nft.Field{0, 0, 0, 0}),
	})
	probe := slices.Concat(plainARP(), []nft.Stmt{
		nft.ARPOperation.Is(nft.Short(1)),
		s.mac,
		nft.ARPSenderIP.Is(nft.Field{0, 0, 0, 0}),
		s.probe,
	})
	return []nft.Rule{
		rule("ARP as itself, to one", own, toOne(), nft.Accept()),
		rule("ARP as itself, to all", own, toAll(), nft.Accept()),
		rule("ARP probe for its own address", probe, toAll(), nft.Accept()),
	}
}

// plainARP matches ARP of IPv4 over Ethernet.
func plainARP() []nft.Stmt {
	return []nft.Stmt{
		etherType(etherARP),
		nft.ARPHardware.Is(nft.Short(1)), nft.ARPProtocol.Is(nft.Short(etherIPv4)),
		nft.ARPHardLength.Is(nft.Byte(6)), nft.ARPProtLength.Is(nft.Byte(4)),
	}
}
