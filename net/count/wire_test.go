package count_test

import (
	"context"
	"encoding/json"
	"maps"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"ispctl"
	"ispctl/internal/convergetest"
	"ispctl/internal/testkit"
	"ispctl/net/count"
	"ispctl/net/nft"
)

// town is two zones with a guest each and a provider, in namespaces of their
// own; the guests' wires are veths with the names of taps. Every machine is told
// its neighbours, so that nothing but what a test sends is on the wires.
type town struct {
	model    *ispctl.Model
	counters *nft.Kernel
	web      int // network namespaces, as file descriptors
	mail     int
	provider int
}

const (
	webTap, mailTap = "isp-1-0", "isp-2-0"
	external        = "203.0.113.10"
	remote          = "198.51.100.7"
)

func newTown(t testing.TB) *town {
	t.Helper()
	testkit.NetNS(t)
	run(t, silent) // before there is a link that could speak of its own accord
	inst := ispctl.Installation{Prefix: "isp", Hypervisor: "test:///default"}
	w := &town{model: convergetest.Models(inst, ispctl.Paths{})[2]}
	var err error
	w.counters, err = nft.Open(inst.Table(count.Layer))
	check(t, err)
	t.Cleanup(func() { _ = w.counters.Close() })

	w.build(t)
	// A bridge that watches groups joins one itself, and says so some time later.
	run(t, "ip link add isp-dmz address "+ispctl.BridgeMAC("isp-dmz")+" type bridge mcast_snooping 0")
	run(t, "ip link add isp-mail address "+ispctl.BridgeMAC("isp-mail")+" type bridge mcast_snooping 0")
	w.provider = w.machine(t, "up0", "", "198.51.100.7/32", "203.0.113.1/24")
	w.web = w.machine(t, webTap, "isp-dmz", "10.10.0.2/24")
	w.mail = w.machine(t, mailTap, "isp-mail", "10.20.0.2/24")
	run(t, "ip addr add 10.10.0.1/24 dev isp-dmz", "ip addr add 10.20.0.1/24 dev isp-mail",
		"ip addr add 203.0.113.2/24 dev up0", "ip link set up0 up", "ip link set isp-dmz up", "ip link set isp-mail up",
		"ip route add default via 203.0.113.1", "sysctl -qw net.ipv4.ip_forward=1", "sysctl -qw net.ipv6.conf.all.disable_ipv6=1")
	// The translation is the test's own: it needs one address and one port.
	load(t, `table ip nat {
		chain pre { type nat hook prerouting priority -100; iifname "up0" ip daddr 203.0.113.10 udp dport 5000 dnat to 10.10.0.2; }
		chain post { type nat hook postrouting priority 100; oifname "up0" ip saddr 10.10.0.0/24 snat to 203.0.113.10; }
	}`)
	w.inside(t, w.web, "ip route add default via 10.10.0.1")
	w.inside(t, w.mail, "ip route add default via 10.20.0.1")
	w.inside(t, w.provider, "ip route add 203.0.113.10/32 via 203.0.113.2")
	w.neighbours(t)
	return w
}

// machine is a namespace with one veth eth0, whose other end is called name and
// is a port of master.
func (w *town) machine(t testing.TB, name, master string, addrs ...string) int {
	t.Helper()
	here, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	check(t, err)
	defer unix.Close(here) //nolint:errcheck // read only
	check(t, unix.Unshare(unix.CLONE_NEWNET))
	there, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	check(t, err)
	t.Cleanup(func() { _ = unix.Close(there) })
	run(t, "sysctl -qw net.ipv6.conf.all.disable_ipv6=1", "sysctl -qw net.ipv6.conf.default.disable_ipv6=1")
	check(t, unix.Setns(here, unix.CLONE_NEWNET))
	cmd := exec.Command("ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", "/proc/self/fd/3")
	cmd.ExtraFiles = []*os.File{os.NewFile(uintptr(dup(t, there)), "netns")}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if master != "" {
		run(t, "ip link set "+name+" master "+master)
	}
	run(t, "sysctl -qw net.ipv6.conf."+strings.ReplaceAll(name, ".", "/")+".disable_ipv6=1", "ip link set "+name+" up")
	for _, a := range addrs {
		w.inside(t, there, "ip addr add "+a+" dev eth0")
	}
	w.inside(t, there, silent, "ip link set eth0 up", "ip link set lo up")
	return there
}

// silent keeps a machine from joining groups, and saying so.
const silent = "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1"

// enter moves the test into a machine, until the function it returns is called.
// 0 is where the test is.
func enter(t testing.TB, ns int) (leave func()) {
	t.Helper()
	if ns == 0 {
		return func() {}
	}
	here, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	check(t, err)
	check(t, unix.Setns(ns, unix.CLONE_NEWNET))
	return func() {
		check(t, unix.Setns(here, unix.CLONE_NEWNET))
		check(t, unix.Close(here))
	}
}

// inside runs commands in a machine.
func (w *town) inside(t testing.TB, ns int, commands ...string) {
	t.Helper()
	defer enter(t, ns)()
	run(t, commands...)
}

// neighbours are told for good: no ARP is ever sent.
func (w *town) neighbours(t testing.TB) {
	t.Helper()
	mac := func(ns int) (s string) {
		defer enter(t, ns)()
		i, err := net.InterfaceByName("eth0")
		check(t, err)
		return i.HardwareAddr.String()
	}
	i, err := net.InterfaceByName("up0")
	check(t, err)
	run(t, "ip neigh replace 10.10.0.2 lladdr "+mac(w.web)+" dev isp-dmz nud permanent",
		"ip neigh replace 10.20.0.2 lladdr "+mac(w.mail)+" dev isp-mail nud permanent",
		"ip neigh replace 203.0.113.1 lladdr "+mac(w.provider)+" dev up0 nud permanent")
	w.inside(t, w.web, "ip neigh replace 10.10.0.1 lladdr "+ispctl.BridgeMAC("isp-dmz")+" dev eth0 nud permanent")
	w.inside(t, w.mail, "ip neigh replace 10.20.0.1 lladdr "+ispctl.BridgeMAC("isp-mail")+" dev eth0 nud permanent")
	w.inside(t, w.provider, "ip neigh replace 203.0.113.2 lladdr "+i.HardwareAddr.String()+" dev eth0 nud permanent")
}

func (w *town) build(t testing.TB) {
	t.Helper()
	want, err := count.Desired(w.model)
	check(t, err)
	have, err := w.counters.Observe(context.Background())
	check(t, err)
	check(t, w.counters.Apply(context.Background(), nft.Diff(want, have)))
}

// reading is a count.Reading in which a tap that has counted nothing is zero.
type reading struct {
	Taps      map[string]count.Tap
	Addresses map[netip.Addr]count.Pair
}

func (w *town) read(t testing.TB) reading {
	t.Helper()
	r, err := count.Read(context.Background(), w.model.Installation, w.counters)
	check(t, err)
	taps := map[string]count.Tap{}
	for name, c := range r.Taps {
		taps[name] = *c
	}
	return reading{taps, r.Addresses}
}

// socket opens a UDP socket in a machine.
func (w *town) socket(t testing.TB, ns int, local string) *net.UDPConn {
	t.Helper()
	defer enter(t, ns)()
	c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(local)))
	check(t, err)
	check(t, c.SetReadBuffer(8<<20))
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// send sends datagrams and waits until each has come, some at a time.
func send(t testing.TB, from *net.UDPConn, to string, at *net.UDPConn, datagrams, size int) {
	t.Helper()
	buf, in := make([]byte, size), make([]byte, 2048)
	dest := netip.MustParseAddrPort(to)
	for n := range datagrams {
		_, err := from.WriteToUDPAddrPort(buf, dest)
		check(t, err)
		if n%64 == 63 || n == datagrams-1 {
			for range n%64 + 1 {
				_, _, err := at.ReadFromUDPAddrPort(in)
				check(t, err)
			}
		}
	}
}

// datagram is what a UDP datagram over IPv4 over Ethernet takes: 14, 20 and 8.
const datagram = 42

func packets(n, size int) count.Way {
	return count.Way{Packets: uint64(n), Bytes: uint64(n * (size + datagram))}
}

// TestBytesAreThoseOfTheLink sends known numbers of bytes every way, and holds
// the counters against the sender and against `ip -s link`.
func TestBytesAreThoseOfTheLink(t *testing.T) {
	w := newTown(t)
	web, mail, far := w.socket(t, w.web, "10.10.0.2:5000"), w.socket(t, w.mail, "10.20.0.2:5000"), w.socket(t, w.provider, remote+":5000")
	host := w.socket(t, 0, "10.10.0.1:5000")
	send(t, web, remote+":5000", far, 1000, 1000)  // to the Internet
	send(t, far, external+":5000", web, 700, 1400) // and an answer from it
	send(t, web, "10.20.0.2:5000", mail, 300, 100) // to another zone
	send(t, mail, "10.10.0.2:5000", web, 50, 1)    // and back
	send(t, web, "10.10.0.1:5000", host, 40, 200)  // to the host
	send(t, host, "10.10.0.2:5000", web, 30, 0)    // and from it
	got := w.read(t)
	for tap, c := range got.Taps {
		w.asTheLink(t, tap, c)
	}
	want := reading{
		Taps: map[string]count.Tap{
			webTap: {
				Internet: count.Pair{Out: packets(1000, 1000), In: packets(700, 1400)},
				Zones:    count.Pair{Out: packets(300, 100), In: packets(50, 1)},
				Near:     count.Pair{Out: packets(40, 200), In: packets(30, 0)},
			},
			mailTap: {Zones: count.Pair{Out: packets(50, 1), In: packets(300, 100)}},
		},
		Addresses: map[netip.Addr]count.Pair{
			netip.MustParseAddr(external): {Out: packets(1000, 1000), In: packets(700, 1400)},
		},
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("(-sent +counted):\n%s", diff)
	}
}

// asTheLink holds what was counted at a tap against `ip -s link`: what the link
// received is what the guest sent.
func (w *town) asTheLink(t testing.TB, tap string, c count.Tap) {
	t.Helper()
	var links []struct {
		Stats64 struct {
			RX, TX struct{ Bytes, Packets uint64 }
		}
	}
	check(t, json.Unmarshal([]byte(testkit.Sh(t, "ip", "-s", "-j", "link", "show", tap)), &links))
	rx, tx := links[0].Stats64.RX, links[0].Stats64.TX
	out := count.Way{Packets: c.Internet.Out.Packets + c.Zones.Out.Packets + c.Near.Out.Packets, Bytes: c.Internet.Out.Bytes + c.Zones.Out.Bytes + c.Near.Out.Bytes}
	in := count.Way{Packets: c.Internet.In.Packets + c.Zones.In.Packets + c.Near.In.Packets, Bytes: c.Internet.In.Bytes + c.Zones.In.Bytes + c.Near.In.Bytes}
	if out != (count.Way{Packets: rx.Packets, Bytes: rx.Bytes}) || in != (count.Way{Packets: tx.Packets, Bytes: tx.Bytes}) {
		t.Errorf("%s: counted out %+v, in %+v; the link has rx %+v, tx %+v", tap, out, in, rx, tx)
	}
}

// TestWithoutAddressIsNear: what a bridge says before it has an address is the
// host's, and nothing of the Internet.
func TestWithoutAddressIsNear(t *testing.T) {
	w := newTown(t)
	bridge, err := net.InterfaceByName("isp-dmz")
	check(t, err)
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	check(t, err)
	defer unix.Close(fd) //nolint:errcheck // it was only written
	own, err := net.ParseMAC(ispctl.BridgeMAC("isp-dmz"))
	check(t, err)
	send := func(dest string, kind uint16, packet []byte) {
		group, err := net.ParseMAC(dest)
		check(t, err)
		frame := slices.Concat(group, own, []byte{byte(kind >> 8), byte(kind)}, packet)
		check(t, unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: bridge.Index, Halen: 6}))
	}
	six := make([]byte, 76)
	six[0], six[5], six[6], six[7] = 0x60, 36, 58, 1 // ICMPv6, from ::
	copy(six[24:], netip.MustParseAddr("ff02::16").AsSlice())
	send("33:33:00:00:00:16", 0x86dd, six)
	four := make([]byte, 40)
	four[0], four[3], four[8], four[9] = 0x45, 40, 1, 2 // IGMP, from 0.0.0.0
	copy(four[16:], netip.MustParseAddr("224.0.0.22").AsSlice())
	send("01:00:5e:00:00:16", 0x0800, four)
	want := count.Tap{Near: count.Pair{In: count.Way{Packets: 2, Bytes: 90 + 54}}}
	got := w.read(t).Taps[webTap]
	if got != want {
		t.Errorf("counted %+v, want %+v", got, want)
	}
	w.asTheLink(t, webTap, got)
}

// TestBulk is TCP with all of the kernel's offloads, as it fills a link: what
// the kernel carries as one packet is one, in both counts.
func TestBulk(t *testing.T) {
	w := newTown(t)
	const bytes = 64 << 20
	for _, to := range []struct {
		ns   int
		addr string
	}{{w.provider, remote}, {w.mail, "10.20.0.2"}} {
		l := w.listener(t, to.ns, to.addr+":80")
		done := make(chan error)
		go func() {
			c, err := l.Accept()
			if err == nil {
				_, err = c.Write(make([]byte, bytes)) // towards web1, too
				_ = c.Close()
			}
			done <- err
		}()
		c := w.dial(t, w.web, to.addr+":80")
		n, buf := 0, make([]byte, 1<<20)
		for {
			k, err := c.Read(buf)
			if n += k; err != nil {
				break
			}
		}
		check(t, <-done)
		check(t, c.Close())
		if n != bytes {
			t.Fatalf("%d bytes came of %d", n, bytes)
		}
	}
	got := w.read(t)
	for tap, c := range got.Taps {
		w.asTheLink(t, tap, c)
	}
	if in := got.Taps[webTap].Internet.In.Bytes; in < bytes || in > bytes*12/10 {
		t.Errorf("%d bytes counted from the Internet, of %d sent", in, bytes)
	}
	if in := got.Taps[webTap].Zones.In.Bytes; in < bytes || in > bytes*12/10 {
		t.Errorf("%d bytes counted from the other zone, of %d sent", in, bytes)
	}
}

// TestPolicyChangesLoseNoCount: guests and addresses come and go, and who stays
// keeps what was counted.
func TestPolicyChangesLoseNoCount(t *testing.T) {
	w := newTown(t)
	web, far := w.socket(t, w.web, "10.10.0.2:5000"), w.socket(t, w.provider, remote+":5000")
	send(t, web, remote+":5000", far, 10, 100)
	tap, addr := w.read(t).Taps[webTap].Internet, w.read(t).Addresses
	for _, change := range []func(*ispctl.Model){
		func(m *ispctl.Model) { m.VMs = m.VMs[1:] }, // mail1, which is first by name
		func(m *ispctl.Model) { m.Zones[1].Prefix = netip.MustParsePrefix("10.21.0.0/24") },
		func(m *ispctl.Model) { m.Policies, m.Forwards = nil, nil },
		func(m *ispctl.Model) { m.Addresses = m.Addresses[:1] },
	} {
		m := *w.model
		change(&m)
		w.model = &m
		w.build(t)
		if r := w.read(t); r.Taps[webTap].Internet != tap || !maps.Equal(r.Addresses, addr) {
			t.Errorf("counted %+v before and %+v after", tap, r)
		}
	}
	send(t, web, remote+":5000", far, 10, 100)
	if got := w.read(t).Taps[webTap].Internet.Out; got != packets(20, 100) {
		t.Errorf("counted %+v", got)
	}
	w.model = &ispctl.Model{Installation: w.model.Installation, Uplink: w.model.Uplink}
	w.build(t)
	if r := w.read(t); len(r.Taps)+len(r.Addresses) != 0 {
		t.Errorf("left of those who went: %+v", r)
	}
}

func (w *town) listener(t testing.TB, ns int, addr string) net.Listener {
	t.Helper()
	defer enter(t, ns)()
	l, err := net.Listen("tcp4", addr)
	check(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func (w *town) dial(t testing.TB, ns int, addr string) net.Conn {
	t.Helper()
	defer enter(t, ns)()
	to := netip.MustParseAddrPort(addr)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	check(t, err)
	check(t, unix.Connect(fd, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}))
	f := os.NewFile(uintptr(fd), "tcp")
	defer f.Close() //nolint:errcheck // the connection has its own
	c, err := net.FileConn(f)
	check(t, err)
	return c
}

func run(t testing.TB, commands ...string) {
	t.Helper()
	for _, c := range commands {
		testkit.Sh(t, strings.Fields(c)...)
	}
}

func dup(t testing.TB, fd int) int {
	t.Helper()
	other, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	check(t, err)
	return other
}

func load(t testing.TB, script string) {
	t.Helper()
	cmd := exec.Command("nft", "-f", "-")
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("nft: %v\n%s", err, out)
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
