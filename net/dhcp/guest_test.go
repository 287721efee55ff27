package dhcp_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"

	"ispctl"
	"ispctl/internal/convergetest"
	"ispctl/internal/netns"
	"ispctl/internal/testkit"
)

// udhcpc is a DHCP client that knows nothing of ours.
var udhcpc = testkit.Feature{Name: "busybox udhcpc", Probe: func() error {
	out, err := exec.Command("busybox", "--list").Output()
	if err == nil && !strings.Contains(string(out), "udhcpc\n") {
		err = errors.New("busybox is built without it")
	}
	return err
}}

// guest is a network namespace with a wire to a zone's bridge.
type guest struct {
	t         testing.TB
	ns, state string
	port      string // the other end of its wire
}

var guestCount atomic.Int64

func (w world) guest(zone ispctl.Name, mac string) guest {
	w.t.Helper()
	testkit.Need(w.t, udhcpc)
	n := guestCount.Add(1)
	port := fmt.Sprintf("p%d", n)
	g := guest{t: w.t, ns: fmt.Sprintf("isp-dhcp-%d-%d", os.Getpid(), n), state: w.t.TempDir(), port: port}
	if err := netns.Create(g.ns); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := netns.Delete(g.ns); err != nil {
			w.t.Error(err)
		}
	})
	testkit.Sh(w.t, "ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", g.ns)
	testkit.Sh(w.t, "ip", "link", "set", port, "master", inst.Bridge(zone), "up")
	g.mac(mac)
	script := filepath.Join(g.state, "udhcpc")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n[ \"$1\" = bound ] && env >"+g.state+"/lease\nexit 0\n"), 0o755); err != nil {
		w.t.Fatal(err)
	}
	return g
}

func (g guest) mac(mac string) {
	g.t.Helper()
	testkit.Sh(g.t, "ip", "-n", g.ns, "link", "set", "eth0", "address", mac, "up")
}

func (g guest) address(prefix string) {
	g.t.Helper()
	testkit.Sh(g.t, "ip", "-n", g.ns, "address", "flush", "dev", "eth0")
	testkit.Sh(g.t, "ip", "-n", g.ns, "address", "add", prefix, "dev", "eth0")
}

// lease is what DHCP told, by the names of udhcpc's environment; nil where
// nobody answered.
func (g guest) lease(options ...string) map[string]string {
	g.t.Helper()
	path := filepath.Join(g.state, "lease")
	if err := os.RemoveAll(path); err != nil {
		g.t.Fatal(err)
	}
	argv := []string{
		"netns", "exec", g.ns, "busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-t", "2", "-T", "1", "-A", "0",
		"-O", "mtu", "-s", filepath.Join(g.state, "udhcpc"),
	}
	_ = exec.Command("ip", append(argv, options...)...).Run() // fails where there is no lease
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		g.t.Fatal(err)
	}
	told := map[string]string{}
	for _, line := range strings.Split(string(data), "\n") {
		name, value, _ := strings.Cut(line, "=")
		told[name] = value
	}
	return told
}

// insists asks for an address as a client does that had it before it was
// restarted (RFC 2131, 4.3.2: INIT-REBOOT), and returns what is answered; nil
// where nobody does. A server that knows all addresses may refuse a stranger.
func (g guest) insists(addr string) []byte {
	g.t.Helper()
	link := strings.TrimSpace(testkit.Sh(g.t, "ip", "netns", "exec", g.ns, "cat", "/sys/class/net/eth0/address"))
	mac, err := net.ParseMAC(link)
	if err != nil {
		g.t.Fatal(err)
	}
	request := make([]byte, 240, 300)
	copy(request, []byte{1, 1, 6, 0, 1, 2, 3, 4, 0, 0, 0x80}) // a request, answered by broadcast
	copy(request[28:], mac)
	copy(request[236:], []byte{0x63, 0x82, 0x53, 0x63})
	request = append(request, 53, 1, 3, 50, 4)
	request = append(request, netip.MustParseAddr(addr).AsSlice()...)
	request = append(request, 255)
	var conn net.PacketConn
	err = netns.Do(g.ns, func() (err error) {
		bind := func(_, _ string, raw syscall.RawConn) error {
			var failed error
			err := raw.Control(func(fd uintptr) {
				failed = errors.Join(unix.BindToDevice(int(fd), "eth0"), unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BROADCAST, 1))
			})
			return errors.Join(err, failed)
		}
		conn, err = (&net.ListenConfig{Control: bind}).ListenPacket(context.Background(), "udp4", "0.0.0.0:68")
		return err
	})
	if err != nil {
		g.t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // all was read
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		g.t.Fatal(err)
	}
	if _, err := conn.WriteTo(request[:300], &net.UDPAddr{IP: net.IPv4bcast, Port: 67}); err != nil {
		g.t.Fatal(err)
	}
	answer := make([]byte, 1500)
	n, _, err := conn.ReadFrom(answer)
	if err != nil {
		return nil
	}
	return answer[:n]
}

// answer is what became of a DNS query.
type answer string

// What is no answer with records.
const (
	silence  answer = "silence"
	noName   answer = "no such name"
	refused  answer = "refused"
	noRecord answer = "no such record"
)

// ask sends one query and returns its records, or what came instead.
func (g guest) ask(server, name string, kind dnsmessage.Type) answer {
	g.t.Helper()
	return g.over("udp", server, name, kind)
}

func (g guest) over(network, server, name string, kind dnsmessage.Type) answer {
	g.t.Helper()
	var conn net.Conn
	err := netns.Do(g.ns, func() (err error) {
		conn, err = net.DialTimeout(network, net.JoinHostPort(server, "53"), time.Second)
		return err
	})
	if err != nil {
		return silence
	}
	defer conn.Close() //nolint:errcheck // all was read
	return exchange(g.t, conn, name, kind)
}

// exchange asks over a connection that is there.
func exchange(t testing.TB, conn net.Conn, name string, kind dnsmessage.Type) answer {
	t.Helper()
	q := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 7, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name + "."), Type: kind, Class: dnsmessage.ClassINET}},
	}
	packed, err := q.Pack()
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	stream := conn.LocalAddr().Network() == "tcp"
	if stream {
		packed = append(binary.BigEndian.AppendUint16(nil, uint16(len(packed))), packed...)
	}
	if _, err := conn.Write(packed); err != nil {
		return silence
	}
	buffer := make([]byte, 4096)
	if stream {
		if _, err := io.ReadFull(conn, buffer[:2]); err != nil {
			return silence
		}
	}
	n, err := conn.Read(buffer)
	if err != nil {
		return silence
	}
	var m dnsmessage.Message
	if err := m.Unpack(buffer[:n]); err != nil {
		t.Fatal(err)
	}
	switch {
	case m.RCode == dnsmessage.RCodeNameError:
		return noName
	case m.RCode == dnsmessage.RCodeRefused:
		return refused
	case len(m.Answers) == 0:
		return noRecord
	}
	var all []string
	for _, a := range m.Answers {
		switch body := a.Body.(type) {
		case *dnsmessage.AResource:
			all = append(all, netip.AddrFrom4(body.A).String())
		case *dnsmessage.AAAAResource:
			all = append(all, netip.AddrFrom16(body.AAAA).String())
		case *dnsmessage.PTRResource:
			all = append(all, body.PTR.String())
		}
	}
	return answer(strings.Join(all, " "))
}

// TestGuestIsTold plays guests of a zone with DHCP and DNS, its own and others.
func TestGuestIsTold(t *testing.T) {
	w := newWorld(t)
	m := w.model(guests)
	m.Zones[0].MTU = 1400
	w.converge(m)
	web1 := w.guest("dmz", "02:00:00:00:00:01")

	told := web1.lease("-x", "hostname:evil")
	for name, want := range map[string]string{
		"ip": "10.10.0.2", "mask": "24", "router": "10.10.0.1", "dns": "10.10.0.1", "domain": "dmz.internal", "mtu": "1400", "lease": "3600", "serverid": "10.10.0.1",
	} {
		if told[name] != want {
			t.Errorf("DHCP says %s %q, want %q", name, told[name], want)
		}
	}
	if other := web1.lease("-r", "10.10.0.77"); other["ip"] != "10.10.0.2" {
		t.Errorf("a guest that asks for another address gets %q", other["ip"])
	}
	if stranger := w.guest("dmz", "02:00:00:00:00:99").lease(); stranger != nil {
		t.Errorf("a stranger is told %v", stranger)
	}
	if got := w.guest("dmz", "02:00:00:00:00:98").insists("10.10.0.2"); got != nil {
		t.Errorf("a stranger that says it has an address is told %x", got)
	}
	if got := web1.insists("10.10.0.2"); got == nil {
		t.Error("a guest that says it has its address is told nothing")
	}
	if visitor := w.guest("dmz", "02:00:00:00:00:02").lease(); visitor != nil {
		t.Errorf("a guest of another zone is told %v", visitor)
	}
	if mail1 := w.guest("mail", "02:00:00:00:00:02").lease(); mail1 != nil {
		t.Errorf("a zone without DHCP tells %v", mail1)
	}

	web1.address("10.10.0.2/24")
	for _, q := range []struct {
		name string
		kind dnsmessage.Type
		want answer
	}{
		{"web1.dmz.internal", dnsmessage.TypeA, "10.10.0.2"},
		{"WEB1.DMZ.internal", dnsmessage.TypeA, "10.10.0.2"},
		{"web1.dmz.internal", dnsmessage.TypeAAAA, "2001:db8:10::2"},
		{"web1.dmz.internal", dnsmessage.TypeMX, noRecord},
		{"2.0.10.10.in-addr.arpa", dnsmessage.TypePTR, "web1.dmz.internal."},
		{"3.0.10.10.in-addr.arpa", dnsmessage.TypePTR, noName},
		{"2.0.20.10.in-addr.arpa", dnsmessage.TypePTR, noName},
		{"web2.dmz.internal", dnsmessage.TypeA, noName},
		{"mail1.mail.internal", dnsmessage.TypeA, noName},
		{"mail1", dnsmessage.TypeA, noName},
		{"evil.dmz.internal", dnsmessage.TypeA, noName}, // what it called itself to DHCP
		{"evil", dnsmessage.TypeA, noName},
	} {
		for _, network := range []string{"udp", "tcp"} {
			if got := web1.over(network, "10.10.0.1", q.name, q.kind); got != q.want {
				t.Errorf("%s %s over %s: %s, want %s", q.name, q.kind, network, got, q.want)
			}
		}
	}
	// The address of another zone's gateway is the host's too, and answers to
	// nobody from here.
	testkit.Sh(t, "ip", "-n", web1.ns, "route", "add", "default", "via", "10.10.0.1")
	if got := web1.ask("10.20.0.1", "mail1.mail.internal", dnsmessage.TypeA); got != silence {
		t.Errorf("the server of another zone says %s", got)
	}
}

// TestNamesOfOthers are asked of the host's resolvers where the zone has
// egress, and of nobody where it has none. Names under .internal never are.
func TestNamesOfOthers(t *testing.T) {
	w := newWorld(t)
	m := w.model(guests)
	for i := range m.Zones {
		m.Zones[i].DNS = true
	}
	w.links(m)
	dmz, mail := w.guest("dmz", "02:00:00:00:00:77"), w.guest("mail", "02:00:00:00:00:78")
	dmz.address("10.10.0.77/24")
	mail.address("10.20.0.77/24")
	upstream := resolver(t)
	w.converge(m)
	for _, tt := range []struct {
		guest
		server string
		want   answer
	}{{dmz, "10.10.0.1", "192.0.2.7"}, {mail, "10.20.0.1", refused}} {
		if got := tt.ask(tt.server, "www.example.com", dnsmessage.TypeA); got != tt.want {
			t.Errorf("%s: www.example.com: %s, want %s", tt.server, got, tt.want)
		}
		for _, private := range []string{"mail9.mail.internal", "metadata.google.internal", "internal", "web1"} {
			if got := tt.ask(tt.server, private, dnsmessage.TypeA); got != noName && got != noRecord {
				t.Errorf("%s: %s: %s", tt.server, private, got)
			}
		}
	}
	if asked := *upstream.Load(); len(asked) != 1 || asked[0] != "www.example.com." {
		t.Errorf("the host's resolver was asked for %v", asked)
	}
}

// resolver becomes the host's resolver, for what this thread starts from now
// on, and answers every query with 192.0.2.7. It returns what it was asked for.
func resolver(t testing.TB) *atomic.Pointer[[]string] {
	t.Helper()
	const address = "192.0.2.53"
	conf := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(conf, []byte("nameserver "+address+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	outside, err := os.Open("/proc/thread-self/ns/mnt")
	if err != nil {
		t.Fatal(err)
	}
	defer outside.Close()
	back, err := unix.Dup(int(outside.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
		t.Fatal(err)
	}
	// What is unmounted in here stays mounted out there, and where /run is shared
	// a network namespace is mounted twice: whoever removes one has to be outside.
	t.Cleanup(func() {
		if err := errors.Join(unix.Setns(back, unix.CLONE_NEWNS), unix.Close(back)); err != nil {
			t.Error(err)
		}
	})
	testkit.Sh(t, "mount", "--make-rprivate", "/")
	testkit.Sh(t, "mount", "--bind", conf, "/etc/resolv.conf")
	testkit.Sh(t, "ip", "address", "add", address+"/32", "dev", "lo")
	conn, err := net.ListenPacket("udp", address+":53")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	asked := &atomic.Pointer[[]string]{}
	asked.Store(&[]string{})
	go func() {
		buffer := make([]byte, 4096)
		for {
			n, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buffer[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			all := append(*asked.Load(), m.Questions[0].Name.String())
			asked.Store(&all)
			m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
			m.Answers = []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Class: dnsmessage.ClassINET, TTL: 60},
				Body:   &dnsmessage.AResource{A: [4]byte{192, 0, 2, 7}},
			}}
			if packed, err := m.Pack(); err == nil {
				_, _ = conn.WriteTo(packed, from) // who asked hears nothing, and says so
			}
		}
	}()
	return asked
}

// TestRemovalIsAtOnce: who leaves the model is neither known by name nor told
// an address from the moment the pass returns, by no connection that is open
// either; and his address is free for the next one, although the lease of it
// has not run out.
func TestRemovalIsAtOnce(t *testing.T) {
	w := newWorld(t)
	m := four(w.model(moreGuests)) // with IPv6 the server is started over, see TestNextAtTheAddress
	w.converge(m)
	before := w.pid("dmz")
	web1 := w.guest("dmz", "02:00:00:00:00:01")
	if told := web1.lease(); told["ip"] != "10.10.0.2" {
		t.Fatalf("before: DHCP tells %v", told)
	}
	web1.address("10.10.0.9/24")
	var open net.Conn
	if err := netns.Do(web1.ns, func() (err error) {
		open, err = net.DialTimeout("tcp", "10.10.0.1:53", time.Second)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer open.Close() //nolint:errcheck // all was read
	for range 2 {
		if got := exchange(t, open, "web1.dmz.internal", dnsmessage.TypeA); got != "10.10.0.2" {
			t.Fatalf("before: by TCP: %s", got)
		}
	}

	for i, vm := range m.VMs {
		if vm.Name == "web1" {
			m.VMs[i] = convergetest.Guest(inst, 9, "web9", "dmz", "10.10.0.2")
		}
	}
	m.Sort()
	if got := acts(w.converge(m)); got != "reload dmz" {
		t.Errorf("changes: %s", got)
	}
	if got := web1.ask("10.10.0.1", "web1.dmz.internal", dnsmessage.TypeA); got != noName {
		t.Errorf("its name: %s", got)
	}
	if got := exchange(t, open, "web1.dmz.internal", dnsmessage.TypeA); got != silence {
		t.Errorf("its name by the connection that was open: %s", got)
	}
	if got := web1.ask("10.10.0.1", "2.0.10.10.in-addr.arpa", dnsmessage.TypePTR); got != "web9.dmz.internal." {
		t.Errorf("its address: %s", got)
	}
	if told := web1.lease(); told != nil {
		t.Errorf("it is told %v", told)
	}
	web1.mac("02:00:00:00:00:09")
	if told := web1.lease(); told["ip"] != "10.10.0.2" {
		t.Errorf("the next one at its address is told %v", told)
	}
	if after := w.pid("dmz"); after != before {
		t.Errorf("it was process %d and is %d", before, after)
	}
	// A server that was told often and has leases is as good as new.
	for range 20 {
		for _, i := range []int{noGuests, moreGuests} {
			w.converge(four(w.model(i)))
		}
	}
	if after := w.pid("dmz"); after != before {
		t.Errorf("after many reloads: it was process %d and is %d", before, after)
	}
	web1.mac("02:00:00:00:00:01")
	if told := web1.lease(); told["ip"] != "10.10.0.2" {
		t.Errorf("after many reloads: DHCP tells %v", told)
	}
}

// TestManyLeave at once, more than are released one by one.
func TestManyLeave(t *testing.T) {
	w := newWorld(t)
	m := w.model(noGuests)
	full := *m
	for i := range int64(150) {
		full.VMs = append(full.VMs, convergetest.Guest(inst, 100+i, fmt.Sprintf("vm%d", i), "dmz", netip.AddrFrom4([4]byte{10, 10, 0, byte(50 + i)}).String()))
	}
	full.Sort()
	w.converge(&full)
	before := w.pid("dmz")
	g := w.guest("dmz", full.VMs[0].NICs[0].MAC)
	if told := g.lease(); told["ip"] != full.VMs[0].NICs[0].Addr.String() {
		t.Fatalf("before: DHCP tells %v", told)
	}
	w.converge(m)
	if w.pid("dmz") == before {
		t.Error("it was told of them one by one")
	}
	next := *m
	next.VMs = []ispctl.VM{convergetest.Guest(inst, 900, "next", "dmz", full.VMs[0].NICs[0].Addr.String())}
	w.converge(&next)
	g.mac(next.VMs[0].NICs[0].MAC)
	if told := g.lease(); told["ip"] != full.VMs[0].NICs[0].Addr.String() {
		t.Errorf("the next one at the address is told %v", told)
	}
}

// TestObserveTouchesNothing, not even a run directory that is not there.
func TestObserveTouchesNothing(t *testing.T) {
	w := newWorld(t)
	if have, err := w.Observe(context.Background()); err != nil || len(have) != 0 {
		t.Errorf("%v, %v", have, err)
	}
	if entries, err := os.ReadDir(w.paths.Root); err != nil || len(entries) != 0 {
		t.Errorf("%v, %v", entries, err)
	}
}
