package firewall_test

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"ispctl/internal/testkit"
	"ispctl/net/firewall"
	"ispctl/net/nft"
)

// crowds are the numbers of guests that the frames are tried among.
func crowds() []int {
	if testing.Short() {
		return []int{1}
	}
	return []int{1, 1000}
}

func TestLegitimateFramesPass(t *testing.T) {
	for _, guests := range crowds() {
		t.Run(fmt.Sprintf("%d guests", guests), func(t *testing.T) {
			w := newWire(t, guests)
			w.build(t)
			w.allPass(t)
		})
	}
}

func (w *wire) allPass(t *testing.T) {
	t.Helper()
	frames := slices.Concat(legitimate(), legitimate6(), asSix(legitimate()))
	if len(frames) < 80 {
		t.Errorf("only %d frames", len(frames))
	}
	for _, f := range frames {
		if w.passed(t, f.tap(), f.bytes) == nil {
			t.Errorf("%s: lost", f.name)
		}
	}
	if lost := w.drops(t); len(lost) != 0 {
		t.Errorf("dropped: %v", lost)
	}
}

func hostile(t *testing.T) []frame {
	frames := slices.Concat(hostileLink(t), hostileARP(), hostileIPv4(), hostileIPv6(), asSix(hostileARP()), asSix(hostileIPv4()))
	if len(frames) < 600 {
		t.Errorf("only %d frames", len(frames))
	}
	return frames
}

// TestHostileFramesDoNotPass also checks that each is counted once, for its
// reason, and that the bridge learned nobody's address but the guests' own.
func TestHostileFramesDoNotPass(t *testing.T) {
	for _, guests := range crowds() {
		t.Run(fmt.Sprintf("%d guests", guests), func(t *testing.T) {
			w := newWire(t, guests)
			w.build(t)
			w.nonePasses(t)
		})
	}
}

func (w *wire) nonePasses(t *testing.T) {
	t.Helper()
	for _, f := range hostile(t) {
		before := w.drops(t)[f.tap()][f.reason].Packets
		if where := w.passed(t, f.tap(), f.bytes); where != nil {
			t.Errorf("%s: came out at %s", f.name, where)
		}
		if n := w.drops(t)[f.tap()][f.reason].Packets - before; n != 1 && !slices.Contains(beforeRules, f.already) {
			t.Errorf("%s: counted %d times for %q: %v", f.name, n, f.reason, w.drops(t)[f.tap()])
		}
	}
	for line := range strings.Lines(fdb(t)) {
		mac, port := strings.Fields(line)[0], strings.Fields(line)[2]
		if mac != "02:00:00:00:00:0"+strings.Split(port, "-")[1] {
			t.Errorf("the bridge learned %s", line)
		}
	}
}

// TestScriptJudgesAlike loads the table as the dry run prints it. The text of a
// rule and what is sent to the kernel could differ and still be listed alike.
func TestScriptJudgesAlike(t *testing.T) {
	w := newWire(t, 1)
	want, err := firewall.Desired(w.model)
	check(t, err)
	for _, table := range want {
		cmd := exec.Command("nft", "-f", "-")
		cmd.Stdin = strings.NewReader(table.Script())
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	w.allPass(t)
	w.nonePasses(t)
}

// TestWithoutWallsTheyPass is the control: without the tables every hostile
// frame comes out somewhere, so that the tests above see what they look for.
func TestWithoutWallsTheyPass(t *testing.T) {
	w := newWire(t, 1)
	floodAlways(t)
	for _, f := range hostile(t) {
		where := w.passed(t, f.tap(), f.bytes)
		switch {
		case where == nil && f.already == "":
			t.Errorf("%s: does not come out without walls either", f.name)
		case where != nil && f.already != "":
			t.Errorf("%s: comes out at %s, though %s", f.name, where, f.already)
		}
	}
}

func (w *wire) drops(t testing.TB) map[string]map[firewall.Reason]nft.Tally {
	t.Helper()
	d, err := firewall.Drops(context.Background(), w.model.Installation, w.wall)
	check(t, err)
	return d
}

// TestUnknownTapPassesNothing: a tap that is there before its elements, or
// after them, is closed.
func TestUnknownTapPassesNothing(t *testing.T) {
	w := newWire(t, 1)
	w.model.VMs = w.model.VMs[1:] // without web
	w.build(t)
	w.drain()
	for _, f := range append(legitimate(), hostileARP()...) {
		if err := w.send(web, f.bytes); err != nil {
			t.Fatalf("%s: %v", f.name, err)
		}
	}
	// Its own fence would not come through, so a neighbour's does.
	w.fence++
	fence := fenceFrame(neighbour, w.fence)
	check(t, w.send(neighbour, fence))
	if n := w.before(t, w.taps[six], vnetHeader, fence, false); n != 0 {
		t.Errorf("%d frames came out at the other guest", n)
	}
	if n := w.before(t, w.host, 0, fence, false); n != 0 {
		t.Errorf("%d frames came out at the host", n)
	}
	if d, counted := w.drops(t)[web]; counted {
		t.Errorf("what nobody is left for was counted: %v", d)
	}
}

// TestGuestAddsElementsOnly: neither rules nor other guests' elements change
// when one comes or goes.
func TestGuestAddsElementsOnly(t *testing.T) {
	state := func(guests int) nft.State {
		s, err := firewall.Desired(model(guests))
		check(t, err)
		return s
	}
	for _, guests := range []int{3, 1000} {
		more, less := nft.Diff(state(guests+1), state(guests)), nft.Diff(state(guests), state(guests+1))
		for act, changes := range map[nft.Act][]nft.Change{nft.AddElements: more, nft.DelElements: less} {
			n := 0
			for _, c := range changes {
				if c.Act != act {
					t.Errorf("%d guests: %s", guests, c)
				}
				n += len(c.Elems)
			}
			if n != 3 {
				t.Errorf("%d guests: %d elements for one more: %v", guests, n, changes)
			}
		}
	}
}

// TestCountsOutliveTheRules: replacing the policy loses no count, and a frame
// that nobody can count is dropped all the same.
func TestCountsOutliveTheRules(t *testing.T) {
	w := newWire(t, 1)
	w.build(t)
	steal := arp{sender: gatewayAddr, target: gatewayAddr}.frame()
	const times = 5
	for n := range times {
		if where := w.passed(t, web, steal); where != nil {
			t.Fatalf("came out at %s", where)
		}
		testkit.Sh(t, "nft", "delete table bridge ispctl-firewall")
		w.build(t)
		if got := w.drops(t)[web]["arp"]; got.Packets != uint64(n+1) || got.Bytes != got.Packets*28 {
			t.Errorf("%d frames of 28 bytes were counted as %+v", n+1, got)
		}
	}
	testkit.Sh(t, "nft", "delete table bridge ispctl-firewall.drops")
	if where := w.passed(t, web, steal); where != nil {
		t.Errorf("uncounted, it came out at %s", where)
	}
	if len(w.drops(t)) != 0 {
		t.Errorf("counted by a table that is gone: %v", w.drops(t))
	}
}

// TestReplacedUnderFlood replaces the tables again and again while a guest
// sends what may pass and what may not: none of the one is lost, none of the
// other gets through.
func TestReplacedUnderFlood(t *testing.T) {
	const replacements = 300
	w := newWire(t, 100)
	w.build(t)
	want, err := firewall.Desired(w.model)
	check(t, err)
	have, err := w.wall.Observe(t.Context())
	check(t, err)
	for key, table := range have {
		table.Structure += " of another version"
		have[key] = table
	}
	again := nft.Diff(want, have)
	steal := arp{sender: gatewayAddr, target: gatewayAddr}.frame()
	fair := ping4(neighbourMAC, webMAC)
	replaced := make(chan struct{})
	go func() {
		defer close(replaced)
		for range replacements {
			if err := w.wall.Apply(context.Background(), again); err != nil {
				t.Error(err)
			}
		}
	}()
	defer func() { <-replaced }()
	sent := 0
	for w.drain(); ; sent++ {
		for range 20 {
			check(t, w.send(web, steal))
		}
		check(t, w.send(web, fair))
		w.fence++
		fence := fenceFrame(web, w.fence)
		check(t, w.send(web, fence))
		if n := w.before(t, w.taps[neighbour], vnetHeader, fence, false); n != 1 {
			t.Fatalf("round %d: %d frames of one came through", sent, n)
		}
		select {
		case <-replaced:
			t.Logf("%d replacements in %d rounds", replacements, sent)
			return
		default:
		}
	}
}
