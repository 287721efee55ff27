package firewall_test

import (
	"fmt"
	"net/netip"
	"slices"
)

// hostileIPv6 are packets from a guest that has an IPv6 address, and some from
// one that has none, from which nothing passes.
func hostileIPv6() []frame {
	frames := slices.Concat(
		because("source", sources6()), because("router", routers6()), because("ipv6", discovery6()), because("ipv6", mlds()),
		because("dhcp-server", dhcp6Answers()), because("ipv6", hidden6()), because("ipv6", groups6()), because("ipv6", broken6()),
	)
	for i := range frames {
		frames[i].from = six
	}
	return append(frames, without6()...)
}

// icmp6 is a message with hop limit 255, as neighbour discovery has it.
func icmp6(from, to netip.Addr, message []byte) ip6 {
	return ip6{from: from, to: to, hops: 255, next: 58, payload: message}
}

func sources6() []frame {
	var all []frame
	for _, from := range []string{"fd10::2", "fd10::1", "fe80::1", "fe80::ff:fe00:2", "2001:db8::1", "::1", "::ffff:10.10.0.2", "ff02::1"} {
		all = append(all,
			frame{name: "TCP as " + from, bytes: ip6{from: ip(from), next: 6, payload: tcp(1, 2)}.frame()},
			frame{name: "looks for a neighbour as " + from, bytes: nd(six, 135, ip(from), ip("fd10::1"))},
			frame{name: "answers for itself as " + from, bytes: nd(six, 136, ip(from), sixAddr)},
		)
	}
	none := ip("::")
	return append(all,
		frame{name: "UDP as nobody", bytes: ip6{from: none, next: 17, payload: udp(1, 2)}.frame()},
		frame{name: "ping as nobody", bytes: ip6{from: none, next: 58, payload: icmp(128, 0)}.frame()},
		frame{name: "answers as nobody", bytes: nd(six, 136, none, sixAddr)},
		frame{name: "DHCPv6 as nobody", bytes: ip6{from: none, to: ip("ff02::1:2"), next: 17, payload: udp(546, 547, 1)}.frame()},
		frame{name: "later fragment as the gateway", bytes: ip6{from: ip("fe80::1"), next: 44, payload: fragment6(17, 16, false, 1)}.frame()},
		frame{name: "is the gateway's address free?", bytes: nd(six, 135, none, ip("fd10::1"))},
		frame{name: "is the neighbour's address free?", bytes: nd(six, 135, none, ip("fe80::ff:fe00:2"))},
		frame{name: "is its own address free? of everybody", bytes: icmp6(none, ip("ff02::1"), icmp(135, 0, append(make([]byte, 4), sixAddr.AsSlice()...)...)).frame()},
		frame{name: "MLDv1 done as nobody", bytes: mld(none, ip("ff02::2"), 132)},
	)
}

func routers6() []frame {
	ra, redirect := icmp(134, 0, make([]byte, 8)...), icmp(137, 0, make([]byte, 36)...)
	nodes := ip("ff02::1")
	at := func(next byte, payload []byte) []byte {
		return ip6{from: sixLocal, to: nodes, hops: 255, next: next, payload: payload}.frame()
	}
	srh := slices.Concat([]byte{58, 2, 0, 1, 0, 0, 0, 0}, nodes.AsSlice(), ra)
	return []frame{
		{name: "router advertisement", bytes: icmp6(sixLocal, nodes, ra).frame()},
		{name: "router advertisement to one", bytes: icmp6(sixLocal, ip("fd10::2"), ra).frame()},
		{name: "router advertisement from its address", bytes: icmp6(sixAddr, nodes, ra).frame()},
		{name: "router advertisement as the gateway", bytes: icmp6(ip("fe80::1"), nodes, ra).frame()},
		{name: "router advertisement behind hop-by-hop", bytes: at(0, extension(58, ra...))},
		{name: "router advertisement behind a router alert", bytes: at(0, append([]byte{58, 0, 5, 2, 0, 0, 1, 0}, ra...))},
		{name: "router advertisement behind destination options", bytes: at(60, extension(58, ra...))},
		{name: "router advertisement behind two of them", bytes: at(60, extension(60, extension(58, ra...)...))},
		{name: "router advertisement behind a routing header", bytes: at(43, srh)},
		{name: "router advertisement in one fragment", bytes: at(44, fragment6(58, 0, false, ra...))},
		{name: "router advertisement, first fragment", bytes: at(44, fragment6(58, 0, true, ra...))},
		{name: "router advertisement, first fragment, to one", bytes: ip6{next: 44, payload: fragment6(58, 0, true, ra...)}.frame()},
		{name: "router advertisement behind options in a fragment", bytes: at(44, fragment6(60, 0, true, extension(58, ra...)...))},
		{name: "router advertisement behind hop-by-hop in a fragment", bytes: at(0, extension(44, fragment6(58, 0, true, ra...)...))},
		{name: "options in the first fragment, the rest in the next", bytes: at(44, fragment6(60, 0, true, extension(58)...)), reason: "ipv6"},
		{name: "the rest", bytes: at(44, fragment6(60, 8, false, ra...)), reason: "ipv6"},
		{name: "the rest, to one", bytes: ip6{next: 44, payload: fragment6(60, 8, false, ra...)}.frame(), reason: "ipv6"},
		{name: "two fragment headers", bytes: ip6{next: 44, payload: fragment6(44, 0, true, fragment6(58, 0, true, ra...)...)}.frame()},
		{name: "redirect", bytes: icmp6(sixLocal, ip("fd10::2"), redirect).frame()},
		{name: "redirect as the gateway", bytes: icmp6(ip("fe80::1"), ip("fd10::2"), redirect).frame()},
		{name: "redirect behind destination options", bytes: ip6{hops: 255, next: 60, payload: extension(58, redirect...)}.frame()},
		{name: "redirect in a fragment", bytes: ip6{hops: 255, next: 44, payload: fragment6(58, 0, true, redirect...)}.frame()},
	}
}

func discovery6() []frame {
	about := func(kind byte, a netip.Addr) []byte { return icmp(kind, 0, append(make([]byte, 4), a.AsSlice()...)...) }
	peer, group := ip("fd10::2"), ip("ff02::1:ff00:2")
	all := []frame{
		{name: "answers for a neighbour", bytes: nd(six, 136, sixAddr, peer)},
		{name: "answers one for the gateway", bytes: icmp6(sixAddr, peer, about(136, ip("fd10::1"))).frame()},
		{name: "answers one for the gateway's link-local address", bytes: icmp6(sixLocal, peer, about(136, ip("fe80::1"))).frame()},
		{name: "answers for nobody", bytes: icmp6(sixAddr, peer, about(136, ip("::"))).frame()},
		{name: "announces itself to routers", bytes: icmp6(sixAddr, ip("ff02::2"), about(136, sixAddr)).frame()},
		{name: "announces itself from afar", bytes: ip6{to: ip("ff02::1"), hops: 254, next: 58, payload: about(136, sixAddr)}.frame()},
		{name: "looks for a neighbour from afar", bytes: ip6{to: group, hops: 64, next: 58, payload: about(135, peer)}.frame()},
		{name: "looks for a neighbour everywhere", bytes: icmp6(sixAddr, ip("ff02::1"), about(135, peer)).frame()},
		{name: "looks for nobody", bytes: icmp6(sixAddr, group, about(135, ip("::"))).frame()},
		{name: "looks for a neighbour behind options", bytes: ip6{to: group, hops: 255, next: 60, payload: extension(58, about(135, peer)...)}.frame()},
		{name: "looks for a neighbour in a fragment", bytes: ip6{to: group, hops: 255, next: 44, payload: fragment6(58, 0, true, about(135, peer)...)}.frame()},
		{name: "answers for a neighbour in a fragment", bytes: ip6{hops: 255, next: 44, payload: fragment6(58, 0, false, about(136, peer)...)}.frame()},
		{name: "answer cut off in its target", bytes: icmp6(sixAddr, ip("ff02::1"), about(136, sixAddr)[:20]).frame()},
		{name: "question cut off in its target", bytes: icmp6(sixAddr, group, about(135, peer)[:20]).frame()},
		{name: "looks for a router from afar", bytes: ip6{from: sixLocal, to: ip("ff02::2"), next: 58, payload: icmp(133, 0)}.frame()},
		{name: "looks for a router everywhere", bytes: icmp6(sixLocal, ip("ff02::1"), icmp(133, 0)).frame()},
		{name: "looks for a router, of one", bytes: icmp6(sixLocal, peer, icmp(133, 0)).frame()},
	}
	for _, kind := range []byte{0, 5, 100, 127, 130, 138, 139, 140, 141, 142, 144, 145, 146, 147, 148, 149, 151, 152, 153, 154, 155, 200, 255} {
		all = append(all, frame{name: fmt.Sprintf("ICMPv6 type %d", kind), bytes: icmp6(sixAddr, peer, icmp(kind, 0, make([]byte, 20)...)).frame()})
	}
	return all
}

func mlds() []frame {
	nodes := ip("ff02::1")
	message := icmp(143, 0, make([]byte, 24)...)
	alert := []byte{58, 0, 5, 2, 0, 0, 1, 0}
	return []frame{
		{name: "MLD query", bytes: mld(sixLocal, nodes, 130)},
		{name: "MLD query for a group", bytes: mld(sixLocal, ip("ff02::1:ff00:2"), 130)},
		{name: "multicast router advertisement", bytes: mld(sixLocal, ip("ff02::6a"), 151)},
		{name: "MLDv2 report to all nodes", bytes: mld(sixLocal, nodes, 143)},
		{name: "MLDv1 done to all nodes", bytes: mld(sixLocal, nodes, 132)},
		{name: "MLD report without its option", bytes: ip6{from: sixLocal, to: ip("ff02::16"), hops: 1, next: 58, payload: message}.frame()},
		{name: "MLD report with another option", bytes: ip6{from: sixLocal, to: ip("ff02::16"), hops: 1, payload: extension(58, message...)}.frame()},
		{name: "MLD report from afar", bytes: ip6{from: sixLocal, to: ip("ff02::16"), hops: 64, payload: append(alert, message...)}.frame()},
	}
}

func dhcp6Answers() []frame {
	return []frame{
		{name: "DHCPv6 advertise", bytes: ip6{from: sixLocal, next: 17, payload: udp(547, 546, 2)}.frame()},
		{name: "DHCPv6 answer from another port", bytes: ip6{from: sixLocal, next: 17, payload: udp(1547, 546, 7)}.frame()},
		{name: "DHCPv6 server to another port", bytes: ip6{from: sixLocal, next: 17, payload: udp(547, 1546, 7)}.frame()},
		{name: "DHCPv6 relay", bytes: ip6{next: 17, payload: udp(547, 547, 12)}.frame()},
		{name: "DHCPv6 answer in a fragment", bytes: ip6{next: 44, payload: fragment6(17, 0, true, udp(547, 546, 2)...)}.frame()},
		{name: "DHCPv6 answer to all", bytes: ip6{from: sixLocal, to: ip("ff02::1"), next: 17, payload: udp(547, 546, 2)}.frame()},
		{name: "DHCPv6 answer behind options", bytes: ip6{next: 60, payload: extension(17, udp(547, 546, 2)...)}.frame()},
	}
}

func hidden6() []frame {
	var all []frame
	for _, h := range []struct {
		next byte
		name string
	}{{0, "hop-by-hop"}, {60, "destination options"}, {43, "a routing header of type 0"}, {51, "authentication"}, {135, "mobility"}, {139, "HIP"}, {140, "shim6"}, {253, "an experiment"}} {
		all = append(all,
			frame{name: "UDP behind " + h.name, bytes: ip6{next: h.next, payload: extension(17, udp(1, 2)...)}.frame()},
			frame{name: "TCP behind " + h.name, bytes: ip6{next: h.next, payload: extension(6, tcp(1, 2)...)}.frame()},
		)
	}
	for _, next := range []byte{0, 43, 59, 60, 89, 103, 112, 135, 255} {
		all = append(all,
			frame{name: fmt.Sprintf("next header %d", next), bytes: ip6{next: next, payload: make([]byte, 40)}.frame()},
			frame{name: fmt.Sprintf("first fragment of %d", next), bytes: ip6{next: 44, payload: fragment6(next, 0, true, make([]byte, 40)...)}.frame()},
			frame{name: fmt.Sprintf("later fragment of %d", next), bytes: ip6{next: 44, payload: fragment6(next, 16, false, make([]byte, 40)...)}.frame()},
		)
	}
	return all
}

func groups6() []frame {
	say := func(to string, port uint16) []byte {
		return ip6{to: ip(to), next: 17, payload: udp(port, port, 1)}.frame()
	}
	return []frame{
		{name: "VRRP for IPv6", bytes: ip6{from: sixLocal, to: ip("ff02::12"), hops: 255, next: 112, payload: make([]byte, 20)}.frame()},
		{name: "OSPFv3", bytes: ip6{from: sixLocal, to: ip("ff02::5"), next: 89, payload: make([]byte, 20)}.frame()},
		{name: "PIM for IPv6", bytes: ip6{from: sixLocal, to: ip("ff02::d"), next: 103, payload: make([]byte, 20)}.frame()},
		{name: "RIPng", bytes: say("ff02::9", 521)},
		{name: "mDNS for IPv6", bytes: say("ff02::fb", 5353)},
		{name: "LLMNR for IPv6", bytes: say("ff02::1:3", 5355)},
		{name: "ping to all nodes", bytes: icmp6(sixLocal, ip("ff02::1"), icmp(128, 0)).frame()},
		{name: "for one node, to a group", bytes: ip6{dst: hw("33:33:00:00:00:01"), next: 6, payload: tcp(1, 2)}.frame()},
		{name: "for one node, to all", bytes: ip6{dst: toAll, next: 6, payload: tcp(1, 2)}.frame()},
		{name: "for all nodes, to one", bytes: ip6{dst: neighbourMAC, to: ip("ff02::1"), next: 17, payload: udp(1, 2)}.frame()},
	}
}

func broken6() []frame {
	whole := func() []byte { return ip6{next: 17, payload: udp(1, 2, 3, 4)}.frame() }
	return []frame{
		{name: "version 4 as IPv6", bytes: patched(whole(), 14, 0x40)},
		{name: "IPv4 as IPv6", bytes: eth(neighbourMAC, sixMAC, ip6Type, ping4(neighbourMAC, webMAC)[14:]), reason: "source"},
		{name: "payload beyond the frame", bytes: ip6{next: 17, length: 1000, payload: udp(1, 2)}.frame()},
		{name: "payload beyond the frame by one", bytes: ip6{next: 17, payload: udp(1, 2, 3), cutShort: 1}.frame()},
		{name: "header cut off by one", bytes: whole()[:14+39]},
		{name: "header cut off after its source", bytes: whole()[:14+24]},
		{name: "IPv6 UDP of two bytes", bytes: ip6{next: 17, payload: []byte{0, 53}}.frame()},
		{name: "IPv6 UDP of no byte", bytes: ip6{next: 17}.frame()},
		{name: "IPv6 TCP cut off before its flags", bytes: ip6{next: 6, payload: tcp(1, 2)[:12]}.frame()},
		{name: "fragment header cut off", bytes: ip6{next: 44, payload: []byte{17, 0, 0, 1}}.frame()},
		{name: "IPv6 TCP in a fragment of eight bytes", bytes: ip6{next: 44, payload: fragment6(6, 0, true, tcp(1, 2)[:8]...)}.frame()},
	}
}

// without6 are what every IPv6 host says, from a NIC without an IPv6 address.
func without6() []frame {
	own := netip.MustParseAddr("fe80::ff:fe00:1")
	message := func(from, to string, kind byte, body ...byte) []byte {
		return ip6{src: webMAC, from: ip(from), to: ip(to), hops: 255, next: 58, payload: icmp(kind, 0, body...)}.frame()
	}
	about := append(make([]byte, 4), own.AsSlice()...)
	return because("ipv6", []frame{
		{name: "no IPv6: router solicitation", bytes: message(own.String(), "ff02::2", 133)},
		{name: "no IPv6: router solicitation as nobody", bytes: message("::", "ff02::2", 133)},
		{name: "no IPv6: is its address free?", bytes: message("::", "ff02::1:ff00:1", 135, about...)},
		{name: "no IPv6: announces itself", bytes: message(own.String(), "ff02::1", 136, about...)},
		{name: "no IPv6: ping", bytes: message(own.String(), "fe80::1", 128)},
		{name: "no IPv6: TCP", bytes: ip6{src: webMAC, from: own, next: 6, payload: tcp(1, 2)}.frame()},
		{name: "no IPv6: as the guest that has it", bytes: ip6{src: webMAC, next: 6, payload: tcp(1, 2)}.frame()},
		{name: "no IPv6: as nobody to one", bytes: ip6{src: webMAC, from: ip("::"), next: 6, payload: tcp(1, 2)}.frame()},
	})
}
