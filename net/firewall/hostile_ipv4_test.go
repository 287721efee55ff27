package firewall_test

import (
	"fmt"
	"net/netip"
	"slices"

	"ispctl/net/firewall"
)

// hostileIPv4 are packets from web that lie or do what only routers and servers
// do.
func hostileIPv4() []frame {
	return slices.Concat(
		because("source", sources4()), because("dhcp-server", dhcpAnswers()), because("icmp", icmps()), because("igmp", igmps()),
		because("group", groups4()), because("options", options4()), because("ipv4", broken4()),
	)
}

func because(r firewall.Reason, frames []frame) []frame {
	for i := range frames {
		if frames[i].reason == "" {
			frames[i].reason = r
		}
	}
	return frames
}

func sources4() []frame {
	var all []frame
	for _, from := range []string{
		"10.10.0.3", "10.10.0.1", "10.10.0.250", "10.10.255.255", "10.20.0.2", "198.51.100.1", "127.0.0.1", "0.0.0.0", "255.255.255.255",
		"224.0.0.1", "169.254.1.1", "10.10.0.2" + "0", "2.0.10.10",
	} {
		all = append(all,
			frame{name: "TCP as " + from, bytes: ip4{from: ip(from), proto: 6, payload: tcp(1, 2)}.frame()},
			frame{name: "ping as " + from, bytes: ip4{from: ip(from), proto: 1, payload: icmp(8, 0)}.frame()},
		)
	}
	none, every := ip("0.0.0.0"), ip("255.255.255.255")
	return append(all,
		frame{name: "later fragment as the gateway", bytes: ip4{from: gatewayAddr, proto: 17, fragment: 4, payload: make([]byte, 8)}.frame()},
		frame{name: "ESP as the gateway", bytes: ip4{from: gatewayAddr, proto: 50, payload: make([]byte, 8)}.frame()},
		frame{name: "redirect as the gateway", bytes: ip4{from: gatewayAddr, proto: 1, payload: icmp(5, 1, make([]byte, 28)...)}.frame()},
		frame{name: "DHCP offer as the gateway", bytes: ip4{from: gatewayAddr, to: every, dst: toAll, proto: 17, payload: udp(67, 68, 2)}.frame()},
		frame{name: "IGMP query as nobody", bytes: withRouterAlert("224.0.0.1", none, 0x11)},
		frame{name: "DHCP from nobody to one", bytes: ip4{from: none, to: gatewayAddr, proto: 17, payload: udp(68, 67, 1)}.frame()},
		frame{name: "DHCP from nobody, to one's MAC", bytes: ip4{from: none, to: every, proto: 17, payload: udp(68, 67, 1)}.frame()},
		frame{name: "DHCP from nobody, from another port", bytes: ip4{from: none, to: every, dst: toAll, proto: 17, payload: udp(69, 67, 1)}.frame()},
		frame{name: "DHCP from nobody, to another port", bytes: ip4{from: none, to: every, dst: toAll, proto: 17, payload: udp(68, 69, 1)}.frame()},
		frame{name: "DHCP from nobody, first fragment", bytes: ip4{from: none, to: every, dst: toAll, proto: 17, fragment: 0x2000, payload: udp(68, 67, 1)}.frame()},
		frame{name: "DHCP from nobody, later fragment", bytes: ip4{from: none, to: every, dst: toAll, proto: 17, fragment: 1, payload: udp(68, 67, 1)}.frame()},
		frame{name: "DHCP from nobody, cut off", bytes: ip4{from: none, to: every, dst: toAll, proto: 17, payload: udp(68, 67), cutShort: 6}.frame()},
		frame{name: "DHCP from nobody, as TCP", bytes: ip4{from: none, to: every, dst: toAll, proto: 6, payload: tcp(68, 67)}.frame()},
		frame{name: "DHCP from the neighbour", bytes: ip4{from: neighbourAddr, to: every, dst: toAll, proto: 17, payload: udp(68, 67, 1)}.frame()},
	)
}

func dhcpAnswers() []frame {
	return []frame{
		{name: "DHCP offer to all", bytes: ip4{to: ip("255.255.255.255"), dst: toAll, proto: 17, payload: udp(67, 68, 2)}.frame(), reason: "group"},
		{name: "DHCP offer to one", bytes: ip4{proto: 17, payload: udp(67, 68, 2)}.frame()},
		{name: "DHCP offer from another port", bytes: ip4{proto: 17, payload: udp(1067, 68, 2)}.frame()},
		{name: "DHCP server to another port", bytes: ip4{proto: 17, payload: udp(67, 1068, 2)}.frame()},
		{name: "DHCP relay", bytes: ip4{to: gatewayAddr, proto: 17, payload: udp(67, 67, 1)}.frame()},
		{name: "DHCP offer, first fragment", bytes: ip4{proto: 17, fragment: 0x2000, payload: udp(67, 68, 2)}.frame()},
		{name: "DHCP offer in a fragment of eight bytes", bytes: ip4{proto: 17, fragment: 0x2000, payload: udp(67, 68)}.frame()},
	}
}

func icmps() []frame {
	var all []frame
	for _, kind := range []byte{1, 2, 4, 5, 6, 7, 9, 10, 13, 14, 15, 16, 17, 18, 30, 37, 40, 42, 43, 253, 255} {
		all = append(all, frame{name: fmt.Sprintf("ICMP type %d", kind), bytes: ip4{proto: 1, payload: icmp(kind, 0, make([]byte, 28)...)}.frame()})
	}
	return append(all,
		frame{name: "redirect to the host", bytes: ip4{to: gatewayAddr, proto: 1, payload: icmp(5, 1, make([]byte, 28)...)}.frame()},
		frame{name: "redirect, first fragment", bytes: ip4{proto: 1, fragment: 0x2000, payload: icmp(5, 1, make([]byte, 28)...)}.frame()},
		frame{name: "ICMP of no byte", bytes: ip4{proto: 1}.frame()},
	)
}

// withRouterAlert is an IGMP message to a group, as it is to be sent.
func withRouterAlert(to string, from netip.Addr, kind byte) []byte {
	p := group4(to)
	p.from, p.payload = from, icmp(kind, 0, 239, 1, 2, 3)
	return p.frame()
}

func igmps() []frame {
	var all []frame
	for _, kind := range []byte{0x11, 0x12, 0x13, 0x14, 0x15, 0x1e, 0x1f, 0x23, 0x30, 0x31, 0x32, 0x40} {
		for _, to := range []string{"224.0.0.1", "224.0.0.22", "239.1.2.3"} {
			all = append(all, frame{name: fmt.Sprintf("IGMP type %#x to %s", kind, to), bytes: withRouterAlert(to, webAddr, kind)})
		}
	}
	bare, far, toOne, mute := group4("224.0.0.22"), group4("224.0.0.22"), group4("10.10.0.3"), group4("224.0.0.22")
	bare.options, bare.payload = nil, icmp(0x22, 0)
	far.ttl, far.payload = 64, icmp(0x22, 0)
	toOne.dst, toOne.payload = neighbourMAC, icmp(0x16, 0)
	mute.payload = nil
	return append(all,
		frame{name: "IGMPv3 query", bytes: func() []byte {
			p := group4("224.0.0.1")
			p.payload = icmp(0x11, 100, 0, 0, 0, 0, 2, 125, 0, 0)
			return p.frame()
		}()},
		frame{name: "IGMP leave to all hosts", bytes: withRouterAlert("224.0.0.1", webAddr, 0x17)},
		frame{name: "IGMPv3 report to another group", bytes: withRouterAlert("224.0.0.5", webAddr, 0x22)},
		frame{name: "IGMPv2 report to all hosts", bytes: withRouterAlert("224.0.0.1", webAddr, 0x16)},
		frame{name: "IGMP report without its option", bytes: bare.frame()},
		frame{name: "IGMP report from afar", bytes: far.frame()},
		frame{name: "IGMP report to one", bytes: toOne.frame()},
		frame{name: "IGMP of no byte", bytes: mute.frame()},
	)
}

func groups4() []frame {
	say := func(to string, port uint16) []byte {
		return ip4{to: ip(to), dst: groupMAC(ip(to)), proto: 17, payload: udp(port, port, 1)}.frame()
	}
	raw := func(to string, proto byte) []byte {
		return ip4{to: ip(to), dst: groupMAC(ip(to)), proto: proto, ttl: 255, payload: make([]byte, 20)}.frame()
	}
	all := func(to string, port uint16) []byte {
		return ip4{to: ip(to), dst: toAll, proto: 17, payload: udp(40000, port, 1)}.frame()
	}
	return []frame{
		{name: "VRRP", bytes: raw("224.0.0.18", 112)},
		{name: "OSPF", bytes: raw("224.0.0.5", 89)},
		{name: "EIGRP", bytes: raw("224.0.0.10", 88)},
		{name: "PIM", bytes: raw("224.0.0.13", 103)},
		{name: "HSRP", bytes: say("224.0.0.2", 1985)},
		{name: "GLBP", bytes: say("224.0.0.102", 3222)},
		{name: "RIP", bytes: say("224.0.0.9", 520)},
		{name: "mDNS", bytes: say("224.0.0.251", 5353)},
		{name: "LLMNR", bytes: say("224.0.0.252", 5355)},
		{name: "SSDP", bytes: say("239.255.255.250", 1900)},
		{name: "PTP", bytes: say("224.0.1.129", 319)},
		{name: "NTP to a group", bytes: say("224.0.1.1", 123)},
		{name: "ping to all hosts", bytes: ip4{to: ip("224.0.0.1"), dst: groupMAC(ip("224.0.0.1")), proto: 1, payload: icmp(8, 0)}.frame()},
		{name: "NetBIOS to all", bytes: all("10.10.255.255", 137)},
		{name: "RIP to all", bytes: all("255.255.255.255", 520)},
		{name: "ping to all", bytes: ip4{to: ip("10.10.255.255"), dst: toAll, proto: 1, payload: icmp(8, 0)}.frame()},
		{name: "for one, to all", bytes: ip4{dst: toAll, proto: 17, payload: udp(1, 2)}.frame()},
		{name: "for one, to a group", bytes: ip4{dst: hw("01:00:5e:00:00:01"), proto: 6, payload: tcp(1, 2)}.frame()},
		{name: "for one, to an IPv6 group", bytes: ip4{dst: hw("33:33:00:00:00:01"), proto: 6, payload: tcp(1, 2)}.frame()},
		{name: "for a group, to one", bytes: ip4{to: ip("224.0.0.251"), proto: 17, payload: udp(5353, 5353)}.frame(), reason: "ipv4"},
		{name: "for all, to one", bytes: ip4{to: ip("255.255.255.255"), proto: 17, payload: udp(1, 2)}.frame(), reason: "ipv4"},
		{name: "for nobody", bytes: ip4{to: ip("0.0.0.0"), proto: 17, payload: udp(1, 2)}.frame(), reason: "ipv4"},
		{name: "for the other's loopback", bytes: ip4{to: ip("127.0.0.1"), proto: 6, payload: tcp(1, 2)}.frame(), reason: "ipv4"},
		{name: "for the future", bytes: ip4{to: ip("240.0.0.1"), proto: 6, payload: tcp(1, 2)}.frame(), reason: "ipv4"},
	}
}

func options4() []frame {
	var all []frame
	for _, o := range []struct {
		name  string
		bytes []byte
	}{
		{"loose source route", []byte{131, 7, 4, 10, 10, 0, 1, 0}},
		{"strict source route", []byte{137, 7, 4, 10, 10, 0, 1, 0}},
		{"source route behind padding", []byte{1, 131, 7, 4, 10, 10, 0, 1}},
		{"source route that is cut off", []byte{131, 3, 4, 0}},
		{"source route longer than the header", []byte{131, 39, 4, 0}},
		{"record route", []byte{7, 7, 4, 0, 0, 0, 0, 0}},
		{"timestamp", []byte{68, 8, 5, 0, 0, 0, 0, 0}},
		{"security", []byte{130, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
		{"stream", []byte{136, 4, 0, 0}},
		{"router alert", routerAlert},
		{"quick start", []byte{25, 8, 0, 0, 0, 0, 0, 0}},
		{"padding", []byte{1, 1, 1, 0}},
		{"unknown option", []byte{222, 4, 0, 0}},
		{"forty bytes of options", make([]byte, 40)},
	} {
		all = append(all,
			frame{name: "UDP with " + o.name, bytes: ip4{options: o.bytes, proto: 17, payload: udp(1, 2, 3)}.frame()},
			frame{name: "TCP with " + o.name, bytes: ip4{options: o.bytes, proto: 6, payload: tcp(1, 2)}.frame()},
		)
	}
	return all
}

func broken4() []frame {
	var all []frame
	for _, proto := range []byte{0, 3, 5, 7, 8, 9, 43, 44, 46, 51, 54, 58, 59, 60, 88, 89, 94, 103, 112, 113, 124, 133, 135, 137, 253, 255} {
		all = append(all, frame{name: fmt.Sprintf("protocol %d", proto), bytes: ip4{proto: proto, payload: make([]byte, 20)}.frame()})
	}
	ping := func() []byte { return ping4(neighbourMAC, webMAC) }
	return append(all,
		frame{name: "VRRP to one, later fragment", bytes: ip4{proto: 112, fragment: 4, payload: make([]byte, 20)}.frame()},
		frame{name: "IGMP to one, later fragment", bytes: ip4{proto: 2, fragment: 4, payload: make([]byte, 20)}.frame(), reason: "igmp"},
		frame{name: "version 0", bytes: patched(ping(), 14, 0x05)},
		frame{name: "version 5", bytes: patched(ping(), 14, 0x55)},
		frame{name: "version 6 as IPv4", bytes: patched(ping(), 14, 0x60)},
		frame{name: "IPv6 as IPv4", bytes: eth(neighbourMAC, webMAC, ip4Type, ip6{next: 17, payload: udp(1, 2)}.frame()[14:]), reason: "source"},
		frame{name: "header length 0", bytes: patched(ping(), 14, 0x40)},
		frame{name: "header length 1", bytes: patched(ping(), 14, 0x41)},
		frame{name: "header length 4", bytes: patched(ping(), 14, 0x44)},
		frame{name: "header length beyond the packet", bytes: patched(ping(), 14, 0x4f), reason: "options"},
		frame{name: "length beyond the frame", bytes: ip4{proto: 17, length: 1400, payload: udp(1, 2)}.frame()},
		frame{name: "length beyond the frame by one", bytes: ip4{proto: 17, payload: udp(1, 2, 3), cutShort: 1}.frame()},
		frame{name: "length 65535", bytes: ip4{proto: 17, length: 65535, payload: udp(1, 2)}.frame()},
		frame{name: "length shorter than the header", bytes: ip4{proto: 17, length: 19, payload: udp(1, 2)}.frame()},
		frame{name: "header cut off after its source", bytes: ping()[:14+16]},
		frame{name: "header cut off in its source", bytes: ping()[:14+14]},
		frame{name: "header cut off by one", bytes: ping()[:14+19]},
		frame{name: "UDP of no byte", bytes: ip4{proto: 17}.frame()},
		frame{name: "UDP of two bytes", bytes: ip4{proto: 17, payload: []byte{0, 53}}.frame()},
		frame{name: "TCP of no byte", bytes: ip4{proto: 6}.frame()},
		frame{name: "TCP cut off before its flags", bytes: ip4{proto: 6, payload: tcp(1, 2)[:12]}.frame()},
		frame{name: "TCP with a header of no length", bytes: ip4{proto: 6, payload: patched(tcp(1, 2), 12, 0)}.frame()},
		frame{name: "TCP with a header of 16 bytes", bytes: ip4{proto: 6, payload: patched(tcp(1, 2), 12, 0x40)}.frame()},
		frame{name: "TCP in a fragment of eight bytes", bytes: ip4{proto: 6, fragment: 0x2000, payload: tcp(1, 2)[:8]}.frame()},
	)
}
