package firewall

import (
	"ispctl/net/nft"
)

// Reason is why a frame from a guest was dropped.
type Reason string

// reasons by their number, which is kept in counters that outlive the program:
// add at the end, and never use one again.
var reasons = []Reason{
	unknownTap: "unknown-tap", // the tap belongs to no NIC of the model
	tagged:     "vlan",        // a VLAN tag, VID 0 included
	reserved:   "reserved",    // to a group that bridges keep for themselves: STP, LLDP, LACP
	forgedMAC:  "mac",         // from another Ethernet address than the NIC's
	badARP:     "arp",         // ARP that says anything but who the guest is
	forgedAddr: "source",      // from another address than the NIC's
	badIGMP:    "igmp",        // IGMP but for a host's reports
	group:      "group",       // to a group, or to all
	options:    "options",     // IPv4 options: source routes and their like
	answer:     "dhcp-server", // answers as a DHCP server would
	badICMP:    "icmp",        // redirects, router advertisements and the like
	badIPv4:    "ipv4",        // any other IPv4: a transport that is not in use, a header that lies
	router6:    "router",      // IPv6 router advertisements and redirects
	badIPv6:    "ipv6",        // any other IPv6: from a NIC without it, hidden behind headers, ...
	badType:    "ethertype",   // any other Ethernet type, 802.3 lengths included
	offLeg:     "leg",         // on an admin leg, to another than its gateway
	overQuota:  "quota",       // the guest's quota is used up, and it is blocked
	suspended:  "suspended",   // the guest's tenant is
}

// The numbers. None is not one: an unmarked packet is marked 0.
const (
	_ = iota
	unknownTap
	tagged
	reserved
	forgedMAC
	badARP
	forgedAddr
	badIGMP
	group
	options
	answer
	badICMP
	badIPv4
	router6
	badIPv6
	badType
	offLeg
	overQuota
	suspended
)

// Marks of condemned frames. The upper three bytes are ours alone; no packet
// that is let through ever bears one.
const (
	condemned  = 0x69737000 // "isp"
	markPrefix = 0xffffff00
)

// condemn gives a frame its reason as a mark. It is dropped two chains later,
// so that a table of its own can count it in between: an accept ends the chain,
// a drop would end the frame before anybody could count it. That table may be
// replaced, or missing, and the frame is dropped all the same.
func condemn(reason int) []nft.Stmt {
	return []nft.Stmt{nft.SetMark(condemned | uint32(reason)), nft.Accept()}
}

// isCondemned matches what came by a link of ours and was condemned.
func isCondemned(ours string) []nft.Stmt {
	return []nft.Stmt{nft.MarkSeen.Masked(nft.Mark(markPrefix), nft.Mark(condemned)), nft.IIF(ours)}
}

func closeCondemned(ours string) nft.Rule {
	return rule("condemned before, and counted", isCondemned(ours), nft.Drop())
}

// condemnations end with what matches every frame: none leaves the chain
// unjudged.
func condemnations() []nft.Rule {
	return []nft.Rule{
		rule("tap of no NIC", nft.NotIn(taps, nft.InLink), condemn(unknownTap)),
		rule("VLAN tag", etherType(etherVLAN), condemn(tagged)),
		rule("service VLAN tag", etherType(etherQinQ), condemn(tagged)),
		rule("group of the bridge itself", reservedGroup(), condemn(reserved)),
		rule("forged Ethernet source", nft.NotIn(macs, nft.InLink, nft.EtherSource), condemn(forgedMAC)),
		rule("ARP for somebody else", etherType(etherARP), condemn(badARP)),

		legCondemnation(),
		rule("forged IPv4 source", etherType(etherIPv4), nft.NotIn(addresses4, nft.InLink, nft.EtherSource, nft.IPSource), condemn(forgedAddr)),
		rule("IGMP that is no report", etherType(etherIPv4), l4(protoIGMP), condemn(badIGMP)),
		rule("IPv4 to a group or to all", etherType(etherIPv4), toMany(), condemn(group)),
		rule("IPv4 options", etherType(etherIPv4), nft.NetworkBytes(0, 1).Between(nft.Byte(0x46), nft.Byte(0x4f)), condemn(options)),
		rule("DHCP answer", etherType(etherIPv4), l4(protoUDP), nft.In(dhcpServers, nft.UDPSource), condemn(answer)),
		rule("to a DHCP client", etherType(etherIPv4), l4(protoUDP), nft.In(dhcpClients, nft.UDPDest), condemn(answer)),
		rule("ICMP of routers", etherType(etherIPv4), l4(protoICMP), condemn(badICMP)),
		rule("any other IPv4", etherType(etherIPv4), condemn(badIPv4)),

		rule("IPv6 router advertisement", etherType(etherIPv6), l4(protoICMPv6), nft.ICMPv6Type.Is(nft.Byte(routerAdvertisement)), condemn(router6)),
		rule("IPv6 redirect", etherType(etherIPv6), l4(protoICMPv6), nft.ICMPv6Type.Is(nft.Byte(redirect6)), condemn(router6)),
		rule("IPv6 without an address for it", etherType(etherIPv6), nft.NotIn(macs6, nft.InLink, nft.EtherSource), condemn(badIPv6)),
		rule("forged IPv6 source", etherType(etherIPv6), nft.NotIn(addresses6, nft.InLink, nft.EtherSource, nft.IP6Source), condemn(forgedAddr)),
		rule("DHCPv6 answer", etherType(etherIPv6), l4(protoUDP), nft.In(dhcpServers, nft.UDPSource), condemn(answer)),
		rule("to a DHCPv6 client", etherType(etherIPv6), l4(protoUDP), nft.In(dhcpClients, nft.UDPDest), condemn(answer)),
		rule("any other IPv6", etherType(etherIPv6), condemn(badIPv6)),
		rule("any other Ethernet type", condemn(badType)),
	}
}
