package firewall_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ispctl"
	"ispctl/internal/convergetest"
	"ispctl/internal/testkit"
	"ispctl/net/bridge"
	"ispctl/net/firewall"
	"ispctl/net/nft"
)

// wire is a zone with three guests, made by the layers themselves: web1, whose
// wire we hold, its neighbour, and a guest with an IPv6 address as well. We hold the
// other end of each tap, as QEMU would, and listen on the host's side.
type wire struct {
	model *ispctl.Model
	wall  *nft.Kernel
	taps  map[string]int // file descriptors, by the tap's name
	host  int            // a packet socket on the zone's bridge
	fence uint32

	// membership begins the report of the bridge's own groups, which it sends
	// unasked a while after it came up.
	membership []byte
}

// The guests and what is around them.
const (
	web, neighbour, six = "isp-1-0", "isp-2-0", "isp-3-0"
	zoneBridge          = "isp-dmz"
)

var (
	webMAC, webAddr             = hw("02:00:00:00:00:01"), ip("10.10.0.2")
	neighbourMAC, neighbourAddr = hw("02:00:00:00:00:02"), ip("10.10.0.3")
	sixMAC, sixAddr             = hw("02:00:00:00:00:03"), ip("fd10::3")
	sixLocal                    = ip("fe80::ff:fe00:3")
	sixAddr4                    = ip("10.10.0.4")
	gatewayAddr                 = ip("10.10.0.1")
)

// model is the zone with as many guests as asked for; all beyond the third have
// elements and no tap.
func model(guests int) *ispctl.Model {
	inst := ispctl.Installation{Prefix: "isp", Hypervisor: "test:///default"}
	m := &ispctl.Model{
		Installation: inst,
		Zones:        []ispctl.Zone{{Name: "dmz", Prefix: netip.MustParsePrefix("10.10.0.0/16")}},
	}
	addr := webAddr
	for id := int64(1); id <= int64(max(guests, 3)); id++ {
		vm := convergetest.Guest(inst, id, "web", "dmz", addr.String())
		if vm.NICs[0].Tap == six {
			vm.NICs[0].Addr6 = sixAddr
		}
		m.VMs = append(m.VMs, vm)
		addr = addr.Next()
	}
	return m
}

func newWire(t testing.TB, guests int) *wire {
	t.Helper()
	testkit.Need(t, testkit.Tap)
	testkit.NetNS(t)
	pin(t)
	w := &wire{model: model(guests), taps: map[string]int{}}
	small := model(0)
	links, err := bridge.Open(small.Installation.LinkGroup())
	check(t, err)
	t.Cleanup(links.Close)
	want, err := bridge.Desired(small)
	check(t, err)
	check(t, links.Apply(context.Background(), bridge.Diff(want, bridge.State{})))
	// As the layer of routes has it: bridged frames are not for the IP filter,
	// which would hide what the bridge's lets through.
	for _, family := range []string{"iptables", "ip6tables", "arptables"} {
		check(t, os.WriteFile("/proc/sys/net/bridge/bridge-nf-call-"+family, []byte("0"), 0))
	}
	for _, name := range []string{web, neighbour, six} {
		w.taps[name] = openTap(t, name)
	}
	w.host = listen(t, zoneBridge)
	w.membership = slices.Concat(groupMAC(ip("224.0.0.22")), bridgeMAC(t))
	w.wall, err = nft.Open(small.Installation.Table(firewall.Layer))
	check(t, err)
	t.Cleanup(func() { _ = w.wall.Close() })
	return w
}

// pin keeps the thread on one CPU: frames that two CPUs take in have no order.
func pin(t testing.TB) {
	var set unix.CPUSet
	check(t, unix.SchedGetaffinity(0, &set))
	for cpu := range 1024 {
		if set.IsSet(cpu) {
			set.Zero()
			set.Set(cpu)
			break
		}
	}
	check(t, unix.SchedSetaffinity(0, &set))
}

// build applies the walls by netlink.
func (w *wire) build(t testing.TB) {
	t.Helper()
	want, err := firewall.Desired(w.model)
	check(t, err)
	have, err := w.wall.Observe(context.Background())
	check(t, err)
	check(t, w.wall.Apply(context.Background(), nft.Diff(want, have)))
}

// vnetHeader is what QEMU puts before each frame: nothing is offloaded.
const vnetHeader = 10

func openTap(t testing.TB, name string) int {
	t.Helper()
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	check(t, err)
	t.Cleanup(func() { _ = unix.Close(fd) })
	ifr, err := unix.NewIfreq(name)
	check(t, err)
	ifr.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
	check(t, unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr))
	return fd
}

// listen opens a packet socket that sees what the host itself would.
func listen(t testing.TB, link string) int {
	t.Helper()
	const all = unix.ETH_P_ALL<<8 | unix.ETH_P_ALL>>8
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, all)
	check(t, err)
	t.Cleanup(func() { _ = unix.Close(fd) })
	i, err := net.InterfaceByName(link)
	check(t, err)
	check(t, unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: i.Index}))
	return fd
}

// send puts a frame on a guest's wire. The kernel may refuse one that is no
// frame at all.
func (w *wire) send(tap string, frame []byte) error {
	_, err := unix.Write(w.taps[tap], append(make([]byte, vnetHeader), frame...))
	return err
}

// passed sends a frame and reports where it, or anything it caused, came out.
// It waits for nothing: a fence is sent after it, which everybody hears, and
// what had not come before the fence does not come.
func (w *wire) passed(t testing.TB, from string, frame []byte) []string {
	t.Helper()
	w.drain()
	if err := w.send(from, frame); err != nil && !errors.Is(err, unix.EINVAL) {
		t.Fatal(err)
	}
	w.fence++
	fence := fenceFrame(from, w.fence)
	check(t, w.send(from, fence))
	var where []string
	for _, tap := range []string{web, neighbour, six} {
		if n := w.before(t, w.taps[tap], vnetHeader, fence, tap == from); n > 0 {
			where = append(where, tap)
		}
	}
	if n := w.before(t, w.host, 0, fence, false); n > 0 {
		where = append(where, "host")
	}
	return where
}

// before counts the frames that come before the fence. The sender does not hear
// its own.
func (w *wire) before(t testing.TB, fd, skip int, fence []byte, sender bool) int {
	t.Helper()
	n := 0
	buf := make([]byte, 1<<16)
	for deadline := time.Now().Add(5 * time.Second); ; {
		size, from, err := unix.Recvfrom(fd, buf, 0)
		if errors.Is(err, unix.ENOTSOCK) {
			size, err = unix.Read(fd, buf)
		}
		switch {
		case errors.Is(err, unix.EAGAIN) && sender:
			return n
		case errors.Is(err, unix.EAGAIN) && time.Now().Before(deadline):
			continue
		case err != nil:
			t.Fatalf("the fence did not come through: %v", err)
		}
		if ll, ok := from.(*unix.SockaddrLinklayer); ok && ll.Pkttype == unix.PACKET_OUTGOING {
			continue
		}
		if string(buf[min(skip, size):size]) == string(fence) {
			return n
		}
		if bytes.HasPrefix(buf[min(skip, size):size], w.membership) {
			continue
		}
		n++
	}
}

func (w *wire) drain() {
	buf := make([]byte, 1<<16)
	for _, fd := range w.taps {
		for err := error(nil); err == nil; {
			_, err = unix.Read(fd, buf)
		}
	}
	for err := error(nil); err == nil; {
		_, _, err = unix.Recvfrom(w.host, buf, 0)
	}
}

// fenceFrame is a question for an address that nobody has, numbered.
func fenceFrame(from string, n uint32) []byte {
	nobody := netip.AddrFrom4([4]byte{10, 10, 255, byte(n)})
	return append(guestARP(from, nobody), byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func hw(s string) net.HardwareAddr {
	a, err := net.ParseMAC(s)
	if err != nil {
		panic(err) // a literal of these tests
	}
	return a
}

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }

// fdb are the Ethernet addresses that the bridge has learned.
func fdb(t testing.TB) string {
	t.Helper()
	return testkit.Sh(t, "bridge", "fdb", "show", "br", zoneBridge, "dynamic")
}
