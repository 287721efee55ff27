package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ispctl"
	"ispctl/internal/netns"
	"ispctl/internal/testkit"
	"ispctl/meter"
	"ispctl/net/count"
	"ispctl/net/nft"
	"ispctl/operations"
	"ispctl/state"
	"ispctl/templates"
)

const metered = `version: 1
addresses: [203.0.113.10, {address: 203.0.113.11, vm: web1, mode: one-to-one}]
admin: {prefix: 10.255.0.0/16}
zones:
  - {name: dmz, prefix: 10.10.0.0/24, snat: 203.0.113.10}
plans:
  - {name: tiny, cpus: 1, memory: 128MiB, disk: 256MiB}
vms:
  - {name: web1, template: micro, zone: dmz, plan: tiny, ssh_keys: ["%s"]}
policies:
  - {from: internet, to: dmz, services: [icmp]}
`

// meteredGuest is a real guest that is spoken to on its leg only, so that
// nothing passes its tap in the zone but what a test sends.
type meteredGuest struct {
	*world
	leg string
}

// way is bytes and packets.
type way struct{ Bytes, Packets uint64 }

func (a way) less(b way) way { return way{a.Bytes - b.Bytes, a.Packets - b.Packets} }

// traffic is both directions as the guest sees them.
type traffic struct{ In, Out way }

func (a traffic) less(b traffic) traffic { return traffic{a.In.less(b.In), a.Out.less(b.Out)} }

// books are what the three who count say of the guest's NIC, all at one moment.
type books struct{ Usage, Internet, Link, Guest traffic }

func (g *meteredGuest) inside(command string) string {
	g.t.Helper()
	out, err := g.ssh(g.provider, g.leg, "22", command)
	if err != nil {
		g.t.Fatalf("%s: %v: %s", command, err, out)
	}
	return out
}

// link is what `ip -s link` counts at the guest's tap: what it received is what
// the guest sent.
func (g *meteredGuest) link() traffic {
	g.t.Helper()
	var links []struct {
		Stats64 struct {
			RX, TX struct{ Bytes, Packets uint64 }
		}
	}
	if err := json.Unmarshal([]byte(g.in(g.provider, "ip", "-s", "-j", "link", "show", "isp-1-0")), &links); err != nil {
		g.t.Fatal(err)
	}
	s := links[0].Stats64
	return traffic{In: way{s.TX.Bytes, s.TX.Packets}, Out: way{s.RX.Bytes, s.RX.Packets}}
}

// guest is what the guest itself has counted.
func (g *meteredGuest) guest() (t traffic) {
	g.t.Helper()
	out := g.inside("cd /sys/class/net/eth0/statistics; cat rx_bytes rx_packets tx_bytes tx_packets")
	if _, err := fmt.Sscan(out, &t.In.Bytes, &t.In.Packets, &t.Out.Bytes, &t.Out.Packets); err != nil {
		g.t.Fatalf("%v: %s", err, out)
	}
	return t
}

// usage is what was booked of the guest, all but its leg, and of that what was
// with the Internet.
func (g *meteredGuest) usage() (all, internet traffic) {
	g.t.Helper()
	var views []operations.UsageView
	g.show(&views, "usage", "vm/web1", "--since", "48h")
	for _, v := range views {
		for i, c := range []operations.TrafficView{v.Internet, v.Zones, v.Near} {
			t := traffic{In: way{c.InBytes, c.InPackets}, Out: way{c.OutBytes, c.OutPackets}}
			all = traffic{In: way{all.In.Bytes + t.In.Bytes, all.In.Packets + t.In.Packets}, Out: way{all.Out.Bytes + t.Out.Bytes, all.Out.Packets + t.Out.Packets}}
			if i == 0 {
				internet = t
			}
		}
	}
	return all, internet
}

// books reads all three when nothing passes.
func (g *meteredGuest) books() books {
	g.t.Helper()
	for range 30 {
		before := g.link()
		g.ok("usage", "sample")
		var b books
		b.Usage, b.Internet = g.usage()
		b.Guest = g.guest()
		if b.Link = g.link(); b.Link == before {
			return b
		}
		time.Sleep(time.Second)
	}
	g.t.Fatal("the tap is never quiet")
	return books{}
}

var pinged = regexp.MustCompile(`(\d+) packets transmitted, (\d+) (?:packets )?received`)

// answered is how many packets a ping sent, all of which must have been
// answered.
func (g *meteredGuest) answered(out string) uint64 {
	g.t.Helper()
	m := pinged.FindStringSubmatch(out)
	if m == nil || m[1] != m[2] {
		g.t.Fatalf("ping: %s", out)
	}
	n, err := strconv.ParseUint(m[1], 10, 64)
	if err != nil {
		g.t.Fatal(err)
	}
	return n
}

// Every echo is Ethernet's, IPv4's and ICMP's headers (14, 20, 8) and this.
const (
	echoBytes = 1000
	echoFrame = echoBytes + 42
)

func echoes(n uint64) way { return way{n * echoFrame, n} }

// TestEveryByteOfAGuest sends known amounts from and to a real guest. What is
// booked is what the link, the guest and the sender have counted, to the byte;
// it stays so when serve is killed again and again under traffic, of which no
// packet is lost. Then the guest uses up its quota under load, is throttled,
// and let go when the month turns.
func TestEveryByteOfAGuest(t *testing.T) {
	w := newWorld(t, "embed")
	w.ok("image", "build", "micro")
	w.ok("apply", "-f", w.write("provider.yaml", fmt.Sprintf(metered, w.publicKey())))
	w.ok("vm", "start", "web1", "--wait")
	g := &meteredGuest{w, w.vm("web1").AdminAddress}
	// What the wall drops (it has no IPv6) no usage is; and it would speak of its
	// own accord.
	g.inside("echo 1 > /proc/sys/net/ipv6/conf/eth0/disable_ipv6; ping -c 1 10.10.0.1 >/dev/null; true")

	t.Run("exact", g.exact)
	t.Run("killed", g.killed)
	t.Run("quota", g.quota)
}

func (g *meteredGuest) exact(t *testing.T) {
	before := g.books()
	in := g.answered(g.in(g.internet, "ping", "-q", "-i", "0.002", "-c", "1000", "-s", fmt.Sprint(echoBytes), "-W", "30", "203.0.113.11"))
	out := g.answered(g.inside(fmt.Sprintf("ping -q -i 0.01 -c 300 -s %d -W 30 %s", echoBytes, gateway)))
	after := g.books()
	if got, want := after.Internet.less(before.Internet), (traffic{In: echoes(in + out), Out: echoes(in + out)}); got != want {
		t.Errorf("echoes: booked %+v, sent %+v", got, want)
	}
	g.agree(t, "echoes", before, after)

	// TCP with all offloads, a known number of bytes of it each way.
	const size = 4 << 20
	before = after
	take := sink(t, g.internet, gateway+":7001", size)
	g.inside(fmt.Sprintf("dd if=/dev/zero bs=64k count=%d 2>/dev/null | nc %s 7001 >/tmp/got; wc -c </tmp/got | grep -qx %d", size>>16, gateway, size))
	if n := take(); n != size {
		t.Errorf("%d bytes came of %d", n, size)
	}
	after = g.books()
	d := after.Internet.less(before.Internet)
	if d.Out.Bytes < size || d.Out.Bytes > size*11/10 || d.In.Bytes < size || d.In.Bytes > size*11/10 {
		t.Errorf("booked %+v of %d bytes each way", d, size)
	}
	g.agree(t, "TCP", before, after)
	// The guest's external address saw the same packets on the uplink.
	var of []operations.UsageView
	g.show(&of, "usage", "address/203.0.113.11", "--since", "48h")
	if len(of) != 1 || of[0].Internet.InBytes != after.Internet.In.Bytes || of[0].Internet.OutPackets < d.Out.Packets {
		t.Errorf("of its address: %+v; of the VM %+v", of, after.Internet)
	}
}

// agree wants the same difference in all books.
func (g *meteredGuest) agree(t *testing.T, what string, before, after books) {
	t.Helper()
	usage, link, guest := after.Usage.less(before.Usage), after.Link.less(before.Link), after.Guest.less(before.Guest)
	if usage != link || usage != guest {
		t.Errorf("%s: booked %+v, ip -s link %+v, the guest %+v", what, usage, link, guest)
	}
}

// sink takes one connection in a namespace, sends as many bytes as it is to
// get, and tells how many it got.
func sink(t testing.TB, ns, address string, size int) (got func() int64) {
	t.Helper()
	var l net.Listener
	if err := netns.Do(ns, func() (err error) { l, err = net.Listen("tcp4", address); return err }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	ended := make(chan int64, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			ended <- -1
			return
		}
		sent := make(chan struct{})
		go func() {
			_, _ = c.Write(make([]byte, size)) // the guest says how much came
			close(sent)
		}()
		n, _ := io.Copy(io.Discard, c)
		<-sent // the guest's nc ends when this end does
		_ = c.Close()
		ended <- n
	}()
	return func() int64 {
		select {
		case n := <-ended:
			return n
		case <-time.After(time.Minute):
			t.Error("the connection does not end")
			return -1
		}
	}
}

// killed ends serve without warning, again and again, while packets pass.
func (g *meteredGuest) killed(t *testing.T) {
	testkit.Long(t, "40 s")
	before := g.books()
	const count, kills = 1200, 6
	ping := exec.CommandContext(t.Context(), "ip", "netns", "exec", g.internet, "ping", "-q", "-i", "0.01", "-c", fmt.Sprint(count), "-s", fmt.Sprint(echoBytes), "-W", "60", "203.0.113.11")
	ended := make(chan string, 1)
	go func() {
		out, err := ping.CombinedOutput()
		if err != nil {
			out = append(out, err.Error()...)
		}
		ended <- string(out)
	}()
	for n := range kills {
		s := g.serve()
		// In the middle of its start, of its first reading, and between two.
		time.Sleep(time.Duration(n) * 300 * time.Millisecond)
		s.end(unix.SIGKILL)
	}
	n := g.answered(<-ended)
	after := g.books()
	if got, want := after.Internet.less(before.Internet), (traffic{In: echoes(n), Out: echoes(n)}); got != want {
		t.Errorf("booked %+v, sent %+v", got, want)
	}
	g.agree(t, "killed", before, after)
}

// quota lets the guest send without end.
func (g *meteredGuest) quota(t *testing.T) {
	testkit.Long(t, "2 min")
	g.ok("usage", "sample")
	_, used := g.usage()
	const more = 4_000_000
	start := used.In.Bytes + used.Out.Bytes
	g.ok("quota", "set", "web1", "--volume", fmt.Sprintf("%dB", start+more), "--action", "throttle", "--rate", "1mbit")
	s := g.serve()
	var passed atomic.Int64
	takeAll(t, g.internet, gateway+":7002", &passed)
	g.inside("(while :; do nc " + gateway + " 7002 </dev/zero; done) </dev/null >/dev/null 2>&1 & echo $! >/tmp/load")
	wait := func(what string, is func() bool) time.Duration {
		t.Helper()
		for begun := time.Now(); ; time.Sleep(200 * time.Millisecond) {
			if is() {
				return time.Since(begun)
			}
			if time.Since(begun) > 4*time.Minute {
				t.Fatalf("never %s; %d bytes passed", what, passed.Load())
			}
		}
	}
	wait("over its quota", func() bool { return passed.Load() > more })
	rate := func() float64 { // of payload, bit/s
		before, at := passed.Load(), time.Now()
		time.Sleep(2 * time.Second)
		return float64(passed.Load()-before) * 8 / time.Since(at).Seconds()
	}
	state := func() string {
		var v operations.QuotaView
		g.show(&v, "quota", "show", "web1")
		return v.State
	}
	took := wait("throttled", func() bool {
		return state() == "throttled" && g.held()
	})
	t.Logf("throttled %s after its quota was used up", took.Round(time.Second))
	if took > time.Minute {
		t.Errorf("throttled after %s", took)
	}
	wait("slow", func() bool { return rate() < 1.5e6 })

	// The month turns, for the resident part alone: in this process, over the
	// same counters and books.
	if code := s.end(unix.SIGTERM); code != 0 {
		t.Errorf("serve: exit %d", code)
	}
	clock := turned{at: nextMonth(time.Now().UTC()).Add(30 * time.Second), since: time.Now()}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	passes := 0
	resident := g.meterer(t, clock, func(context.Context) error {
		if passes++; passes == 1 {
			return fmt.Errorf("as it may, the first pass fails")
		}
		if r := g.run("converge"); r.code != 0 {
			return fmt.Errorf("converge: %s", r.err)
		}
		stop()
		return nil
	})
	begun := time.Now()
	if err := resident.Run(ctx); err != nil {
		t.Fatal(err)
	}
	t.Logf("released %s after the turn of the month, by %d passes", time.Since(begun).Round(time.Second), passes)
	if passes != 2 {
		t.Errorf("%d passes", passes)
	}
	if g.held() {
		t.Error("still held to its rate")
	}
	wait("fast again", func() bool { return rate() > 2e6 })
	g.inside("kill $(cat /tmp/load); killall nc; true")
}

// held reports whether what the guest sends is held to its throttle's rate.
func (g *meteredGuest) held() bool {
	// A guest without limits has no such device.
	out, _ := exec.Command("ip", "netns", "exec", g.provider, "tc", "class", "show", "dev", "isp-1-0u").Output()
	return strings.Contains(string(out), "ceil 1Mbit")
}

// takeAll counts what comes by any number of connections.
func takeAll(t testing.TB, ns, address string, passed *atomic.Int64) {
	t.Helper()
	var l net.Listener
	if err := netns.Do(ns, func() (err error) { l, err = net.Listen("tcp4", address); return err }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close() //nolint:errcheck // it was only read
				b := make([]byte, 64<<10)
				for {
					n, err := c.Read(b)
					passed.Add(int64(n))
					if err != nil {
						return
					}
				}
			}()
		}
	}()
}

// turned is a clock whose wall shows another time than the host's.
type turned struct{ at, since time.Time }

func (c turned) Now() time.Time { return c.at.Add(time.Since(c.since)) }

func (c turned) SinceBoot() (time.Duration, error) { return operations.KernelClock{}.SinceBoot() }

func (c turned) BootID() (string, error) { return operations.KernelClock{}.BootID() }

func (c turned) Sleep(ctx context.Context, d time.Duration) { operations.KernelClock{}.Sleep(ctx, d) }

func nextMonth(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month()+1, 1, 0, 0, 0, 0, time.UTC)
}

// meterer is the resident part as serve has it, with another clock.
func (g *meteredGuest) meterer(t testing.TB, clock operations.Clock, converge func(context.Context) error) *operations.Meterer {
	t.Helper()
	inst := ispctl.Installation{Prefix: "isp", NetNS: g.provider, Hypervisor: "embed"}
	paths := ispctl.Paths{Root: g.root}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	set, err := templates.Load(paths.Templates())
	must(err)
	store, err := state.Open(t.Context(), inst, paths)
	must(err)
	t.Cleanup(func() { _ = store.Close() })
	usage, err := state.OpenUsage(t.Context(), paths)
	must(err)
	t.Cleanup(func() { _ = usage.Close() })
	var edge *nft.Kernel
	must(netns.Do(g.provider, func() (err error) { edge, err = nft.Open(inst.Table(count.Layer)); return err }))
	t.Cleanup(func() { _ = edge.Close() })
	p := &operations.Provider{
		Store: store, Templates: set, Paths: paths, Clock: clock, Actor: "test",
		OpenUsage: func(context.Context) (*state.Usage, error) { return usage, nil },
		Counters: func(ctx context.Context) (map[meter.Source]*meter.Counts, error) {
			r, err := count.Read(ctx, inst, edge)
			all := map[meter.Source]*meter.Counts{}
			for tap, c := range r.Taps {
				all[meter.Source(tap)] = &meter.Counts{meter.Internet: {
					In:  meter.Way{Bytes: c.Internet.In.Bytes, Packets: c.Internet.In.Packets},
					Out: meter.Way{Bytes: c.Internet.Out.Bytes, Packets: c.Internet.Out.Packets},
				}}
			}
			return all, err
		},
	}
	sampler, err := p.Sampler(t.Context())
	must(err)
	return &operations.Meterer{Sampler: sampler, Converge: converge, Say: func(text string) { t.Log(text) }}
}
