package firewall_test

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"ispctl/net/firewall"
	"ispctl/net/nft"
)

// crowds are the numbers of guests that the frames are tried among.
var crowds = []int{1, 1000}

func TestLegitimateFramesPass(t *testing.T) {
	for _, guests := range crowds {
		t.Run(fmt.Sprintf("%d guests", guests), func(t *testing.T) {
			w := newWire(t, guests)
			w.build(t)
			w.allPass(t)
		})
	}
}

func (w *wire) allPass(t *testing.T) {
	t.Helper()
	frames := append(legitimate(), legitimate6()...)
	if len(frames) < 50 {
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
	frames := slices.Concat(hostileLink(t), hostileARP(), hostileIPv4(), hostileIPv6())
	if len(frames) < 400 {
		t.Errorf("only %d frames", len(frames))
	}
	return frames
}

// TestHostileFramesDoNotPass also checks that each is counted once, for its
// reason, and that the bridge learned nobody's address but the guests' own.
func TestHostileFramesDoNotPass(t *testing.T) {
	for _, guests := range crowds {
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
