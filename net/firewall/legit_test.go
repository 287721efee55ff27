package firewall_test

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// routerAlert is the option that IGMP bears.
var routerAlert = []byte{0x94, 4, 0, 0}

func group4(s string) ip4 {
	a := netip.MustParseAddr(s)
	return ip4{to: a, dst: groupMAC(a), ttl: 1, proto: 2, options: routerAlert}
}

// legitimate frames all pass.
func legitimate() []frame {
	report3, report2, leave := group4("224.0.0.22"), group4("239.1.2.3"), group4("224.0.0.2")
	report3.payload = icmp(0x22, 0, 0, 0, 0, 1, 4, 0, 0, 0, 239, 1, 2, 3)
	report2.payload = icmp(0x16, 0, 239, 1, 2, 3)
	leave.payload = icmp(0x17, 0, 239, 1, 2, 3)
	bootp := append([]byte{1, 1, 6, 0}, make([]byte, 240)...)
	nowhere, all := ip("0.0.0.0"), ip("255.255.255.255")
	return []frame{
		{name: "ARP asks for a neighbour", bytes: arp{}.frame()},
		{name: "ARP asks for the gateway", bytes: arp{target: gatewayAddr}.frame()},
		{name: "ARP asks one machine, as a kernel that checks an entry", bytes: arp{dst: neighbourMAC}.frame()},
		{name: "ARP answers for itself", bytes: arp{op: 2, dst: neighbourMAC, targetMAC: neighbourMAC}.frame()},
		{name: "ARP padded to the least frame", bytes: arp{trailing: 18}.frame()},
		{name: "ARP probe", bytes: arp{sender: nowhere, target: webAddr}.frame()},
		{name: "ARP announcement", bytes: arp{target: webAddr}.frame()},
		{name: "ARP announcement as an answer", bytes: arp{op: 2, target: webAddr, targetMAC: webMAC}.frame()},

		{name: "TCP to a neighbour", bytes: ip4{proto: 6, payload: tcp(40000, 80)}.frame()},
		{name: "TCP to the Internet", bytes: ip4{to: ip("198.51.100.7"), proto: 6, payload: tcp(40000, 443)}.frame()},
		{name: "UDP to a neighbour", bytes: ip4{proto: 17, payload: udp(40000, 53, 1, 2, 3)}.frame()},
		{name: "UDP without a payload", bytes: ip4{proto: 17, payload: udp(1, 1)}.frame()},
		{name: "UDP, padded to the least frame", bytes: append(ip4{proto: 17, payload: udp(40000, 53)}.frame(), make([]byte, 18)...)},
		{name: "ping", bytes: ip4{proto: 1, payload: icmp(8, 0, 1, 2, 3, 4)}.frame()},
		{name: "answer to a ping", bytes: ip4{proto: 1, payload: icmp(0, 0, 1, 2, 3, 4)}.frame()},
		{name: "port unreachable", bytes: ip4{proto: 1, payload: icmp(3, 3, make([]byte, 32)...)}.frame()},
		{name: "fragmentation needed", bytes: ip4{proto: 1, payload: icmp(3, 4, make([]byte, 32)...)}.frame()},
		{name: "time exceeded", bytes: ip4{proto: 1, payload: icmp(11, 0, make([]byte, 32)...)}.frame()},
		{name: "GRE", bytes: ip4{proto: 47, payload: make([]byte, 16)}.frame()},
		{name: "ESP", bytes: ip4{proto: 50, payload: make([]byte, 16)}.frame()},
		{name: "SCTP", bytes: ip4{proto: 132, payload: make([]byte, 16)}.frame()},
		{name: "IPv6 in IPv4", bytes: ip4{proto: 41, payload: make([]byte, 40)}.frame()},
		{name: "first fragment of UDP", bytes: ip4{proto: 17, fragment: 0x2000, payload: udp(40000, 53, make([]byte, 24)...)}.frame()},
		{name: "later fragment of UDP", bytes: ip4{proto: 17, fragment: 0x2004, payload: make([]byte, 32)}.frame()},
		{name: "last fragment of UDP", bytes: ip4{proto: 17, fragment: 0x0008, payload: []byte{1}}.frame()},
		{name: "later fragment of a ping", bytes: ip4{proto: 1, fragment: 0x2004, payload: make([]byte, 32)}.frame()},
		{name: "later fragment of TCP", bytes: ip4{proto: 6, fragment: 0x0004, payload: make([]byte, 32)}.frame()},
		{name: "not to be fragmented", bytes: ip4{proto: 17, fragment: 0x4000, payload: udp(40000, 53)}.frame()},

		{name: "DHCP discover", bytes: ip4{dst: toAll, from: nowhere, to: all, proto: 17, payload: udp(68, 67, bootp...)}.frame()},
		{name: "DHCP renewal", bytes: ip4{to: gatewayAddr, proto: 17, payload: udp(68, 67, bootp...)}.frame()},
		{name: "DHCP rebinding", bytes: ip4{dst: toAll, to: all, proto: 17, payload: udp(68, 67, bootp...)}.frame()},
		{name: "IGMPv3 report", bytes: report3.frame()},
		{name: "IGMPv2 report", bytes: report2.frame()},
		{name: "IGMPv2 leave", bytes: leave.frame()},
	}
}

// mld is a message behind the hop-by-hop header that it bears. Its checksum is
// right, because the bridge looks at it.
func mld(from, to netip.Addr, kind byte) []byte {
	message := icmp(kind, 0, make([]byte, 24)...)
	binary.BigEndian.PutUint16(message[2:], 0)
	pseudo := slices.Concat(from.AsSlice(), to.AsSlice(), []byte{0, 0, 0, byte(len(message)), 0, 0, 0, 58}, message)
	binary.BigEndian.PutUint16(message[2:], checksum(pseudo))
	return ip6{from: from, to: to, hops: 1, payload: append([]byte{58, 0, 5, 2, 0, 0, 1, 0}, message...)}.frame()
}

// legitimate6 are those of the guest with an IPv6 address.
func legitimate6() []frame {
	none, allRouters := ip("::"), ip("ff02::2")
	frames := []frame{
		{name: "its own address is free?", bytes: nd(six, 135, none, sixAddr)},
		{name: "its own link-local address is free?", bytes: nd(six, 135, none, sixLocal)},
		{name: "looks for a neighbour", bytes: nd(six, 135, sixAddr, ip("fd10::2"))},
		{name: "looks for a neighbour from its link-local address", bytes: nd(six, 135, sixLocal, ip("fd10::1"))},
		{name: "is the neighbour still there?", bytes: ip6{hops: 255, next: 58, payload: icmp(135, 0, append(make([]byte, 4), ip("fd10::2").AsSlice()...)...)}.frame()},
		{name: "answers for itself", bytes: ip6{hops: 255, next: 58, payload: icmp(136, 0, append([]byte{0x60, 0, 0, 0}, sixAddr.AsSlice()...)...)}.frame()},
		{name: "announces itself", bytes: nd(six, 136, sixAddr, sixAddr)},
		{name: "router solicitation", bytes: ip6{from: sixLocal, to: allRouters, hops: 255, next: 58, payload: icmp(133, 0)}.frame()},
		{name: "router solicitation from nowhere", bytes: ip6{from: none, to: allRouters, hops: 255, next: 58, payload: icmp(133, 0)}.frame()},
		{name: "MLDv2 report", bytes: mld(sixLocal, ip("ff02::16"), 143)},
		{name: "MLDv2 report from nowhere", bytes: mld(none, ip("ff02::16"), 143)},
		{name: "MLDv1 report", bytes: mld(sixLocal, ip("ff02::1:ff00:3"), 131)},
		{name: "MLDv1 done", bytes: mld(sixLocal, allRouters, 132)},
		{name: "DHCPv6 solicit", bytes: ip6{from: sixLocal, to: ip("ff02::1:2"), next: 17, payload: udp(546, 547, 1, 0, 0, 1)}.frame()},
		{name: "TCP", bytes: ip6{next: 6, payload: tcp(40000, 80)}.frame()},
		{name: "UDP", bytes: ip6{next: 17, payload: udp(40000, 53, 1)}.frame()},
		{name: "ping", bytes: ip6{next: 58, payload: icmp(128, 0)}.frame()},
		{name: "packet too big", bytes: ip6{next: 58, payload: icmp(2, 0, make([]byte, 40)...)}.frame()},
		{name: "ESP", bytes: ip6{next: 50, payload: make([]byte, 16)}.frame()},
		{name: "first fragment of UDP", bytes: ip6{next: 44, payload: fragment6(17, 0, true, udp(40000, 53, make([]byte, 8)...)...)}.frame()},
		{name: "later fragment of UDP", bytes: ip6{next: 44, payload: fragment6(17, 16, false, 1, 2, 3)}.frame()},
		{name: "first fragment of a ping", bytes: ip6{next: 44, payload: fragment6(58, 0, true, icmp(128, 0, make([]byte, 8)...)...)}.frame()},
		{name: "later fragment of a ping", bytes: ip6{next: 44, payload: fragment6(58, 16, false, make([]byte, 8)...)}.frame()},
		{name: "first fragment of TCP", bytes: ip6{next: 44, payload: fragment6(6, 0, true, append(tcp(40000, 80), make([]byte, 4)...)...)}.frame()},
	}
	for i := range frames {
		frames[i].from, frames[i].name = six, "IPv6: "+frames[i].name
	}
	return frames
}
