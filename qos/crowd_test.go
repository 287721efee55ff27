package qos_test

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"ispctl"
	"ispctl/internal/testkit"
	"ispctl/qos"
)

// ofCrowd is the id of the first guest here that waits in a crowd.
const ofCrowd = 1000

// crowded makes a host with guests of crowds, and an Internet.
func crowded(t testing.TB, n, mtu int, l ispctl.Limits) (w *network, inet string) {
	t.Helper()
	testkit.Need(t, testkit.Root, iperf3)
	if !qos.CanCrowd() {
		testkit.Need(t, testkit.Feature{Name: "queues of guests in one interface", Probe: func() error { return fmt.Errorf("no interface with shapers in its queues can be made") }})
	}
	w = wiredFrom(t, ofCrowd, n, mtu)
	for i := range w.model.VMs {
		w.model.VMs[i].Limits = l
	}
	inet = w.uplinked(t, ispctl.Uplink{})
	if mtu != 1500 {
		w.ip(t, "link", "set", "up0", "mtu", fmt.Sprint(mtu))
		testkit.Sh(t, "ip", "-n", inet, "link", "set", "up1", "mtu", fmt.Sprint(mtu))
	}
	w.limit(t, 0, l)
	w.mark(t)
	return w, inet
}

// TestCrowdRates: guests that have nothing but queues in interfaces that they
// share get their rates, both ways, as those with trees of their own do.
func TestCrowdRates(t *testing.T) {
	steps := []ispctl.Rate{10 * ispctl.Mbit}
	seconds := 4
	if !*long {
		t.Parallel()
	} else {
		steps, seconds = []ispctl.Rate{ispctl.Mbit, 10 * ispctl.Mbit, 100 * ispctl.Mbit, 500 * ispctl.Mbit}, 15
	}
	for _, rate := range steps {
		t.Run(rate.String(), func(t *testing.T) {
			mtu, window, offered := 1500, "", 1.5
			switch {
			case rate > 100*ispctl.Mbit:
				mtu, offered = 9000, 1.1
			case rate <= ispctl.Mbit:
				window, seconds = "48K", max(seconds, 8)
			case rate <= 10*ispctl.Mbit:
				window = "96K"
			}
			w, inet := crowded(t, 4, mtu, ispctl.Limits{Down: rate, Up: rate})
			var group sync.WaitGroup
			for i := range w.guests {
				x := transfer{
					guest: i, way: []way{down, up}[i%2], udp: i/2 == 1, offered: ispctl.Rate(offered * float64(rate)),
					port: 5900 + i, seconds: seconds, to: internet, at: inet, window: window,
				}
				name := fmt.Sprintf("%s, udp %v", x.way, x.udp)
				one := func() {
					off := w.near(t, x, rate)
					t.Logf("%s: off by %+.2f %%", name, off*100)
					if math.Abs(off) > tolerance {
						t.Errorf("%s: off by %+.2f %%", name, off*100)
					}
				}
				if rate > 10*ispctl.Mbit {
					one() // two cores have enough to do
					continue
				}
				group.Go(one)
			}
			group.Wait()
			if left := testkit.Sh(t, "ip", "-n", w.host, "-br", "link", "show", "group", fmt.Sprint(inst.ShaperGroup())); strings.Count(left, "\n") != 2 {
				t.Errorf("want two interfaces for all:\n%s", left)
			}
		})
	}
}

var sentOf = regexp.MustCompile(`Sent (\d+) bytes`)

// sent is what has passed the queue of a guest, by tc(8).
func (w *network) sent(t testing.TB, i int, dev string) float64 {
	t.Helper()
	out := testkit.Sh(t, "tc", "-n", w.host, "-s", "qdisc", "show", "dev", dev, "parent", fmt.Sprintf("%x:%x", qos.Major, (ofCrowd+i)%256+1))
	found := sentOf.FindStringSubmatch(out)
	if found == nil {
		t.Fatalf("no queue of guest %d in %s:\n%s", i, dev, out)
	}
	n, _ := strconv.ParseFloat(found[1], 64)
	return n
}

// TestCrowdNeighbour is TestNeighbour for guests whose queues are in one interface.
func TestCrowdNeighbour(t *testing.T) {
	t.Parallel()
	w, inet := crowded(t, 4, 1500, ispctl.Limits{Down: 20 * ispctl.Mbit, Up: 20 * ispctl.Mbit})
	w.besideGreedy(t, transfer{port: 5960, to: internet, at: inet})
}

// TestCrowdInFlight: limits of a guest of a crowd change during transfers that
// stay below them, and its neighbours' come and go: not one datagram is lost. Its
// rates are for the Internet alone.
func TestCrowdInFlight(t *testing.T) {
	w, inet := crowded(t, 3, 1500, ispctl.Limits{Down: 20 * ispctl.Mbit, Up: 20 * ispctl.Mbit})
	number := ofCrowd/256 + 2
	in, out := inst.CrowdDown(number), inst.CrowdUp(number)
	var group sync.WaitGroup
	lost := make([]float64, 2)
	for i, way := range []way{up, down} {
		group.Go(func() {
			lost[i] = w.lost(t, transfer{way: way, udp: true, offered: 8 * ispctl.Mbit, port: 5920 + i, seconds: 5, to: internet, at: inet})
		})
	}
	time.Sleep(time.Second)
	for i := range 20 {
		r := ispctl.Rate(10+5*(i%3)) * ispctl.Mbit
		w.limit(t, 2, []ispctl.Limits{{Down: r}, {Up: r}, {}}[i%3])
		w.limit(t, 0, ispctl.Limits{Down: r, Up: 2 * r, Burst: ispctl.Size(i%2) * ispctl.MiB})
		time.Sleep(50 * time.Millisecond)
	}
	group.Wait()
	if lost[0]+lost[1] != 0 {
		t.Errorf("%v datagrams are lost", lost)
	}
	for _, dev := range []string{in, out} {
		if n := w.sent(t, 0, dev); n < 4e6 {
			t.Errorf("only %.0f bytes have passed the queue of guest 0 in %s", n, dev)
		}
	}
	// With its zone it is not held back.
	before := w.sent(t, 0, out)
	if rate := w.wireRate(t, transfer{way: up, udp: true, offered: 60 * ispctl.Mbit, port: 5940, seconds: 3, to: gateway}); rate < 50e6 {
		t.Errorf("to its own zone a guest has %.1f Mbit/s", rate/1e6)
	}
	if after := w.sent(t, 0, out); after-before > 1e5 {
		t.Errorf("%.0f bytes to its own zone have passed its queue", after-before)
	}
	// What asks for more has trees of its own, and nothing is left behind.
	for i := range w.guests {
		w.model.VMs[i].Limits.Local = 50 * ispctl.Mbit
	}
	w.limit(t, 0, w.model.VMs[0].Limits)
	w.mark(t)
	if links := testkit.Sh(t, "ip", "-n", w.host, "-br", "link"); strings.Contains(links, in) || strings.Contains(links, out) || !strings.Contains(links, w.guests[0].tap+"u") {
		t.Errorf("all have trees now:\n%s", links)
	}
	for _, dev := range []string{"isp-dmz", "up0"} {
		if filters := testkit.Sh(t, "tc", "-n", w.host, "filter", "show", "dev", dev, "egress"); filters != "" {
			t.Errorf("%s sends to a crowd still:\n%s", dev, filters)
		}
	}
}
