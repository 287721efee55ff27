package qos_test

import (
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"ispctl"
	"ispctl/internal/netns"
	"ispctl/internal/testkit"
	"ispctl/net/nft"
	"ispctl/qos"
)

// TestUplinkIsShared: two guests that want all of the uplink have their
// guarantee each, and what is left in proportion to it.
func TestUplinkIsShared(t *testing.T) {
	t.Parallel()
	testkit.Need(t, iperf3)
	w := wired(t, 2, 1500)
	inet := w.uplinked(t, ispctl.Uplink{Up: 9 * ispctl.Mbit})
	guarantee := []ispctl.Rate{2 * ispctl.Mbit, 4 * ispctl.Mbit}
	for i, g := range guarantee {
		w.limit(t, i, ispctl.Limits{Guarantee: g})
	}
	w.mark(t)
	for _, udp := range []bool{false, true} {
		// The host and guests without a promise have what is not promised,
		// 3 Mbit/s, and do not ask for it: it is shared, one to two.
		expect := []float64{3e6, 6e6}
		var off []float64
		for try := 0; try < tries; try++ {
			off = make([]float64, len(expect))
			var group sync.WaitGroup
			for i := range expect {
				group.Go(func() {
					x := transfer{guest: i, way: up, udp: udp, offered: 2 * guarantee[i], port: 5700 + i, seconds: 5, to: internet, at: inet, window: "96K"}
					off[i] = w.wireRate(t, x)/expect[i] - 1
				})
			}
			group.Wait()
			if math.Abs(off[0]) < 5*tolerance && math.Abs(off[1]) < 5*tolerance {
				break
			}
		}
		t.Logf("udp %v: off by %+.2f %% and %+.2f %%", udp, off[0]*100, off[1]*100)
		if math.Abs(off[0]) > 5*tolerance || math.Abs(off[1]) > 5*tolerance {
			t.Errorf("udp %v: off by %+.2f %% and %+.2f %%", udp, off[0]*100, off[1]*100)
		}
	}
}

// The Internet's end of the uplink.
const internet, internet6 = "203.0.113.1", "2001:db8:ff::1"

// uplinked gives the host an uplink, and returns the Internet.
func (w *network) uplinked(t testing.TB, u ispctl.Uplink) (inet string) {
	t.Helper()
	u.Interface, u.Kind, u.Address = "up0", ispctl.Routed, netip.MustParsePrefix("203.0.113.2/24")
	w.model.Uplink = u
	inet = w.host + "-inet"
	create(t, inet)
	w.ip(t, "link", "add", "up0", "type", "veth", "peer", "name", "up1", "netns", inet)
	w.ip(t, "address", "add", "203.0.113.2/24", "dev", "up0")
	w.ip(t, "address", "add", "2001:db8:ff::2/64", "dev", "up0", "nodad")
	w.ip(t, "link", "set", "up0", "up")
	testkit.Sh(t, "ip", "netns", "exec", w.host, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
	for _, argv := range [][]string{
		{"address", "add", internet + "/24", "dev", "up1"},
		{"address", "add", internet6 + "/64", "dev", "up1", "nodad"},
		{"link", "set", "up1", "up"},
		{"route", "add", "10.10.0.0/24", "via", "203.0.113.2"},
		{"route", "add", "2001:db8:10::/64", "via", "2001:db8:ff::2"},
	} {
		testkit.Sh(t, append([]string{"ip", "-n", inet}, argv...)...)
	}
	return inet
}

// mark brings about what packets are told while they are routed.
func (w *network) mark(t testing.TB) {
	t.Helper()
	want, err := qos.DesiredClasses(w.model)
	if err != nil {
		t.Fatal(err)
	}
	var marks *nft.Kernel
	if err := netns.Do(w.host, func() (err error) { marks, err = nft.Open(inst.Table(qos.ClassLayer)); return err }); err != nil {
		t.Fatal(err)
	}
	defer marks.Close() //nolint:errcheck // the namespace goes with it
	have, err := marks.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := marks.Apply(t.Context(), nft.Diff(want, have)); err != nil {
		t.Fatal(err)
	}
}

// TestTotals: the guests of a zone have no more than the zone's total together,
// in either direction, and what comes in is shared out as what goes out is.
func TestTotals(t *testing.T) {
	t.Parallel()
	testkit.Need(t, iperf3)
	w := wired(t, 2, 1500)
	inet := w.uplinked(t, ispctl.Uplink{Down: 9 * ispctl.Mbit})
	guarantee := []ispctl.Rate{2 * ispctl.Mbit, 4 * ispctl.Mbit}
	for i, g := range guarantee {
		w.limit(t, i, ispctl.Limits{Guarantee: g})
	}
	w.mark(t)
	// What is left of 9 is 3, and it is shared one to two.
	w.share(t, inet, down, 3e6, 6e6)

	// Upward nothing is known of the uplink, so there is nothing to share out,
	// and the total holds all the same.
	w.model.Totals = []ispctl.Total{{Kind: ispctl.ZoneTotal, Name: "dmz", Down: 6 * ispctl.Mbit, Up: 7 * ispctl.Mbit}}
	w.limit(t, 0, ispctl.Limits{Guarantee: guarantee[0]})
	w.mark(t)
	w.share(t, inet, down, 2e6, 4e6)
	w.share(t, inet, up, 7e6)

	// Between the zones of this host the total says nothing.
	if rate := w.wireRate(t, transfer{way: down, udp: true, offered: 12 * ispctl.Mbit, port: 5790, seconds: 3, to: gateway}); rate < 9e6 {
		t.Errorf("to its own zone a guest has %.1f Mbit/s", rate/1e6)
	}
	w.model.Totals, w.model.Uplink.Down = nil, 0
	w.limit(t, 0, ispctl.Limits{})
	if links := testkit.Sh(t, "ip", "-n", w.host, "-br", "link"); strings.Contains(links, inst.Inbound()) {
		t.Errorf("what comes in waits somewhere still:\n%s", links)
	}
	if filters := testkit.Sh(t, "tc", "-n", w.host, "filter", "show", "dev", "isp-dmz", "egress"); filters != "" {
		t.Errorf("the bridge sends through it still:\n%s", filters)
	}
}

// share has all guests ask for more than there is, and holds what passes at one
// time to what should: each guest's tap downward, and upward all of the uplink.
// What is too much is a fault at once; what is too little may be the machine's.
func (w *network) share(t testing.TB, inet string, way way, want ...float64) {
	t.Helper()
	const offered, settle, look = 12 * ispctl.Mbit, 1500 * time.Millisecond, 2 * time.Second
	passed := func() []float64 {
		if way == up {
			return []float64{received(t, inet, "up1")}
		}
		counts, err := w.kernel.Traffic()
		if err != nil {
			t.Fatal(err)
		}
		var all []float64
		for _, g := range w.guests {
			all = append(all, float64(counts[g.tap].Down))
		}
		return all
	}
	for try := range tries {
		var group sync.WaitGroup
		for i := range w.guests {
			group.Go(func() {
				w.iperf(t, transfer{guest: i, way: way, udp: true, offered: offered, port: 5780 + i, seconds: 5, to: internet, at: inet})
			})
		}
		time.Sleep(settle)
		begun, before := time.Now(), passed()
		time.Sleep(look)
		after, seconds := passed(), time.Since(begun).Seconds()
		group.Wait()
		got, most, least, filled := make([]float64, len(want)), math.Inf(-1), math.Inf(1), 0.0
		for i := range want {
			filled += (after[i] - before[i]) * 8 / seconds
			got[i] = (after[i] - before[i]) * 8 / seconds
			most, least = max(most, got[i]/want[i]-1), min(least, got[i]/want[i]-1)
		}
		t.Logf("%s: have %.0f, want %.0f", way, got, want)
		total := 0.0
		for _, rate := range want {
			total += rate
		}
		switch enough := 5 * tolerance; {
		case filled > total*(1+enough):
			t.Fatalf("%s: have %.0f, want no more than %.0f", way, got, want)
		case most < enough && least > -enough:
			return
		case try == tries-1 && filled < total*(1-enough):
			testkit.Need(t, testkit.Feature{Name: fmt.Sprintf("time enough to fill %.0f Mbit/s %s", total/1e6, way), Probe: func() error {
				return fmt.Errorf("only %.1f went by: who shares them how is not known", filled/1e6)
			}})
		case try == tries-1:
			t.Errorf("%s: have %.0f, want %.0f", way, got, want)
		}
	}
}

// received is how many bytes an interface has received.
func received(t testing.TB, ns, name string) float64 {
	t.Helper()
	out := testkit.Sh(t, "ip", "netns", "exec", ns, "cat", "/sys/class/net/"+name+"/statistics/rx_bytes")
	n, err := strconv.ParseFloat(strings.TrimSpace(out), 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
