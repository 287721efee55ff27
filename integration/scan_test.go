package integration

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ispctl/internal/testkit"
	"ispctl/operations"
)

const scanned = `version: 1
admin: {prefix: 10.255.0.0/16, services: [123/udp]}
addresses: [203.0.113.10]
zones:
  - {name: dmz, prefix: 10.10.0.0/24, prefix6: "fd10::/64", snat: 203.0.113.10, dhcp: true, dns: true}
  - {name: mail, prefix: 10.20.0.0/24, dns: true}
plans:
  - {name: tiny, cpus: 1, memory: 128MiB, disk: 256MiB}
vms:
  - {name: web1, template: micro, zone: dmz, plan: tiny}
policies:
  - {from: dmz, to: host, services: [tcp/8443], families: [ipv4]}
`

// oracle counts what comes in by links of ours before anybody judges it, and
// notes what is left after everybody has.
const oracle = `table inet oracle {
	set passed4 { type ifname . ipv4_addr . inet_proto . inet_service; flags dynamic; size 1000000; }
	set passed6 { type ifname . ipv6_addr . inet_proto . inet_service; flags dynamic; size 1000000; }
	set onward4 { type ifname . ipv4_addr . inet_proto . inet_service; flags dynamic; size 1000000; }
	set onward6 { type ifname . ipv6_addr . inet_proto . inet_service; flags dynamic; size 1000000; }
	counter zone { }
	counter leg { }
	chain first {
		type filter hook prerouting priority -1000;
		iifname "isp-dmz" meta l4proto { tcp, udp } counter name zone
		iifname "isp-_dmz" meta l4proto { tcp, udp } counter name leg
	}
	chain last {
		type filter hook input priority 1000;
		iifname "isp-*" meta l4proto { tcp, udp } meta nfproto ipv4 add @passed4 { iifname . ip daddr . meta l4proto . th dport }
		iifname "isp-*" meta l4proto { tcp, udp } meta nfproto ipv6 add @passed6 { iifname . ip6 daddr . meta l4proto . th dport }
	}
	chain onward {
		type filter hook forward priority 1000;
		iifname "isp-*" meta l4proto { tcp, udp } meta nfproto ipv4 add @onward4 { iifname . ip daddr . meta l4proto . th dport }
		iifname "isp-*" meta l4proto { tcp, udp } meta nfproto ipv6 add @onward6 { iifname . ip6 daddr . meta l4proto . th dport }
	}
}`

const everyPort = 1<<16 - 1

// TestEveryPortOfTheHost sends, as a guest by its tap, one packet to every TCP
// and UDP port of every address that the host has, from a zone and from a leg.
// What comes through to the host is what the zone lists, port by port.
func TestEveryPortOfTheHost(t *testing.T) {
	w := newWorld(t, "test:///default")
	w.ok("image", "build", "micro")
	w.ok("apply", "-f", w.write("scanned.yaml", scanned))
	w.in(w.provider, "nft", "-f", w.write("oracle.nft", oracle))
	vm := w.vm("web1")
	addresses4, addresses6 := w.hostAddresses(t)
	if len(addresses4) < 7 || len(addresses6) < 2 {
		t.Fatalf("the host has only %v and %v", addresses4, addresses6)
	}
	scan := func(t *testing.T, name string, nic operations.NICView, from4, from6 string, arrives func(to string) bool) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := scanner{name: name, link: w.tap(t, nic), framer: framer{mac: hw(t, nic.MAC)}, gateway: w.macOf(t, nic.Bridge)}
			for _, to := range addresses4 {
				w.scan(t, s, from4, to, arrives(to))
			}
			for _, to := range addresses6 {
				w.scan(t, s, from6, to, arrives(to))
			}
		})
	}
	own := first(vm.AdminAddress)
	t.Run("from", func(t *testing.T) {
		// Nobody is sent what is for loopback: the wall of frames sees to that in
		// IPv4, the kernel in IPv6 before any rule.
		scan(t, "zone", vm.NICs[0], vm.Addresses[0], vm.Addresses[1], func(to string) bool { return !netip.MustParseAddr(to).IsLoopback() })
		scan(t, "leg", vm.NICs[1], vm.AdminAddress, linkLocal(hw(t, vm.NICs[1].MAC)), func(to string) bool { return to == own })
	})
	var want []string
	for _, to := range addresses4 {
		if !netip.MustParseAddr(to).IsLoopback() {
			want = append(want, "isp-dmz "+to+" tcp 8443")
		}
	}
	want = append(want, "isp-dmz 10.10.0.1 udp 53", "isp-dmz 10.10.0.1 tcp 53", "isp-dmz 10.10.0.1 udp 67",
		"isp-dmz fd10::1 udp 53", "isp-dmz fd10::1 tcp 53", "isp-_dmz "+own+" udp 123")
	slices.Sort(want)
	got := slices.Concat(w.noted(t, "passed4"), w.noted(t, "passed6"))
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("open from a guest: %d\n%s\nthe zone and the leg list: %d\n%s", len(got), some(got), len(want), some(want))
	}
	if onward := slices.Concat(w.noted(t, "onward4"), w.noted(t, "onward6")); len(onward) > 0 {
		t.Errorf("%d packets for the host went on to somewhere else:\n%s", len(onward), some(onward))
	}
}

func some(all []string) string { return strings.Join(all[:min(len(all), 40)], "\n") }

// hostAddresses are all that the provider's namespace has.
func (w *world) hostAddresses(t testing.TB) (four, six []string) {
	t.Helper()
	var links []struct {
		Name  string `json:"ifname"`
		Addrs []struct {
			Family string `json:"family"`
			Local  string `json:"local"`
		} `json:"addr_info"`
	}
	if err := json.Unmarshal([]byte(w.in(w.provider, "ip", "-j", "address")), &links); err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		for _, a := range l.Addrs {
			switch a.Family {
			case "inet":
				four = append(four, a.Local)
			case "inet6":
				six = append(six, a.Local)
			}
		}
	}
	// External addresses are routes, not addresses of a link.
	return append(four, external), six
}

// noted is what the oracle has seen, as "link address protocol port".
func (w *world) noted(t testing.TB, set string) []string {
	t.Helper()
	var listing struct {
		Nftables []struct {
			Set *struct {
				Elem []json.RawMessage `json:"elem"`
			} `json:"set"`
		} `json:"nftables"`
	}
	if err := json.Unmarshal([]byte(w.in(w.provider, "nft", "-j", "list", "set", "inet", "oracle", set)), &listing); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, one := range listing.Nftables {
		if one.Set == nil {
			continue
		}
		for _, raw := range one.Set.Elem {
			var e struct {
				Concat []any `json:"concat"`
			}
			if err := json.Unmarshal(raw, &e); err != nil || len(e.Concat) != 4 {
				t.Fatalf("element %s: %v", raw, err)
			}
			all = append(all, strings.TrimSpace(fmt.Sprintln(e.Concat...)))
		}
	}
	return all
}

func (w *world) arrived(t testing.TB, counter string) (n int) {
	t.Helper()
	out := testkit.Sh(t, "ip", "netns", "exec", w.provider, "nft", "reset", "counter", "inet", "oracle", counter)
	_, rest, _ := strings.Cut(out, "packets ")
	if _, err := fmt.Sscan(rest, &n); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return n
}

// tap attaches to the outer end of a NIC, as QEMU does.
func (w *world) tap(t testing.TB, nic operations.NICView) *os.File {
	t.Helper()
	f, err := attach(w.provider, nic.Tap)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// scanner is where a guest's frames go in.
type scanner struct {
	framer
	name    string // of its counter
	link    *os.File
	gateway net.HardwareAddr
}

// scan sends a packet to every port of an address. All of them, or none, must
// have come to the host's own rules: nothing of the scan was lost on the way.
func (w *world) scan(t testing.TB, s scanner, from, to string, arrives bool) {
	t.Helper()
	want := 0
	if arrives {
		want = 2*everyPort - 2 // but for UDP to the ports of DHCP clients
	}
	w.arrived(t, s.name)
	for _, proto := range []byte{unix.IPPROTO_TCP, unix.IPPROTO_UDP} {
		if err := s.everyPort(proto, from, to); err != nil {
			t.Fatal(err)
		}
	}
	if n := w.arrived(t, s.name); n != want {
		t.Errorf("of %d packets from %s to %s %d came to the host, not %d", 2*everyPort, from, to, n, want)
	}
}

// everyPort writes the frames: the one before with another port, and with the
// checksum that goes with it, or conntrack would take it for broken.
func (s scanner) everyPort(proto byte, from, to string) error {
	const port = 2 // of the destination, in both headers
	payload, sumAt := slices.Concat(short(40000), short(0), short(8), short(0)), 6
	if proto == unix.IPPROTO_TCP {
		payload, sumAt = slices.Concat(short(40000), short(0), make([]byte, 8), []byte{0x50, 2}, short(64240), short(0), short(0)), 16 // SYN
	}
	src, dst := ip(from), ip(to)
	base := sum(src) + sum(dst) + uint32(proto) + uint32(len(payload)) + sum(payload)
	head := header4
	kind := uint16(0x0800)
	if len(dst) == net.IPv6len {
		head, kind = func(p byte, from, to string, n int) []byte { return header6(p, from, to, n) }, 0x86dd
	}
	const vnet = 10 // virtio's header: nothing is offloaded
	headers := head(proto, from, to, len(payload))
	frame := slices.Concat(make([]byte, vnet), s.eth(s.gateway, kind, slices.Concat(headers, payload)))
	l4 := frame[vnet+14+len(headers):]
	raw, err := s.link.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Write(func(fd uintptr) bool {
		for n := 1; n <= everyPort && failed == nil; n++ {
			binary.BigEndian.PutUint16(l4[port:], uint16(n))
			c := ^fold(base + uint32(n))
			if c == 0 {
				c = 0xffff
			}
			binary.BigEndian.PutUint16(l4[sumAt:], c)
			_, failed = unix.Write(int(fd), frame)
		}
		return true
	})
	if err != nil {
		return err
	}
	return failed
}
