package firewall_test

import (
	"testing"
)

// TestTags: a guest in VLANs 10 and 20 speaks IP there with its own MAC, and
// nothing else; its neighbour is in none.
func TestTags(t *testing.T) {
	w := newWire(t, 1)
	w.model.Zones[0].Trunk = "up9"
	w.model.VMs[0].NICs[0].Tags = []int{10, 20}
	w.build(t)
	inside := ip4{from: ip("192.168.7.7"), to: ip("192.168.7.8"), proto: 17, payload: udp(1, 2)}
	stolen := inside
	stolen.src = stranger
	theirs := inside
	theirs.src = neighbourMAC
	reserved := inside
	reserved.dst = hw("01:80:c2:00:00:0e")
	group := inside
	group.to, group.dst = ip("224.0.0.251"), groupMAC(ip("224.0.0.251"))
	request := arp{sender: ip("192.168.7.7"), target: ip("192.168.7.8")}.frame()
	for _, one := range []struct {
		name   string
		from   string
		bytes  []byte
		passes bool
	}{
		{"IPv4 in its VLAN", web, tagged(inside.frame(), vlanType, 10), true},
		{"IPv4 in its other VLAN", web, tagged(inside.frame(), vlanType, 20), true},
		{"ARP in its VLAN", web, tagged(request, vlanType, 10), true},
		{"IPv6 in its VLAN", web, tagged(ip6{src: webMAC, from: ip("fe80::1"), to: ip("ff02::1"), next: 58, payload: icmp(128, 0)}.frame(), vlanType, 20), true},
		{"to a group in its VLAN", web, tagged(group.frame(), vlanType, 10), true},
		{"in a VLAN of others", web, tagged(inside.frame(), vlanType, 30), false},
		{"VLAN 1", web, tagged(inside.frame(), vlanType, 1), false},
		{"VLAN 0", web, tagged(inside.frame(), vlanType, 0), false},
		{"the VLAN of untagged frames", web, tagged(inside.frame(), vlanType, 4094), false},
		{"with a priority", web, tagged(inside.frame(), vlanType, 7<<13|10), false},
		{"service tag", web, tagged(inside.frame(), qinqType, 10), false},
		{"a tag in a tag", web, tagged(inside.frame(), vlanType, 10, vlanType, 20), false},
		{"a tag in a service tag", web, tagged(inside.frame(), qinqType, 10, vlanType, 10), false},
		{"a service tag in a tag", web, tagged(inside.frame(), vlanType, 10, qinqType, 20), false},
		{"with a stolen MAC", web, tagged(stolen.frame(), vlanType, 10), false},
		{"LLDP's group", web, tagged(reserved.frame(), vlanType, 10), false},
		{"another type inside", web, tagged(eth(neighbourMAC, webMAC, 0x8847, make([]byte, 46)), vlanType, 10), false},
		{"a length inside", web, tagged(eth(neighbourMAC, webMAC, 46, make([]byte, 46)), vlanType, 10), false},
		{"its addresses untagged", web, inside.frame(), false},
		{"a neighbour without tags", neighbour, tagged(theirs.frame(), vlanType, 10), false},
	} {
		if passed := w.passed(t, one.from, one.bytes) != nil; passed != one.passes {
			t.Errorf("%s: passed %t, want %t", one.name, passed, one.passes)
		}
	}
	w.model.VMs[0].NICs[0].Tags = nil
	w.build(t)
	if where := w.passed(t, web, tagged(inside.frame(), vlanType, 10)); where != nil {
		t.Errorf("taken out of its VLANs, and it comes out at %s", where)
	}
}
