package qos_test

import (
	"flag"
	"fmt"
	"math"
	"sync"
	"testing"

	"ispctl"
	"ispctl/internal/testkit"
)

// long asks for every rate, one after the other and for longer.
var long = flag.Bool("long", false, "measure rates at length")

// iperf3 is the oracle of what passes.
var iperf3 = testkit.Feature{Name: "iperf3", Probe: haveIperf3}

// tolerance is how far a rate may be from what was asked for.
const tolerance = 0.01

// tries is how often a rate is measured that is not met.
const tries = 4

// near measures until a transfer gets its rate, and says how far off it was at
// best. What else runs on the machine makes a transfer slower; and faster, when it
// had to wait and then sends what a class holds.
func (w *network) near(t testing.TB, x transfer, rate ispctl.Rate) (off float64) {
	t.Helper()
	best := math.Inf(-1)
	for try := 0; try < tries && math.Abs(best) > tolerance; try++ {
		if off := w.wireRate(t, x)/float64(rate) - 1; math.Abs(off) < math.Abs(best) {
			best = off
		}
	}
	return best
}

// TestRates holds TCP and UDP, both ways, to their rates, from slow to fast. UDP
// is offered more than may pass. What takes all of the machine, and so all of its
// time, is for -long (make test-all).
func TestRates(t *testing.T) {
	if !*long {
		t.Parallel()
	}
	testkit.Need(t, iperf3)
	type step struct {
		rate    ispctl.Rate
		offered float64 // of UDP
		seconds int
		window  string // of TCP where it is slow: what waits for what was lost comes in lumps
		alone   bool   // two cores have enough to do
	}
	steps := []step{
		{ispctl.Mbit, 2, 8, "48K", false}, {10 * ispctl.Mbit, 2, 4, "96K", false}, {100 * ispctl.Mbit, 1.5, 3, "", true}, {500 * ispctl.Mbit, 1.1, 3, "", true},
	}
	if *long {
		for i := range steps {
			steps[i].seconds, steps[i].alone = 20, true
		}
	}
	type one struct {
		*network
		transfer
		rate  ispctl.Rate
		alone bool
	}
	var all []one
	// With frames of 1500 bytes the fastest would measure how fast they can be
	// copied to and fro.
	slow := wired(t, 12, 1500)
	fast := slow
	if *long {
		fast = wired(t, 4, 9000)
	}
	for _, s := range steps {
		w := slow
		if s.rate > 100*ispctl.Mbit {
			w = fast
		}
		for _, udp := range []bool{false, true} {
			for _, way := range []way{down, up} {
				if !*long && s.alone {
					continue
				}
				x := transfer{
					guest: len(all) % len(slow.guests), way: way, udp: udp, offered: ispctl.Rate(s.offered * float64(s.rate)),
					port: 5200 + len(all), seconds: s.seconds, window: s.window,
				}
				w.limit(t, x.guest, ispctl.Limits{Down: s.rate, Up: s.rate})
				all = append(all, one{w, x, s.rate, s.alone})
			}
		}
	}
	off := make([]float64, len(all))
	var group sync.WaitGroup
	for i, x := range all {
		if x.alone {
			group.Wait()
			off[i] = x.near(t, x.transfer, x.rate)
			continue
		}
		group.Go(func() { off[i] = x.near(t, x.transfer, x.rate) })
	}
	group.Wait()
	for i, x := range all {
		name := fmt.Sprintf("%s %s, udp %v", x.rate, x.way, x.udp)
		t.Logf("%s: off by %+.2f %%", name, off[i]*100)
		if math.Abs(off[i]) > tolerance {
			t.Errorf("%s: off by %+.2f %%", name, off[i]*100)
		}
	}
}
