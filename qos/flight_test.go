package qos_test

import (
	"fmt"
	"math"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"ispctl"
	"ispctl/internal/netns"
	"ispctl/internal/testkit"
)

// TestChangeInFlight changes every limit there is during a transfer that stays
// below all of them: not one datagram is missing.
func TestChangeInFlight(t *testing.T) {
	testkit.Need(t, iperf3)
	w := wired(t, 1, 1500)
	flow := ispctl.Flow{VM: "web0", Match: opening("tcp/80"), Rate: 5 * ispctl.Mbit}
	urgent := ispctl.Flow{VM: "web0", Slot: 1, Match: opening("udp/53"), Urgency: ispctl.Interactive}
	w.limit(t, 0, ispctl.Limits{Down: 20 * ispctl.Mbit, Up: 20 * ispctl.Mbit})
	done := make(chan float64, 2)
	for i, way := range []way{up, down} {
		go func() {
			done <- w.lost(t, transfer{way: way, udp: true, offered: 8 * ispctl.Mbit, port: 5300 + i, seconds: 4})
		}()
	}
	time.Sleep(time.Second)
	for i := range 20 {
		r := ispctl.Rate(10+5*(i%3)) * ispctl.Mbit
		w.limit(t, 0, ispctl.Limits{Down: r, Up: 2 * r})
		w.limit(t, 0, ispctl.Limits{Down: r, Up: r, Local: ispctl.Mbit, Burst: ispctl.MiB}, flow)
		w.limit(t, 0, ispctl.Limits{Down: r, Up: r, DSCP: ispctl.TrustDSCP}, flow, urgent)
		time.Sleep(50 * time.Millisecond)
	}
	for range 2 {
		if lost := <-done; lost != 0 {
			t.Errorf("%v datagrams are lost", lost)
		}
	}
}

// TestFlowLimit: one port is slow, and the others are as fast as they may be.
func TestFlowLimit(t *testing.T) {
	t.Parallel()
	testkit.Need(t, iperf3)
	w := wired(t, 2, 1500)
	limits := ispctl.Limits{Down: 50 * ispctl.Mbit, Up: 50 * ispctl.Mbit}
	flows := []ispctl.Flow{
		{VM: "web0", Match: opening("tcp/5400"), Rate: 5 * ispctl.Mbit}, {VM: "web1", Match: opening("tcp/5402"), Rate: 5 * ispctl.Mbit},
	}
	w.limit(t, 0, limits)
	w.limit(t, 1, limits, flows...)
	w.bothWays(func(i int, way way) {
		for port, want := range []ispctl.Rate{5 * ispctl.Mbit, 50 * ispctl.Mbit} {
			x := transfer{guest: i, way: way, port: 5400 + 2*i + port, seconds: 6}
			if want < 10*ispctl.Mbit {
				x.window = "48K" // what waits for what was lost comes in lumps
			}
			if off := w.near(t, x, want); math.Abs(off) > 2*tolerance {
				t.Errorf("%s port %d: off by %+.2f %% of %s", way, x.port, off*100, want)
			}
		}
	})
}

// bothWays does something with two guests at once, the one downward and the other
// upward.
func (w *network) bothWays(do func(int, way)) {
	var group sync.WaitGroup
	for i, way := range []way{down, up} {
		group.Go(func() { do(i, way) })
	}
	group.Wait()
}

// TestLocalIsAnotherRate: what is exchanged with a zone of this host has its own
// limit.
func TestLocalIsAnotherRate(t *testing.T) {
	t.Parallel()
	testkit.Need(t, iperf3)
	w := wired(t, 2, 1500)
	for i := range w.guests {
		w.limit(t, i, ispctl.Limits{Down: 5 * ispctl.Mbit, Up: 5 * ispctl.Mbit, Local: 50 * ispctl.Mbit})
	}
	w.bothWays(func(i int, way way) {
		if off := w.near(t, transfer{guest: i, way: way, port: 5410 + i, seconds: 3, to: gateway}, 50*ispctl.Mbit); math.Abs(off) > 2*tolerance {
			t.Errorf("%s: off by %+.2f %%", way, off*100)
		}
	})
}

// TestNeighbour: a guest that takes all it can get takes nothing from another's
// rate.
func TestNeighbour(t *testing.T) {
	t.Parallel()
	testkit.Need(t, iperf3)
	w := wired(t, 4, 1500)
	for i := range w.guests {
		w.limit(t, i, ispctl.Limits{Down: 20 * ispctl.Mbit, Up: 20 * ispctl.Mbit})
	}
	w.besideGreedy(t, transfer{port: 5500})
}

// besideGreedy has guests 2 and 3 send and receive twice what they may have, and
// guests 0 and 1, whose rate is the same 20 Mbit/s, as much as they can get. A guest
// alone is held to its rate within one percent, see TestRates; so one percent more
// is what another may take.
func (w *network) besideGreedy(t *testing.T, x transfer) {
	t.Helper()
	w.bothWays(func(i int, way way) {
		modest, greedy := x, x
		modest.guest, modest.way, modest.port, modest.seconds, modest.window = i, way, x.port+i, 4, "96K"
		greedy.guest, greedy.way, greedy.port, greedy.seconds, greedy.udp, greedy.offered = 2+i, way, x.port+10+i, 4, true, 40*ispctl.Mbit
		off := math.Inf(-1)
		for try := 0; try < tries && off < -tolerance; try++ {
			var group sync.WaitGroup
			group.Go(func() { w.wireRate(t, greedy) })
			off = max(off, w.wireRate(t, modest)/20e6-1)
			group.Wait()
		}
		if math.Abs(off) > tolerance {
			t.Errorf("%s: off by %+.2f %% beside a greedy one", way, off*100)
		}
	})
}

// TestTapIsMadeAnew: a tap that went, with all that was on it, is shaped as it
// was before its guest is back, by an ispctl that remembers nothing.
func TestTapIsMadeAnew(t *testing.T) {
	t.Parallel()
	testkit.Need(t, iperf3)
	w := wired(t, 1, 1500)
	w.limit(t, 0, ispctl.Limits{Down: 10 * ispctl.Mbit, Up: 10 * ispctl.Mbit})
	g := w.guests[0]
	w.unplug(t)
	if out, err := exec.Command("ip", "-n", w.host, "link", "show", g.tap).CombinedOutput(); err == nil {
		t.Fatalf("the tap is still there: %s", out)
	}
	// The layer before this one makes it, without a guest: it carries nothing.
	testkit.Sh(t, "ip", "-n", w.host, "tuntap", "add", "dev", g.tap, "mode", "tap", "vnet_hdr")
	testkit.Sh(t, "ip", "-n", w.host, "link", "set", g.tap, "group", fmt.Sprint(inst.LinkGroup()), "up")
	if state := testkit.Sh(t, "ip", "-n", w.host, "-br", "link", "show", g.tap); !strings.Contains(state, "NO-CARRIER") {
		t.Errorf("a tap without a guest carries frames: %s", state)
	}
	if err := netns.Do(w.host, func() error { pass(t, open(t), w.model); return nil }); err != nil {
		t.Fatal(err)
	}
	w.plug(t, g)
	for _, way := range []way{down, up} {
		if off := w.near(t, transfer{way: way, port: 5600, seconds: 6, window: "96K"}, 10*ispctl.Mbit); math.Abs(off) > 2*tolerance {
			t.Errorf("%s: off by %+.2f %%", way, off*100)
		}
	}
}

var lostOf = regexp.MustCompile(`"lost_packets":\s*(\d+)`)

// lost is how many datagrams of a transfer did not arrive, by the receiver.
func (w *network) lost(t testing.TB, x transfer) float64 {
	t.Helper()
	var most float64
	for _, found := range lostOf.FindAllStringSubmatch(string(w.iperf(t, x)), -1) {
		n, _ := strconv.ParseFloat(found[1], 64)
		most = max(most, n)
	}
	return most
}
