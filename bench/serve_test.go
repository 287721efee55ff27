package bench

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ispctl/internal/cli"
	"ispctl/internal/config"
	"ispctl/internal/testkit"
	"ispctl/meter"
	"ispctl/net/count"
	"ispctl/net/nft"
	"ispctl/operations"
	"ispctl/state"
)

// BenchmarkServe runs `ispctl serve` on a host of 5,000 guests, each of which
// sends to a neighbour, and so hears of one, between any two readings: 10,000
// counters, all of which have moved. It reports what serve takes of a core, with
// all that it does besides, such as to look at the whole host now and then. An
// iteration is ten seconds long.
func BenchmarkServe(b *testing.B) {
	const guests, period = 5000, 10 * time.Second
	h := newHost(b)
	check(b, config.Save(h.Paths, inst))
	program := filepath.Join(b.TempDir(), "ispctl")
	testkit.Sh(b, "go", "build", "-o", program, "ispctl/cmd/ispctl")
	testkit.Sh(b, "ip", "link", "add", "up0", "type", "veth", "peer", "name", "inet0")
	b.Cleanup(func() { testkit.Sh(b, "ip", "link", "delete", "up0") })
	h.apply(b, guests)
	views, err := h.VMs(b.Context())
	check(b, err)
	pinging := newPingers(b, views)

	said, err := os.Create(filepath.Join(b.TempDir(), "said"))
	check(b, err)
	serve := exec.Command(program, "--root", h.Paths.Root, "serve")
	serve.Stdout, serve.Stderr = said, said
	check(b, serve.Start())
	b.Cleanup(func() {
		check(b, serve.Process.Signal(unix.SIGTERM))
		check(b, serve.Wait())
		check(b, said.Close())
	})
	settle(b, serve.Process.Pid)
	pinging.once(b, period) // who is known after the first reading is known for good
	pinging.once(b, period)

	before, started := processTime(b, serve.Process.Pid), time.Now()
	for b.Loop() {
		pinging.once(b, period)
	}
	took := processTime(b, serve.Process.Pid) - before
	b.ReportMetric(100*took.Seconds()/time.Since(started).Seconds(), "%-of-a-core")
	b.ReportMetric(0, "ns/op")
	h.booked(b, guests)
	text, err := os.ReadFile(said.Name())
	check(b, err)
	b.Logf("serve said:\n%.2000s", text)
}

// booked makes sure that there was something to do: every guest has a counter
// each way, and serve has booked it.
func (h *host) booked(b *testing.B, guests int) {
	b.Helper()
	table := inst.Table(count.Layer)
	k, err := nft.Open(table)
	check(b, err)
	defer k.Close() //nolint:errcheck // it was only read
	counts, err := cli.Counters(inst, k)(b.Context())
	check(b, err)
	moved := 0
	for _, c := range counts {
		if c[meter.Near].In.Packets > 2 && c[meter.Near].Out.Packets > 2 {
			moved++
		}
	}
	usage, err := state.OpenUsage(b.Context(), h.Paths)
	check(b, err)
	defer usage.Close() //nolint:errcheck // it was only read
	meters, err := usage.Meters(b.Context())
	check(b, err)
	if moved != guests || len(meters) < guests {
		b.Fatalf("%d guests have sent and received, %d are in the books, of %d", moved, len(meters), guests)
	}
}

// settle waits until serve has done what it does at its start, by a child, and
// until the memory that this took has been given back.
func settle(b *testing.B, pid int) {
	b.Helper()
	const quiet = 5
	for idle := 0; idle < quiet; time.Sleep(time.Second) {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", pid))
		check(b, err)
		idle++
		if strings.TrimSpace(string(data)) != "" {
			idle = 0
		}
	}
	time.Sleep(time.Minute)
}

// processTime is what a process has had of the processors, to the nanosecond
// (/proc/PID/task/TID/schedstat: the first number).
func processTime(b *testing.B, pid int) (sum time.Duration) {
	b.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	check(b, err)
	for _, file := range files {
		data, err := os.ReadFile(file)
		check(b, err)
		ns, err := strconv.ParseInt(strings.Fields(string(data))[0], 10, 64)
		check(b, err)
		sum += time.Duration(ns)
	}
	return sum
}

// pingers are guests that send an echo request to the next one in their zone.
type pingers struct {
	taps   []*os.File
	frames [][]byte
}

func newPingers(b *testing.B, vms []operations.VMView) *pingers {
	b.Helper()
	zones := map[string][]operations.VMView{}
	for _, vm := range vms {
		zones[string(vm.Zone)] = append(zones[string(vm.Zone)], vm)
	}
	p := &pingers{}
	for _, zone := range zones {
		for i, vm := range zone {
			next := zone[(i+1)%len(zone)]
			tap := openTap(b, vm.Tap)
			b.Cleanup(func() { _ = tap.Close() })
			p.taps = append(p.taps, tap)
			p.frames = append(p.frames, echoRequest(end(b, vm), end(b, next)))
		}
	}
	return p
}

// endpoint is who a frame is from or for.
type endpoint struct {
	mac  net.HardwareAddr
	addr netip.Addr
}

func end(b *testing.B, vm operations.VMView) endpoint {
	b.Helper()
	mac, err := net.ParseMAC(vm.MAC)
	check(b, err)
	return endpoint{mac, netip.MustParseAddr(vm.Addresses[0])}
}

// once has every guest send once, spread over a time.
func (p *pingers) once(b *testing.B, over time.Duration) {
	b.Helper()
	const lots = 50
	each := (len(p.taps) + lots - 1) / lots
	started := time.Now()
	for i, tap := range p.taps {
		_, err := tap.Write(p.frames[i])
		check(b, err)
		if lot := i/each + 1; i%each == each-1 {
			time.Sleep(time.Until(started.Add(over * time.Duration(lot) / lots)))
		}
	}
}

// openTap attaches to a tap as QEMU does (tun(4), Documentation/networking/tuntap.rst).
func openTap(b *testing.B, name string) *os.File {
	b.Helper()
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	check(b, err)
	ifr, err := unix.NewIfreq(name)
	check(b, err)
	ifr.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
	check(b, unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr))
	return os.NewFile(uintptr(fd), name)
}

// echoRequest is a ping behind an empty virtio header (RFC 792).
func echoRequest(from, to endpoint) []byte {
	const virtio, ethernet, ip, icmp = 10, 14, 20, 64
	f := make([]byte, virtio+ethernet+ip+icmp)
	e := f[virtio:]
	copy(e, to.mac)
	copy(e[6:], from.mac)
	binary.BigEndian.PutUint16(e[12:], unix.ETH_P_IP)
	i := e[ethernet:]
	i[0], i[8], i[9] = 0x45, 64, unix.IPPROTO_ICMP
	binary.BigEndian.PutUint16(i[2:], ip+icmp)
	copy(i[12:], from.addr.AsSlice())
	copy(i[16:], to.addr.AsSlice())
	binary.BigEndian.PutUint16(i[10:], onesComplement(i[:ip]))
	m := i[ip:]
	m[0] = 8
	binary.BigEndian.PutUint16(m[2:], onesComplement(m))
	return f
}

// onesComplement is the checksum of RFC 1071 over an even number of bytes.
func onesComplement(b []byte) uint16 {
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}
