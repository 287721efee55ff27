package firewall_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"ispctl"
	"ispctl/internal/testkit"
)

// optedOut are frames that are legitimate with an opt-out, and with no other
// than those listed.
func optedOut() []struct {
	frame
	with []ispctl.Allowance
} {
	type f = struct {
		frame
		with []ispctl.Allowance
	}
	mac, addr := []ispctl.Allowance{ispctl.AllowMACSpoofing}, []ispctl.Allowance{ispctl.AllowIPSpoofing}
	dhcp, other := []ispctl.Allowance{ispctl.AllowDHCPSpoofing}, []ispctl.Allowance{ispctl.AllowRestrictedTraffic}
	all := ip("255.255.255.255")
	bootp := append([]byte{2, 1, 6, 0}, make([]byte, 240)...)
	foreign, foreign6 := ip("198.51.100.9"), ip("2001:db8:99::9")
	advert := append([]byte{64, 0, 7, 8}, make([]byte, 8)...)
	vrrp, ospf := ip("224.0.0.18"), ip("224.0.0.5")
	local6 := sixLocal
	return []f{
		{frame{name: "TCP by another MAC", bytes: ip4{src: stranger, proto: 6, payload: tcp(1, 2)}.frame()}, mac},
		{frame{name: "ARP by another MAC", bytes: arp{src: stranger, senderMAC: stranger}.frame()}, mac},
		{frame{name: "UDP by another MAC, by IPv6", from: six, bytes: ip6{src: stranger, next: 17, payload: udp(1, 2)}.frame()}, mac},
		{frame{name: "TCP from elsewhere", bytes: ip4{from: foreign, proto: 6, payload: tcp(1, 2)}.frame()}, addr},
		{frame{name: "ping from elsewhere", bytes: ip4{from: foreign, proto: 1, payload: icmp(8, 0)}.frame()}, addr},
		{frame{name: "ARP for another address", bytes: arp{sender: foreign}.frame()}, addr},
		{frame{name: "UDP from elsewhere, by IPv6", from: six, bytes: ip6{from: foreign6, next: 17, payload: udp(1, 2)}.frame()}, addr},
		{frame{name: "answers for another IPv6 address", from: six, bytes: nd(six, 136, foreign6, foreign6)}, addr},
		{frame{name: "TCP from elsewhere by another MAC", bytes: ip4{src: stranger, from: foreign, proto: 6, payload: tcp(1, 2)}.frame()}, append(slices.Clone(addr), mac...)},
		{frame{name: "DHCP offer to one", bytes: ip4{proto: 17, payload: udp(67, 68, bootp...)}.frame()}, dhcp},
		{frame{name: "DHCP offer to all", bytes: ip4{dst: toAll, to: all, proto: 17, payload: udp(67, 68, bootp...)}.frame()}, dhcp},
		{frame{name: "DHCPv6 advertise", from: six, bytes: ip6{from: local6, next: 17, payload: udp(547, 546, 2, 0, 0, 1)}.frame()}, dhcp},
		{frame{name: "router advertisement", from: six, bytes: ip6{from: local6, to: ip("ff02::1"), hops: 255, next: 58, payload: icmp(134, 0, advert...)}.frame()}, dhcp},
		{frame{name: "mDNS", bytes: ip4{to: ip("224.0.0.251"), dst: groupMAC(ip("224.0.0.251")), proto: 17, payload: udp(5353, 5353, 1)}.frame()}, other},
		{frame{name: "UDP to all", bytes: ip4{to: all, dst: toAll, proto: 17, payload: udp(1000, 1000, 1)}.frame()}, other},
		{frame{name: "VRRP", bytes: ip4{to: vrrp, dst: groupMAC(vrrp), proto: 112, ttl: 255, payload: make([]byte, 20)}.frame()}, other},
		{frame{name: "OSPF", bytes: ip4{to: ospf, dst: groupMAC(ospf), proto: 89, ttl: 1, payload: make([]byte, 24)}.frame()}, other},
		{frame{name: "mDNS by IPv6", from: six, bytes: ip6{to: ip("ff02::fb"), next: 17, payload: udp(5353, 5353, 1)}.frame()}, other},
		{frame{name: "OSPFv3", from: six, bytes: ip6{from: local6, to: ip("ff02::5"), next: 89, payload: make([]byte, 16)}.frame()}, other},
		{frame{name: "RARP", bytes: eth(toAll, webMAC, 0x8035, make([]byte, 46))}, other},
		{frame{name: "MPLS", bytes: eth(neighbourMAC, webMAC, 0x8847, make([]byte, 46))}, other},
	}
}

// optedWire is a wire whose guests all have the opt-outs.
func optedWire(t *testing.T, allow ...ispctl.Allowance) *wire {
	w := newWire(t, 1)
	slices.Sort(allow)
	for i := range w.model.VMs {
		w.model.VMs[i].NICs[0].Allow = allow
	}
	w.build(t)
	return w
}

// TestOptOutOpensItsOwnFrames: with each opt-out its frames pass and those of
// the others do not, and what all guests may do passes as ever. Which of the
// hostile frames it opens is written down, to be read.
func TestOptOutOpensItsOwnFrames(t *testing.T) {
	trials := [][]ispctl.Allowance{{}}
	for _, a := range ispctl.Allowances() {
		trials = append(trials, []ispctl.Allowance{a})
	}
	trials = append(trials, []ispctl.Allowance{ispctl.AllowMACSpoofing, ispctl.AllowIPSpoofing})
	var opened strings.Builder
	for _, allow := range trials {
		t.Run(fmt.Sprint(allow), func(t *testing.T) {
			w := optedWire(t, allow...)
			w.allPass(t)
			for _, f := range optedOut() {
				want := !slices.ContainsFunc(f.with, func(a ispctl.Allowance) bool { return !slices.Contains(allow, a) })
				if passed := w.passed(t, f.tap(), f.bytes) != nil; passed != want {
					t.Errorf("%s: passed %t, want %t (it needs %v)", f.name, passed, want, f.with)
				}
			}
			fmt.Fprintf(&opened, "%v\n", allow)
			for _, f := range hostile(t) {
				if w.passed(t, f.tap(), f.bytes) != nil {
					fmt.Fprintf(&opened, "\t%s: %s\n", f.reason, f.name)
				}
			}
		})
	}
	testkit.Golden(t, "opened.txt", opened.String())
}

// TestOptOutIsTakenBack: it goes as it came, as elements.
func TestOptOutIsTakenBack(t *testing.T) {
	w := optedWire(t, ispctl.AllowIPSpoofing)
	forged := ip4{from: ip("198.51.100.9"), proto: 6, payload: tcp(1, 2)}.frame()
	if w.passed(t, web, forged) == nil {
		t.Fatal("it was not opened")
	}
	for i := range w.model.VMs {
		w.model.VMs[i].NICs[0].Allow = nil
	}
	w.build(t)
	if where := w.passed(t, web, forged); where != nil {
		t.Errorf("taken back, and it comes out at %s", where)
	}
}
