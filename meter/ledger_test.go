package meter_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"ispctl/meter"
)

// world is a host whose true traffic we know. Its counters may be lost, its
// clock may jump, its meter may be killed.
type world struct {
	wall     time.Time
	boot     int
	sinceUp  time.Duration
	counters map[meter.Source]meter.Counts // what the kernel says
	sent     map[meter.Source]uint64       // the truth
	unread   map[meter.Source]uint64       // passed since the last reading that was stored
	began    map[meter.Source]bool         // anew since then: what is unread may be lost
	lost     map[meter.Source]uint64       // at most: what was unread when such a counter was read

	stored []byte // the ledger
	booked map[meter.ID]uint64
}

var sources = []meter.Source{"isp-1-0", "isp-2-0", "203.0.113.10"}

func owner(s meter.Source) (meter.ID, bool) {
	for i, one := range sources {
		if s == one {
			return meter.ID(i + 1), true
		}
	}
	return 0, false
}

func newWorld(start time.Time) *world {
	return &world{
		wall: start, sinceUp: time.Minute, counters: map[meter.Source]meter.Counts{}, sent: map[meter.Source]uint64{},
		unread: map[meter.Source]uint64{}, began: map[meter.Source]bool{}, lost: map[meter.Source]uint64{}, booked: map[meter.ID]uint64{},
	}
}

func (w *world) pass(d time.Duration) { w.wall, w.sinceUp = w.wall.Add(d), w.sinceUp+d }

func (w *world) send(s meter.Source, bytes uint64) { w.sendBy(s, meter.Internet, false, bytes) }

func (w *world) sendBy(s meter.Source, class meter.Class, in bool, bytes uint64) {
	c := w.counters[s]
	way := &c[class].Out
	if in {
		way = &c[class].In
	}
	way.Bytes += bytes
	way.Packets++
	w.counters[s] = c
	w.sent[s] += bytes
	w.unread[s] += bytes
}

func (w *world) lose(s meter.Source) {
	delete(w.counters, s)
	w.began[s] = true
}

// say is what the counters say now.
func (w *world) say() map[meter.Source]*meter.Counts {
	all := map[meter.Source]*meter.Counts{}
	for s, c := range w.counters {
		all[s] = &c
	}
	return all
}

// bytesOf is all bytes of counts.
func bytesOf(c meter.Counts) uint64 { return c.Total().In.Bytes + c.Total().Out.Bytes }

// read takes a reading, without the counters that it missed. A killed process
// has read, and stored nothing.
func (w *world) read(t interface{ Fatal(...any) }, killed bool, missed ...meter.Source) []meter.Sample {
	l, err := meter.DecodeLedger(w.stored)
	if err != nil {
		t.Fatal(err)
	}
	says := w.say()
	for _, s := range missed {
		delete(says, s)
	}
	done, _ := l.Take(meter.Reading{At: w.wall, SinceBoot: w.sinceUp, Boot: fmt.Sprint(w.boot), Counts: says}, owner)
	if killed {
		return nil
	}
	w.stored = l.Encode()
	for _, s := range sources {
		if slices.Contains(missed, s) {
			continue // what has passed is read by the next
		}
		if w.began[s] {
			w.lost[s] += w.unread[s]
		}
		if !w.counters[s].IsZero() {
			delete(w.began, s) // it has been seen as it is now
		}
		delete(w.unread, s)
	}
	for _, s := range done {
		w.booked[s.Meter] += bytesOf(s.Counts)
	}
	return done
}

// TestNothingTwiceAndLittleLost is the promise: whatever happens, what is booked
// is what was sent, but for what passed between the last stored reading and the
// loss of its counter.
func TestNothingTwiceAndLittleLost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(time.Date(2026, 3, 29, 0, 30, 0, 0, time.UTC))
		one := func() meter.Source { return rapid.SampledFrom(sources).Draw(t, "source") }
		seconds := func(least, most int) time.Duration {
			return time.Duration(rapid.IntRange(least, most).Draw(t, "seconds")) * time.Second
		}
		steps := rapid.IntRange(1, 60).Draw(t, "steps")
		for range steps {
			switch rapid.SampledFrom([]string{"send", "send", "send", "read", "read", "read", "kill", "miss", "recreate", "reboot", "jump", "silence"}).Draw(t, "step") {
			case "send":
				w.sendBy(one(), rapid.SampledFrom(meter.Classes()).Draw(t, "class"), rapid.Bool().Draw(t, "in"), rapid.Uint64Range(1, 1<<40).Draw(t, "bytes"))
				w.pass(seconds(0, 10))
			case "read":
				w.pass(seconds(0, 20))
				w.read(t, false)
			case "kill":
				w.pass(seconds(0, 20))
				w.read(t, true)
			case "miss":
				w.pass(seconds(0, 20))
				w.read(t, false, one())
			case "recreate":
				w.lose(one())
			case "reboot":
				for _, s := range sources {
					w.lose(s)
				}
				w.boot++
				w.sinceUp = seconds(1, 100)
				w.wall = w.wall.Add(seconds(1, 1000))
			case "jump":
				w.wall = w.wall.Add(seconds(-4000, 4000))
			case "silence":
				w.pass(seconds(60, 100_000))
			}
		}
		w.read(t, false)
		l, err := meter.DecodeLedger(w.stored)
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range sources {
			booked := w.booked[meter.ID(i+1)] + bytesOf(openOf(l, meter.ID(i+1)))
			if booked > w.sent[s] {
				t.Fatalf("%s: %d booked of %d sent: something was booked twice", s, booked, w.sent[s])
			}
			if missing := w.sent[s] - booked; missing > w.lost[s] {
				t.Fatalf("%s: %d missing, and at most %d passed in the intervals in which its counter was lost", s, missing, w.lost[s])
			}
		}
	})
}

// TestOneIntervalLost says how much: of a counter that is read every ten
// seconds, what passed since the last of these readings.
func TestOneIntervalLost(t *testing.T) {
	w := newWorld(time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC))
	for range 1000 {
		w.send("isp-1-0", 1000)
		w.pass(10 * time.Second)
		w.read(t, false)
	}
	w.send("isp-1-0", 77)
	w.lose("isp-1-0") // the tap is made anew
	w.send("isp-1-0", 500)
	w.pass(10 * time.Second)
	w.read(t, false)
	w.send("isp-1-0", 33)
	w.lose("isp-1-0")
	w.boot, w.sinceUp, w.wall = 1, 20*time.Second, w.wall.Add(time.Minute)
	w.send("isp-1-0", 600)
	w.read(t, false)
	if got, want := w.total(t, 1), uint64(1000*1000+500+600); got != want {
		t.Errorf("booked %d, want %d", got, want)
	}
}

func (w *world) total(t testing.TB, id meter.ID) uint64 {
	t.Helper()
	l, err := meter.DecodeLedger(w.stored)
	if err != nil {
		t.Fatal(err)
	}
	return w.booked[id] + bytesOf(openOf(l, id))
}

// openOf is what has passed a meter in the slot that is open.
func openOf(l *meter.Ledger, id meter.ID) meter.Counts {
	if c := l.Open[id]; c != nil {
		return *c
	}
	return meter.Counts{}
}

// TestSilenceIsSpread: what passed while nobody read makes no peak.
func TestSilenceIsSpread(t *testing.T) {
	w := newWorld(time.Date(2026, 10, 1, 12, 2, 0, 0, time.UTC))
	w.read(t, false)
	w.send("isp-1-0", 18_000)
	w.pass(30 * time.Minute) // 12:02 to 12:32
	done := w.read(t, false)
	var got []string
	for _, s := range done {
		got = append(got, fmt.Sprintf("%s %d", s.Slot.Start().Format("15:04"), s.Counts[meter.Internet].Out.Bytes))
	}
	want := []string{"12:00 1800", "12:05 3000", "12:10 3000", "12:15 3000", "12:20 3000", "12:25 3000"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := w.total(t, 1); got != 18_000 {
		t.Errorf("%d booked in all", got)
	}
}

// TestJumpOfTheClockMakesNoTraffic: ten seconds are ten seconds, whatever the
// wall clock says of them.
func TestJumpOfTheClockMakesNoTraffic(t *testing.T) {
	for _, jump := range []time.Duration{time.Hour, -time.Hour} {
		w := newWorld(time.Date(2026, 10, 1, 12, 2, 0, 0, time.UTC))
		w.read(t, false)
		w.send("isp-1-0", 1000)
		w.pass(10 * time.Second)
		w.wall = w.wall.Add(jump)
		w.read(t, false)
		w.wall = w.wall.Add(-jump)
		w.pass(10 * time.Second)
		done := w.read(t, false)
		if len(done) != 1 || done[0].Counts[meter.Internet].Out.Bytes != 1000 || w.total(t, 1) != 1000 {
			t.Errorf("jump by %s: %v, %d in all", jump, done, w.total(t, 1))
		}
	}
}

// TestNotes: what an operator should know of is said once, in a sentence.
func TestNotes(t *testing.T) {
	begin := time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)
	first := meter.Reading{At: begin, SinceBoot: time.Hour, Boot: "a"}
	for _, tt := range []struct {
		name string
		next meter.Reading
		want []meter.Note
	}{
		{"as usual", meter.Reading{At: begin.Add(10 * time.Second), SinceBoot: time.Hour + 10*time.Second, Boot: "a"}, nil},
		{"clock back", meter.Reading{At: begin.Add(-time.Hour), SinceBoot: time.Hour + 10*time.Second, Boot: "a"}, []meter.Note{"the clock was set back by 1h0m10s"}},
		{"silence", meter.Reading{At: begin.Add(time.Hour), SinceBoot: 2 * time.Hour, Boot: "a"}, []meter.Note{"nothing was read for 1h0m0s: what passed is spread evenly over that time"}},
		{"reboot", meter.Reading{At: begin.Add(time.Hour), SinceBoot: time.Second, Boot: "b"}, []meter.Note{"the host was restarted: what passed between the last reading at 2026-10-01T12:00:00Z and its end is not known"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := &meter.Ledger{}
			if _, notes := l.Take(first, owner); notes != nil {
				t.Errorf("at first: %v", notes)
			}
			_, notes := l.Take(tt.next, owner)
			if diff := cmp.Diff(tt.want, notes); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestOwnerChanges: what passed until a VM moved is the old meter's, and what
// passes then is the new one's.
func TestOwnerChanges(t *testing.T) {
	begin := time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)
	l := &meter.Ledger{}
	take := func(seconds int, bytes uint64, id meter.ID) {
		var c meter.Counts
		c[meter.Zones].In = meter.Way{Bytes: bytes, Packets: 1}
		at := time.Duration(seconds) * time.Second
		l.Take(meter.Reading{At: begin.Add(at), SinceBoot: at, Boot: "a", Counts: map[meter.Source]*meter.Counts{"isp-1-0": &c}},
			func(meter.Source) (meter.ID, bool) { return id, true })
	}
	l.Boot, l.Slot = "a", meter.SlotAt(begin)
	take(10, 100, 1)
	take(20, 300, 1)
	take(30, 350, 2)
	if a, b := openOf(l, 1)[meter.Zones].In.Bytes, openOf(l, 2)[meter.Zones].In.Bytes; a != 300 || b != 50 {
		t.Errorf("the old has %d, the new %d", a, b)
	}
}

func genCounts(t *rapid.T, name string) meter.Counts {
	var c meter.Counts
	n := rapid.SliceOfN(rapid.Uint64(), 16, 16).Draw(t, name)
	keep := rapid.Uint16().Draw(t, "mask")
	for i := range n {
		if keep&(1<<i) == 0 {
			n[i] = 0
		}
	}
	for i := range c {
		c[i] = meter.Pair{In: meter.Way{Bytes: n[4*i], Packets: n[4*i+1]}, Out: meter.Way{Bytes: n[4*i+2], Packets: n[4*i+3]}}
	}
	return c
}

func TestLedgerIsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := &meter.Ledger{
			At: time.Unix(0, rapid.Int64().Draw(t, "at")).UTC(), SinceBoot: time.Duration(rapid.Int64().Draw(t, "up")), Boot: rapid.String().Draw(t, "boot"),
			Slot: meter.Slot(rapid.Int64().Draw(t, "slot")), Last: map[meter.Source]*meter.Counts{}, Open: map[meter.ID]*meter.Counts{},
		}
		for range rapid.IntRange(0, 4).Draw(t, "n") {
			l.Last[meter.Source(rapid.String().Draw(t, "source"))] = new(genCounts(t, "last"))
			l.Open[meter.ID(rapid.Int64().Draw(t, "id"))] = new(genCounts(t, "open"))
		}
		b := l.Encode()
		back, err := meter.DecodeLedger(b)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(l, back); diff != "" {
			t.Fatal(diff)
		}
		if cut := rapid.IntRange(1, len(b)-1).Draw(t, "cut"); len(l.Last)+len(l.Open) > 0 {
			if short, err := meter.DecodeLedger(b[:cut]); err == nil && cmp.Equal(l, short) {
				t.Fatal("what is cut off is read as if it were whole")
			}
		}
	})
}

func TestSamplesAreReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		series := map[meter.Slot]meter.Counts{}
		var slot []meter.Sample
		var id meter.ID
		for range rapid.IntRange(0, 5).Draw(t, "n") {
			series[meter.Slot(rapid.Int64Range(0, 1<<40).Draw(t, "slot"))] = genCounts(t, "c")
			id += meter.ID(rapid.Int64Range(1, 1<<40).Draw(t, "id"))
			slot = append(slot, meter.Sample{Meter: id, Counts: genCounts(t, "c")})
		}
		back := map[meter.Slot]meter.Counts{}
		if err := meter.DecodeSeries(meter.EncodeSeries(series), func(s meter.Slot, c meter.Counts) { back[s] = c }); err != nil {
			t.Fatal(err)
		}
		var slots []meter.Sample
		if err := meter.DecodeSlot(meter.EncodeSlot(slot), func(id meter.ID, c meter.Counts) { slots = append(slots, meter.Sample{Meter: id, Counts: c}) }); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(series, back, cmpopts.EquateEmpty()) + cmp.Diff(slot, slots, cmpopts.EquateEmpty()); diff != "" {
			t.Fatal(diff)
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add((&meter.Ledger{Boot: "x", Last: map[meter.Source]*meter.Counts{"a": {}}}).Encode())
	f.Fuzz(func(_ *testing.T, b []byte) {
		_, _ = meter.DecodeLedger(b)
		_ = meter.DecodeSlot(b, func(meter.ID, meter.Counts) {})
		_ = meter.DecodeSeries(b, func(meter.Slot, meter.Counts) {})
		_, _ = meter.DecodeCounts(b)
	})
}

// TestAnewByPackets: a counter that says more bytes of fewer packets began anew,
// and all of it is booked.
func TestAnewByPackets(t *testing.T) {
	old := meter.Counts{meter.Internet: {In: meter.Way{Bytes: 100, Packets: 10}}}
	now := meter.Counts{meter.Internet: {In: meter.Way{Bytes: 3000, Packets: 2}}}
	if got := now.Since(&old); got != now {
		t.Errorf("booked %+v of %+v", got, now)
	}
}

// TestFirstReading books nothing of a time when nothing of ours was there, however
// long the host has been up; and after a restart nothing of before it.
func TestFirstReading(t *testing.T) {
	for _, c := range []struct {
		what  string
		last  string // boot
		slots int
	}{{"the first there is", "", 1}, {"the first after a restart", "a", 12}} {
		l := meter.Ledger{Boot: c.last}
		begin := time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)
		at := func(after time.Duration, octets uint64) meter.Reading {
			return meter.Reading{
				At: begin.Add(after), SinceBoot: time.Hour + after, Boot: "b",
				Counts: map[meter.Source]*meter.Counts{sources[0]: {{In: meter.Way{Bytes: octets, Packets: 60}}}},
			}
		}
		done, _ := l.Take(at(0, 3600), owner)
		rest, _ := l.Take(at(meter.SlotLength, 3600), owner)
		slots := map[meter.Slot]bool{}
		for _, s := range append(done, rest...) {
			slots[s.Slot] = true
		}
		if len(slots) != c.slots {
			t.Errorf("%s: booked in %d slots, want %d", c.what, len(slots), c.slots)
		}
	}
}
