package track_test

import (
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"ispctl"
	"ispctl/converge"
	"ispctl/internal/convergetest"
	"ispctl/internal/testkit"
	"ispctl/net/track"
)

// model is convergetest's fifth: web1 has 203.0.113.20 as its source, mail1 has
// 203.0.113.21 both ways.
func model() *ispctl.Model {
	return convergetest.Models(ispctl.Installation{Prefix: "isp", Hypervisor: "test:///default"}, ispctl.Paths{})[4]
}

func conn(proto uint8, src, dst, replySrc, replyDst string) track.Conn {
	at := netip.MustParseAddrPort
	return track.Conn{Proto: proto, Src: at(src), Dst: at(dst), ReplySrc: at(replySrc), ReplyDst: at(replyDst)}
}

const (
	tcp = 6
	udp = 17
)

// connections are with why each goes; empty: it stays.
var connections = []struct {
	conn track.Conn
	why  string
}{
	{conn(tcp, "192.0.2.9:1000", "192.0.2.8:22", "192.0.2.8:22", "192.0.2.9:1000"), ""}, // between others
	{conn(tcp, "10.10.0.2:1000", "10.20.0.2:25", "10.20.0.2:25", "10.10.0.2:1000"), ""},
	{conn(tcp, "10.10.0.2:1000", "10.20.0.9:25", "10.20.0.9:25", "10.10.0.2:1000"), "nobody has 10.20.0.9"},
	{conn(tcp, "10.10.0.9:1000", "10.20.0.2:25", "10.20.0.2:25", "10.10.0.9:1000"), "nobody has 10.10.0.9"},
	{conn(udp, "10.10.0.2:68", "10.10.0.1:67", "10.10.0.1:67", "10.10.0.2:68"), ""},
	{conn(udp, "10.10.0.1:67", "10.10.0.255:68", "10.10.0.255:68", "10.10.0.1:67"), ""},
	{conn(tcp, "10.255.0.1:1000", "10.255.0.77:22", "10.255.0.77:22", "10.255.0.1:1000"), "nobody has 10.255.0.77"},
	{conn(tcp, "[2001:db8:9::1]:1000", "[2001:db8:10::2]:443", "[2001:db8:10::2]:443", "[2001:db8:9::1]:1000"), ""},
	{conn(tcp, "[2001:db8:9::1]:1001", "[2001:db8:10::3]:443", "[2001:db8:10::3]:443", "[2001:db8:9::1]:1001"), "nobody has 2001:db8:10::3"},

	// Out: with its own address, with the one its zone has for the others, and
	// by what others translate to.
	{conn(tcp, "10.10.0.2:2000", "192.0.2.9:80", "192.0.2.9:80", "203.0.113.20:2000"), ""},
	{conn(tcp, "10.10.0.2:2001", "192.0.2.9:80", "192.0.2.9:80", "203.0.113.10:2001"), "10.10.0.2 does not go out as 203.0.113.10"},
	{conn(tcp, "10.10.0.2:2002", "192.0.2.9:80", "192.0.2.9:80", "100.64.0.7:2002"), ""},
	{conn(tcp, "10.10.0.2:2003", "203.0.113.21:80", "10.20.0.2:80", "10.10.0.1:2003"), ""},

	// In: by a forward, a range, an address of one VM, and none of them.
	{conn(tcp, "192.0.2.9:3000", "203.0.113.10:2222", "10.10.0.2:22", "192.0.2.9:3000"), ""},
	{conn(tcp, "192.0.2.9:3001", "203.0.113.10:2222", "10.20.0.2:22", "192.0.2.9:3001"), "203.0.113.10:2222 does not lead to 10.20.0.2:22"},
	{conn(udp, "192.0.2.9:3002", "203.0.113.10:2222", "10.10.0.2:22", "192.0.2.9:3002"), "203.0.113.10:2222 does not lead to 10.10.0.2:22"},
	{conn(udp, "192.0.2.9:3003", "203.0.113.11:5050", "10.20.0.2:5050", "192.0.2.9:3003"), ""},
	{conn(udp, "192.0.2.9:3004", "203.0.113.11:5101", "10.20.0.2:5101", "192.0.2.9:3004"), "203.0.113.11:5101 does not lead to 10.20.0.2:5101"},
	{conn(udp, "192.0.2.9:3005", "203.0.113.21:9", "10.20.0.2:9", "192.0.2.9:3005"), ""},
	{conn(udp, "192.0.2.9:3006", "203.0.113.21:9", "10.10.0.2:9", "192.0.2.9:3006"), "203.0.113.21:9 does not lead to 10.10.0.2:9"},
	{conn(udp, "192.0.2.9:3007", "192.0.2.1:9", "10.10.0.2:9", "192.0.2.9:3007"), ""}, // sent on by others
}

func split() (all, stay []track.Conn) {
	for _, c := range connections {
		all = append(all, c.conn)
		if c.why == "" {
			stay = append(stay, c.conn)
		}
	}
	return all, stay
}

func TestWhatGoes(t *testing.T) {
	want, err := track.Desired(model())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range connections {
		var why string
		for _, change := range track.Diff(want, track.State{Conns: []track.Conn{c.conn}}) {
			why = change.Why
		}
		if why != c.why {
			t.Errorf("%v: %q, want %q", c.conn, why, c.why)
		}
	}
}

// TestNobodyKnows is of zones in which an address without a guest may be
// somebody's.
func TestNobodyKnows(t *testing.T) {
	stranger := track.State{Conns: []track.Conn{conn(tcp, "10.10.0.9:1000", "10.20.0.2:25", "10.20.0.2:25", "10.10.0.9:1000")}}
	for name, change := range map[string]func(*ispctl.Model){
		"a VLAN": func(m *ispctl.Model) { m.Zones[0].Trunk = "eth1" },
		"a guest that is not held to its address": func(m *ispctl.Model) {
			i := slices.IndexFunc(m.VMs, func(vm ispctl.VM) bool { return vm.Name == "web1" })
			m.VMs[i].NICs[0].Allow = []ispctl.Allowance{"allow_ip_spoofing"}
		},
	} {
		m := model()
		change(m)
		want, err := track.Desired(m)
		if err != nil {
			t.Fatal(err)
		}
		if changes := track.Diff(want, stranger); len(changes) != 0 {
			t.Errorf("%s: %v", name, changes)
		}
	}
}

func TestFake(t *testing.T) {
	all, stay := split()
	passes(t, &track.Fake{Conns: all}, stay)
}

// TestKernel has the kernel know the connections, and a ping.
func TestKernel(t *testing.T) {
	testkit.NetNS(t)
	k, err := track.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	all, stay := split()
	for _, c := range all {
		know(t, c)
	}
	have, err := k.Observe(t.Context())
	if err != nil || len(have.Conns) != len(all) {
		t.Fatalf("%d connections, not %d: %v", len(have.Conns), len(all), err)
	}
	passes(t, k, stay)
}

// passes makes two passes, after which those that stay are there and no other.
func passes(t *testing.T, target converge.Target[track.State, track.Change], stay []track.Conn) {
	t.Helper()
	want, err := track.Desired(model())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		have, err := target.Observe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		changes := track.Diff(want, have)
		for range 2 { // what is gone is gone
			if err := target.Apply(t.Context(), changes); err != nil {
				t.Fatal(err)
			}
		}
	}
	have, err := target.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	byText := cmpopts.SortSlices(func(a, b track.Conn) bool { return a.Src.String() < b.Src.String() })
	if diff := cmp.Diff(stay, have.Conns, byText, cmpopts.EquateComparable(netip.AddrPort{})); diff != "" {
		t.Errorf("(-want +have):\n%s", diff)
	}
}

func know(t *testing.T, c track.Conn) {
	t.Helper()
	family := netlink.InetFamily(unix.AF_INET)
	if c.Src.Addr().Is6() {
		family = unix.AF_INET6
	}
	tuple := func(src, dst netip.AddrPort) netlink.IPTuple {
		return netlink.IPTuple{
			Protocol: c.Proto, SrcIP: net.IP(src.Addr().AsSlice()), DstIP: net.IP(dst.Addr().AsSlice()), SrcPort: src.Port(), DstPort: dst.Port(),
		}
	}
	flow := &netlink.ConntrackFlow{
		FamilyType: uint8(family), TimeOut: 100, Forward: tuple(c.Src, c.Dst), Reverse: tuple(c.ReplySrc, c.ReplyDst),
	}
	if c.Proto == tcp {
		flow.ProtoInfo = &netlink.ProtoInfoTCP{State: 3} // established
	}
	if err := netlink.ConntrackCreate(netlink.ConntrackTable, family, flow); err != nil {
		t.Fatalf("%v: %v", c, err)
	}
}
