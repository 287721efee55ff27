package firewall_test

import (
	"fmt"
	"net"
	"slices"
	"testing"

	"ispctl/internal/testkit"
)

// The bridge itself stops these.
const (
	badSource  = "a bridge takes no frame from a group, nor from nobody"
	toItself   = "a bridge hands it to the host alone"
	noFrame    = "the tap takes no frame without a header"
	tooBig     = "a bridge sends nothing longer than the MTU"
	noSuchTag  = "the kernel drops a tag that is cut off"
	pauseFrame = "a bridge drops pause frames"
)

// beforeRules are those of which no rule ever hears.
var beforeRules = []string{badSource, noFrame, noSuchTag, pauseFrame}

// bridgeMAC is the gateway's, which a guest would like to be.
func bridgeMAC(t testing.TB) net.HardwareAddr {
	t.Helper()
	i, err := net.InterfaceByName(zoneBridge)
	check(t, err)
	return i.HardwareAddr
}

// hostileLink are frames that lie, or are out of place, below IP.
func hostileLink(t testing.TB) []frame {
	return slices.Concat(forgedMACs(bridgeMAC(t)), otherTypes(), vlans(), reservedGroups(), lengths())
}

func ping4(dst, src net.HardwareAddr) []byte {
	return ip4{dst: dst, src: src, proto: 1, payload: icmp(8, 0, 1, 2, 3, 4)}.frame()
}

func forgedMACs(gateway net.HardwareAddr) []frame {
	var frames []frame
	for _, m := range []struct {
		whose, already string
		mac            net.HardwareAddr
	}{
		{"a stranger's", "", stranger},
		{"the neighbour's", "", neighbourMAC},
		{"the gateway's", "", gateway},
		{"its own but for a bit", "", hw("06:00:00:00:00:01")},
		{"nobody's", badSource, hw("00:00:00:00:00:00")},
		{"a group's", badSource, hw("01:00:5e:00:00:01")},
		{"everybody's", badSource, toAll},
	} {
		frames = append(frames,
			frame{"ping from " + m.whose + " MAC", "", ping4(neighbourMAC, m.mac), "mac", m.already},
			frame{"ARP from " + m.whose + " MAC", "", arp{src: m.mac}.frame(), "mac", m.already},
			frame{"ARP from and of " + m.whose + " MAC", "", arp{src: m.mac, senderMAC: m.mac}.frame(), "mac", m.already},
			frame{"IPv6 from " + m.whose + " MAC", six, ip6{src: m.mac, next: 58, payload: icmp(128, 0)}.frame(), "mac", m.already},
		)
	}
	jumbo := ip4{src: stranger, proto: 17, payload: udp(1, 2, make([]byte, 8900)...)}.frame()
	return append(frames, frame{"jumbo frame from a stranger's MAC", "", jumbo, "mac", tooBig})
}

func otherTypes() []frame {
	var frames []frame
	for _, e := range []struct {
		kind uint16
		name string
	}{
		{0x0600, "XNS"},
		{0x0805, "X.25"},
		{0x0842, "wake on LAN"},
		{0x22f3, "TRILL"},
		{0x4305, "batman"},
		{0x6001, "DEC MOP"},
		{0x6003, "DECnet"},
		{0x6558, "bridged Ethernet"},
		{0x8035, "RARP"},
		{0x809b, "AppleTalk"},
		{0x80f3, "AARP"},
		{0x8137, "IPX"},
		{0x814c, "SNMP"},
		{0x8204, "QNX"},
		{0x8808, "flow control"},
		{0x8809, "slow protocols"},
		{0x880b, "PPP"},
		{0x8847, "MPLS"},
		{0x8848, "MPLS multicast"},
		{0x8863, "PPPoE discovery"},
		{0x8864, "PPPoE session"},
		{0x888e, "EAPOL"},
		{0x8892, "PROFINET"},
		{0x88a2, "ATA over Ethernet"},
		{0x88a4, "EtherCAT"},
		{0x88b5, "local experiment"},
		{0x88be, "ERSPAN"},
		{0x88ca, "TIPC"},
		{0x88cc, "LLDP"},
		{0x88e5, "MACsec"},
		{0x88e7, "backbone bridging"},
		{0x88f5, "MVRP"},
		{0x88f6, "MMRP"},
		{0x88f7, "PTP"},
		{0x8902, "CFM"},
		{0x8906, "FCoE"},
		{0x8914, "FIP"},
		{0x8915, "RoCE"},
		{0x892f, "HSR"},
		{0x894f, "NSH"},
		{0x9000, "loopback test"},
		{0x9100, "old stacked VLAN"},
		{0x9200, "older stacked VLAN"},
		{0xffff, "reserved"},
	} {
		frames = append(frames,
			frame{name: "Ethernet type " + e.name, bytes: eth(neighbourMAC, webMAC, e.kind, make([]byte, 46)), reason: "ethertype"},
		)
	}
	for _, e := range []uint16{0x8035, 0x88cc, 0x9000} {
		frames = append(frames, frame{name: fmt.Sprintf("Ethernet type 0x%x to all", e), bytes: eth(toAll, webMAC, e, make([]byte, 46)), reason: "ethertype"})
	}
	return frames
}

func vlans() []frame {
	ping, ask := ping4(neighbourMAC, webMAC), arp{}.frame()
	steal := arp{sender: gatewayAddr, target: gatewayAddr}.frame()
	all := []frame{
		{name: "priority tag", bytes: tagged(ping, vlanType, 0)},
		{name: "priority tag with a priority", bytes: tagged(ping, vlanType, 0xe000)},
		{name: "priority tag on ARP", bytes: tagged(ask, vlanType, 0)},
		{name: "priority tag on stolen ARP", bytes: tagged(steal, vlanType, 0)},
		{name: "VLAN 1", bytes: tagged(ping, vlanType, 1)},
		{name: "VLAN 10", bytes: tagged(ping, vlanType, 10)},
		{name: "VLAN 10 on ARP", bytes: tagged(ask, vlanType, 10)},
		{name: "VLAN 4095", bytes: tagged(ping, vlanType, 4095)},
		{name: "VLAN in VLAN", bytes: tagged(ping, vlanType, 1, vlanType, 10)},
		{name: "priority tag on VLAN 10", bytes: tagged(ping, vlanType, 0, vlanType, 10)},
		{name: "two priority tags", bytes: tagged(ping, vlanType, 0, vlanType, 0)},
		{name: "three tags", bytes: tagged(ping, vlanType, 0, vlanType, 0, vlanType, 0)},
		{name: "service tag", bytes: tagged(ping, qinqType, 10)},
		{name: "service priority tag", bytes: tagged(ping, qinqType, 0)},
		{name: "service tag on ARP", bytes: tagged(ask, qinqType, 0)},
		{name: "service tag on VLAN 10", bytes: tagged(ping, qinqType, 10, vlanType, 10)},
		{name: "VLAN 10 on a service tag", bytes: tagged(ping, vlanType, 10, qinqType, 10)},
		{name: "tag on LLDP", bytes: tagged(eth(toAll, webMAC, 0x88cc, make([]byte, 46)), vlanType, 0)},
		{name: "tag on a length", bytes: tagged(eth(toAll, webMAC, 46, make([]byte, 46)), vlanType, 0)},
		{name: "tag from a stranger's MAC", bytes: tagged(ping4(neighbourMAC, stranger), vlanType, 0)},
		{name: "tag cut off", bytes: eth(neighbourMAC, webMAC, vlanType, nil), already: noSuchTag},
	}
	for i := range all {
		all[i].reason = "vlan"
	}
	return all
}

// reservedGroups are what a bridge takes for itself: it hands them to the host
// as if they had come by the tap alone, which answers ARP there.
func reservedGroups() []frame {
	var frames []frame
	for n := range 16 {
		to := net.HardwareAddr{1, 0x80, 0xc2, 0, 0, byte(n)}
		ping := frame{fmt.Sprintf("ping to %s", to), "", ping4(to, webMAC), "reserved", toItself}
		ask := frame{fmt.Sprintf("ARP to %s", to), "", arp{dst: to, target: gatewayAddr}.frame(), "reserved", ""}
		switch n {
		case 0, 0x0e: // see newWire
			ping.already = ""
		case 1:
			ping.already, ask.already = pauseFrame, pauseFrame
		}
		frames = append(frames, ping, ask)
	}
	bpdu := llc(0x42, 0x42, 3, make([]byte, 35)...)
	return append(frames,
		frame{"STP", "", eth(hw("01:80:c2:00:00:00"), webMAC, uint16(len(bpdu)), bpdu), "reserved", ""},
		frame{"LACP", "", eth(hw("01:80:c2:00:00:02"), webMAC, 0x8809, make([]byte, 110)), "reserved", toItself},
		frame{"LLDP", "", eth(hw("01:80:c2:00:00:0e"), webMAC, 0x88cc, make([]byte, 46)), "reserved", ""},
		frame{"EAPOL", "", eth(hw("01:80:c2:00:00:03"), webMAC, 0x888e, make([]byte, 46)), "reserved", toItself},
	)
}

func llc(dsap, ssap, control byte, rest ...byte) []byte {
	return append([]byte{dsap, ssap, control}, rest...)
}

func snap(oui [3]byte, kind uint16, rest ...byte) []byte {
	return llc(0xaa, 0xaa, 3, slices.Concat(oui[:], short(kind), rest)...)
}

// lengths are frames of IEEE 802.3, whose type is a length, true or not, and
// frames that end before their headers do.
func lengths() []frame {
	packet := ping4(neighbourMAC, webMAC)[14:]
	cisco := [3]byte{0, 0, 0x0c}
	inIP, inARP := snap([3]byte{}, ip4Type, packet...), snap([3]byte{}, arpType, arp{sender: gatewayAddr}.frame()[14:]...)
	of := func(dst string, length int, b []byte) []byte {
		return eth(hw(dst), webMAC, uint16(length), b)
	}
	const peer = "02:00:00:00:00:02"
	all := []frame{
		{name: "STP to a neighbour", bytes: of(peer, 38, llc(0x42, 0x42, 3, make([]byte, 35)...))},
		{name: "PVST", bytes: of("01:00:0c:cc:cc:cd", 50, snap(cisco, 0x010b, make([]byte, 42)...))},
		{name: "CDP", bytes: of("01:00:0c:cc:cc:cc", 50, snap(cisco, 0x2000, make([]byte, 42)...))},
		{name: "VTP", bytes: of("01:00:0c:cc:cc:cc", 50, snap(cisco, 0x2003, make([]byte, 42)...))},
		{name: "DTP", bytes: of("01:00:0c:cc:cc:cc", 50, snap(cisco, 0x2004, make([]byte, 42)...))},
		{name: "UDLD", bytes: of("01:00:0c:cc:cc:cc", 50, snap(cisco, 0x0111, make([]byte, 42)...))},
		{name: "IS-IS", bytes: of("01:80:c2:00:00:14", 50, llc(0xfe, 0xfe, 3, make([]byte, 47)...))},
		{name: "NetBEUI", bytes: of(peer, 50, llc(0xf0, 0xf0, 3, make([]byte, 47)...))},
		{name: "raw IPX", bytes: of(peer, 50, append([]byte{0xff, 0xff}, make([]byte, 48)...))},
		{name: "IPv4 in SNAP", bytes: of(peer, len(inIP), inIP)},
		{name: "ARP of the gateway in SNAP", bytes: of("ff:ff:ff:ff:ff:ff", len(inARP), inARP)},
		{name: "SNAP, too long a length", bytes: of(peer, 1500, inIP)},
		{name: "SNAP, too short a length", bytes: of(peer, 3, inIP)},
		{name: "SNAP, length 0", bytes: of(peer, 0, inIP)},
		{name: "SNAP, length 8", bytes: of(peer, 8, inARP)},
		{name: "length beyond 802.3", bytes: of(peer, 0x05ff, inIP)},
		{name: "IPv4 behind length 0", bytes: of(peer, 0, packet)},
		{name: "one byte behind a length", bytes: of(peer, 1, []byte{0x42})},
	}
	for i := range all {
		all[i].reason = "ethertype"
	}
	whole := ping4(neighbourMAC, webMAC)
	return append(all,
		frame{name: "13 bytes", bytes: whole[:13], already: noFrame},
		frame{name: "one byte", bytes: whole[:1], already: noFrame},
		frame{name: "IPv4 without a byte of it", bytes: whole[:14], reason: "ipv4"},
		frame{name: "ARP without a byte of it", bytes: arp{}.frame()[:14], reason: "arp"},
		frame{name: "IPv6 without a byte of it", from: six, bytes: ip6{}.frame()[:14], reason: "ipv6"},
	)
}

// floodAlways has the bridge learn nothing and look at no group, so that a
// frame that passes comes out everywhere, whatever its destination.
func floodAlways(t testing.TB) {
	t.Helper()
	testkit.Sh(t, "ip", "link", "set", zoneBridge, "type", "bridge", "ageing_time", "0", "mcast_snooping", "0")
}
