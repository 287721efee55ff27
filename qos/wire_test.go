package qos_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ispctl"
	"ispctl/internal/netns"
	"ispctl/internal/testkit"
	"ispctl/qos"
)

// The Internet of these tests is an address of the host that is in no zone, and
// the host is a network namespace of its own.
const (
	remote  = "198.51.100.1"
	gateway = "10.10.0.1"
)

// net is a host with a guest per tap, each in a namespace of its own, whose
// frames go in and out by the tap as QEMU would carry them.
type network struct {
	host   string
	mtu    int
	model  *ispctl.Model
	kernel *qos.Kernel
	guests []guest
	plugs  []*os.File
}

// unplug ends all guests' taps.
func (w *network) unplug(t testing.TB) {
	t.Helper()
	for _, f := range w.plugs {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	w.plugs = nil
	// A tap that is not persistent goes with who had it open, soon.
	time.Sleep(200 * time.Millisecond)
}

type guest struct {
	vm   ispctl.Name
	ns   string
	addr string
	tap  string
}

// hosts counts them, to tell them apart.
var hosts atomic.Int64

// wired makes a host with so many guests.
func wired(t testing.TB, n, mtu int) *network { return wiredFrom(t, 1, n, mtu) }

// wiredFrom has the first guest's id.
func wiredFrom(t testing.TB, first int64, n, mtu int) *network {
	t.Helper()
	testkit.Need(t, testkit.Root, testkit.HTB, testkit.IFB, testkit.Mirred, testkit.Tap)
	w := &network{host: fmt.Sprintf("qos-%d-%d", os.Getpid(), hosts.Add(1)), mtu: mtu, model: &ispctl.Model{Installation: inst}}
	w.model.Zones = []ispctl.Zone{{Name: "dmz", Prefix: netip.MustParsePrefix("10.10.0.0/24")}}
	w.model.Plans = []ispctl.Plan{{Name: "small", CPUs: 1}}
	create(t, w.host)
	w.ip(t, "link", "set", "lo", "up")
	w.ip(t, "address", "add", remote+"/32", "dev", "lo")
	w.ip(t, "link", "add", "isp-dmz", "group", fmt.Sprint(inst.LinkGroup()), "type", "bridge")
	w.ip(t, "address", "add", gateway+"/24", "dev", "isp-dmz")
	w.ip(t, "link", "set", "isp-dmz", "up")
	for i := range n {
		g := guest{
			vm: ispctl.Name(fmt.Sprintf("web%d", i)), ns: fmt.Sprintf("%s-%d", w.host, i), addr: fmt.Sprintf("10.10.0.%d", i+2),
			tap: inst.Tap(first+int64(i), 0),
		}
		create(t, g.ns)
		w.guests = append(w.guests, g)
		w.model.VMs = append(w.model.VMs, ispctl.VM{
			ID: first + int64(i), Name: g.vm, Zone: "dmz", Plan: "small", Wanted: ispctl.Running,
			NICs: []ispctl.NIC{{Zone: "dmz", Tap: g.tap, Addr: netip.MustParseAddr(g.addr)}},
		})
		w.plug(t, g)
	}
	err := netns.Do(w.host, func() (err error) {
		w.kernel, err = qos.Open(inst.LinkGroup(), inst.ShaperGroup())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.kernel.Close)
	return w
}

func create(t testing.TB, ns string) {
	t.Helper()
	if err := netns.Create(ns); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := netns.Delete(ns); err != nil {
			t.Error(err)
		}
	})
}

func (w *network) ip(t testing.TB, argv ...string) {
	t.Helper()
	testkit.Sh(t, append([]string{"ip", "-n", w.host}, argv...)...)
}

// plug makes a guest's tap, on its bridge and up, and takes the guest's place.
func (w *network) plug(t testing.TB, g guest) {
	t.Helper()
	outside, inside := w.attach(t, w.host, g.tap), w.attach(t, g.ns, "eth0")
	w.ip(t, "link", "set", g.tap, "group", fmt.Sprint(inst.LinkGroup()), "mtu", fmt.Sprint(w.mtu), "master", "isp-dmz")
	w.ip(t, "link", "set", g.tap, "up")
	in := func(argv ...string) { testkit.Sh(t, append([]string{"ip", "-n", g.ns}, argv...)...) }
	in("address", "add", g.addr+"/24", "dev", "eth0")
	in("link", "set", "eth0", "mtu", fmt.Sprint(w.mtu), "up")
	in("route", "replace", "default", "via", gateway)
	w.plugs = append(w.plugs, inside, outside)
	go pump(inside, outside)
	go pump(outside, inside)
}

func (w *network) attach(t testing.TB, ns, name string) *os.File {
	t.Helper()
	var f *os.File
	err := netns.Do(ns, func() error {
		fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		if err != nil {
			return err
		}
		ifr, err := unix.NewIfreq(name)
		if err != nil {
			return err
		}
		ifr.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
		if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr); err != nil {
			return errors.Join(err, unix.Close(fd))
		}
		f = os.NewFile(uintptr(fd), name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// pump carries frames with their virtio header from one tap to another until
// either is closed.
func pump(from io.Reader, to io.Writer) {
	frame := make([]byte, 1<<16+64)
	for {
		n, err := from.Read(frame)
		if errors.Is(err, os.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		if _, err := to.Write(frame[:n]); errors.Is(err, os.ErrClosed) {
			return
		}
	}
}

// limit gives a guest limits, and converges.
func (w *network) limit(t testing.TB, i int, l ispctl.Limits, flows ...ispctl.Flow) {
	t.Helper()
	w.model.VMs[i].Limits = l
	w.model.Flows = flows
	pass(t, w.kernel, w.model)
	if left := pass(t, w.kernel, w.model); len(left) > 0 {
		t.Fatalf("changes after a whole pass: %v", left)
	}
}

// way is which way a transfer goes, as the guest sees it.
type way string

const (
	down way = "down"
	up   way = "up"
)

// transfer is what iperf3 is told to do.
type transfer struct {
	guest   int
	way     way
	udp     bool
	offered ispctl.Rate // of UDP
	port    int
	seconds int
	to      string // the guest's peer; empty: remote
	at      string // where the peer is; empty: on the host
	window  string // of TCP; empty: its own choice
	tos     string // what its packets say of their urgency; empty: nothing
}

// What headers a frame has: Ethernet, and IP with TCP and its time stamps, or
// with UDP.
const (
	ethernet = 14
	tcpIP    = 52
	udpIP    = 28
)

// warmUp is how many intervals of half a second pass before a transfer is
// measured: bursts are used up, and TCP has found its rate.
const warmUp = 3

// wireRate is the rate of frames that a transfer gets, by iperf3 at the end
// that receives.
func (w *network) wireRate(t testing.TB, x transfer) float64 {
	t.Helper()
	headers := tcpIP
	if x.udp {
		headers = udpIP
	}
	return rateOf(t, w.iperf(t, x)) * float64(w.mtu+ethernet) / float64(w.mtu-headers)
}

// iperf makes a transfer and returns the report of the end that receives.
func (w *network) iperf(t testing.TB, x transfer) []byte {
	t.Helper()
	g := w.guests[x.guest]
	to := x.to
	if to == "" {
		to = remote
	}
	at := x.at
	if at == "" {
		at = w.host
	}
	port := fmt.Sprint(x.port)
	var heard bytes.Buffer
	server := exec.Command("ip", "netns", "exec", at, "iperf3", "-s", "-1", "-J", "-i", "0.5", "-B", to, "-p", port)
	server.Stdout = &heard
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	args := []string{"netns", "exec", g.ns, "iperf3", "-c", to, "-p", port, "-J", "-i", "0.5", "-t", fmt.Sprint(x.seconds)}
	if x.way == down {
		args = append(args, "-R")
	}
	if x.window != "" {
		args = append(args, "-w", x.window)
	}
	if x.tos != "" {
		args = append(args, "-S", x.tos)
	}
	if x.udp {
		args = append(args, "-u", "-l", fmt.Sprint(w.mtu-udpIP), "-b", fmt.Sprint(int64(x.offered)))
	}
	listening := func() bool {
		out, err := exec.Command("ip", "netns", "exec", at, "ss", "-Hltn", "sport", "=", ":"+port).Output()
		return err == nil && len(out) > 0
	}
	for try := 0; try < 100 && !listening(); try++ {
		time.Sleep(20 * time.Millisecond)
	}
	said, err := exec.Command("ip", args...).Output()
	if err != nil {
		t.Errorf("%v: %v\n%s", args, err, said)
		_ = server.Process.Kill()
	}
	if err := errors.Join(err, server.Wait()); err != nil {
		t.Errorf("iperf3: %v", err)
		return nil
	}
	if x.way == up {
		return heard.Bytes()
	}
	return said
}

// rateOf is what a receiver says that it got, in bits per second.
func rateOf(t testing.TB, report []byte) float64 {
	t.Helper()
	var r struct {
		Intervals []struct {
			Sum struct{ Bytes, Seconds float64 }
		}
	}
	if err := json.Unmarshal(report, &r); err != nil {
		t.Errorf("iperf3: %v\n%s", err, report)
		return 0
	}
	var octets, seconds float64
	for i, one := range r.Intervals {
		// The last is what came after the sender had ended.
		if i >= warmUp && i < len(r.Intervals)-1 && one.Sum.Seconds > 0.4 {
			octets += one.Sum.Bytes
			seconds += one.Sum.Seconds
		}
	}
	if seconds == 0 {
		t.Errorf("iperf3: nothing measured: %s", report)
		return 0
	}
	return octets * 8 / seconds
}

func haveIperf3() error {
	_, err := exec.LookPath("iperf3")
	return err
}
