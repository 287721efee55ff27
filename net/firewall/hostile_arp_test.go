package firewall_test

import (
	"fmt"
	"net"
)

// hostileARP are the ways to be somebody else by ARP.
func hostileARP() []frame {
	none := ip("0.0.0.0")
	zero := make(net.HardwareAddr, 6)
	all := []frame{
		{name: "announces the gateway's address", bytes: arp{sender: gatewayAddr, target: gatewayAddr}.frame()},
		{name: "announces the gateway's address as an answer", bytes: arp{op: 2, sender: gatewayAddr, target: gatewayAddr}.frame()},
		{name: "announces the neighbour's address", bytes: arp{sender: neighbourAddr, target: neighbourAddr}.frame()},
		{name: "announces an Internet address", bytes: arp{sender: ip("198.51.100.1"), target: ip("198.51.100.1")}.frame()},
		{name: "answers for the gateway", bytes: arp{op: 2, dst: neighbourMAC, sender: gatewayAddr, targetMAC: neighbourMAC}.frame()},
		{name: "answers for the gateway, to all", bytes: arp{op: 2, sender: gatewayAddr}.frame()},
		{name: "answers for a neighbour as a proxy", bytes: arp{op: 2, dst: neighbourMAC, sender: ip("10.10.0.9")}.frame()},
		{name: "asks as the gateway", bytes: arp{sender: gatewayAddr}.frame()},
		{name: "asks one as the gateway", bytes: arp{dst: neighbourMAC, sender: gatewayAddr}.frame()},
		{name: "gives the neighbour's MAC as its own", bytes: arp{senderMAC: neighbourMAC}.frame()},
		{name: "gives the neighbour's MAC and address", bytes: arp{senderMAC: neighbourMAC, sender: neighbourAddr, target: gatewayAddr}.frame()},
		{name: "answers with a stranger's MAC", bytes: arp{op: 2, senderMAC: stranger, dst: neighbourMAC}.frame()},
		{name: "answers with everybody's MAC", bytes: arp{op: 2, senderMAC: toAll, dst: neighbourMAC}.frame()},
		{name: "answers with a group's MAC", bytes: arp{op: 2, senderMAC: hw("01:00:5e:00:00:05"), dst: neighbourMAC}.frame()},
		{name: "answers with no MAC", bytes: arp{op: 2, senderMAC: zero, dst: neighbourMAC}.frame()},
		{name: "is everybody", bytes: arp{sender: ip("255.255.255.255")}.frame()},
		{name: "is a group", bytes: arp{sender: ip("224.0.0.1")}.frame()},
		{name: "answers as nobody", bytes: arp{op: 2, sender: none}.frame()},
		{name: "asks as nobody for a neighbour, who then thinks it taken", bytes: arp{sender: none, target: neighbourAddr}.frame()},
		{name: "asks as nobody for the gateway", bytes: arp{sender: none, target: gatewayAddr}.frame()},
		{name: "probes with a stranger's MAC", bytes: arp{sender: none, target: webAddr, senderMAC: stranger}.frame()},
		{name: "probes as an answer", bytes: arp{op: 2, sender: none, target: webAddr}.frame()},
		{name: "probes one machine", bytes: arp{dst: neighbourMAC, sender: none, target: webAddr}.frame()},
		{name: "asks for nobody", bytes: arp{target: none}.frame()},
		{name: "asks a group", bytes: arp{dst: hw("01:00:5e:00:00:01")}.frame()},
		{name: "answers a group", bytes: arp{op: 2, dst: hw("33:33:00:00:00:01")}.frame()},
		{name: "is of the hardware type 0", bytes: patched(arp{}.frame(), 14, 0, 0)},
		{name: "is of the hardware type IEEE 802", bytes: arp{hard: 6}.frame()},
		{name: "is of the hardware type InfiniBand", bytes: arp{hard: 32}.frame()},
		{name: "is of the protocol IPv6", bytes: arp{proto: ip6Type}.frame()},
		{name: "is of the protocol ARP", bytes: arp{proto: arpType}.frame()},
		{name: "hardware length 0", bytes: patched(arp{}.frame(), 18, 0)},
		{name: "hardware length 5", bytes: arp{hardLen: 5}.frame()},
		{name: "hardware length 8", bytes: arp{hardLen: 8, trailing: 8}.frame()},
		{name: "hardware length 255", bytes: arp{hardLen: 255}.frame()},
		{name: "protocol length 0", bytes: patched(arp{}.frame(), 19, 0)},
		{name: "protocol length 16", bytes: arp{protoLen: 16, trailing: 30}.frame()},
		{name: "protocol length 255", bytes: arp{protoLen: 255}.frame()},
	}
	for _, op := range []uint16{3, 4, 8, 9, 10, 23, 0x0100, 0xffff} {
		all = append(all, frame{name: fmt.Sprintf("operation %d", op), bytes: arp{op: op}.frame()})
	}
	all = append(all, frame{name: "operation 0", bytes: patched(arp{}.frame(), 20, 0, 0)})
	for _, cut := range []int{1, 4, 5, 10, 14, 18, 20, 27} {
		all = append(all, frame{name: fmt.Sprintf("lacks its last %d bytes", cut), bytes: arp{cutShort: cut}.frame()})
	}
	for i := range all {
		all[i].name, all[i].reason = "ARP "+all[i].name, "arp"
	}
	return all
}

// patched replaces bytes of a frame.
func patched(f []byte, at int, with ...byte) []byte {
	copy(f[at:], with)
	return f
}
