package state_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ispctl"
	"ispctl/meter"
	"ispctl/state"
)

func openUsage(t testing.TB, root string) *state.Usage {
	t.Helper()
	u, err := state.OpenUsage(t.Context(), ispctl.Paths{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = u.Close() })
	return u
}

// own makes a VM of every source.
func own(s meter.Source) *state.Meter {
	return &state.Meter{Kind: state.VMMeter, Ref: "uuid-" + string(s), Name: string(s), Zone: "dmz", Plan: "small"}
}

// reading is of counters that have each counted n bytes in and 2n out.
func reading(at time.Time, up time.Duration, n map[meter.Source]uint64) meter.Reading {
	r := meter.Reading{At: at, SinceBoot: up, Boot: "b", Counts: map[meter.Source]*meter.Counts{}}
	for s, bytes := range n {
		var c meter.Counts
		c[meter.Internet] = meter.Pair{In: meter.Way{Bytes: bytes, Packets: bytes / 100}, Out: meter.Way{Bytes: 2 * bytes, Packets: bytes / 50}}
		r.Counts[s] = &c
	}
	return r
}

var begin = time.Date(2026, 10, 24, 12, 0, 0, 0, time.UTC)

// picture is all samples of a usage database.
func picture(t testing.TB, u *state.Usage, span state.Span) map[string]uint64 {
	t.Helper()
	all := map[string]uint64{}
	err := u.Each(t.Context(), span, nil, func(id meter.ID, s meter.Slot, c meter.Counts) {
		all[fmt.Sprintf("%d %s", id, s.Start().Format("02 15:04"))] += c[meter.Internet].In.Bytes
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

var ever = state.Span{First: 0, End: 1 << 40}

// TestFoldingChangesNothing: whatever is asked, the answer is the same before
// and after days are folded, with samples that come late and a time zone that is
// changed on the way.
func TestFoldingChangesNothing(t *testing.T) {
	u := openUsage(t, t.TempDir())
	random := rand.New(rand.NewPCG(1, 1))
	counted := map[meter.Source]uint64{}
	at, up := begin, time.Hour
	berlin, err := meter.NewCalendar("Europe/Berlin")
	check(t, err)
	samoa, err := meter.NewCalendar("Pacific/Apia")
	check(t, err)
	var sum uint64
	for range 900 {
		step := time.Duration(random.IntN(900)) * time.Second
		at, up = at.Add(step), up+step
		s := meter.Source(fmt.Sprintf("isp-%d-0", random.IntN(3)))
		n := uint64(random.IntN(100_000))
		counted[s] += n
		sum += n
		when := at
		if random.IntN(50) == 0 {
			when = at.Add(-30 * time.Hour) // the clock is wrong for a while
		}
		_, err := u.Book(t.Context(), reading(when, up, maps.Clone(counted)), own)
		check(t, err)
		if random.IntN(60) == 0 {
			before := picture(t, u, ever)
			c := berlin
			if random.IntN(2) == 0 {
				c = samoa
			}
			days, err := u.Fold(t.Context(), c, at)
			check(t, err)
			if diff := cmp.Diff(before, picture(t, u, ever)); diff != "" {
				t.Fatalf("%d days folded (-before +after):\n%s", days, diff)
			}
		}
	}
	var all uint64
	for _, n := range picture(t, u, ever) {
		all += n
	}
	if all != sum {
		t.Errorf("%d stored of %d counted", all, sum)
	}
	// Sums of any span are those of its samples.
	for range 50 {
		from := meter.SlotAt(begin.Add(-40*time.Hour)) + meter.Slot(random.IntN(2000))
		span := state.Span{First: from, End: from + meter.Slot(random.IntN(1500))}
		want := map[meter.ID]meter.Counts{}
		check(t, u.Each(t.Context(), span, nil, func(id meter.ID, _ meter.Slot, c meter.Counts) { want[id] = want[id].Plus(c) }))
		got, err := u.Sums(t.Context(), span, nil)
		check(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%v: (-samples +sums):\n%s", span, diff)
		}
		only := map[meter.ID]bool{2: true}
		one, err := u.Sums(t.Context(), span, only)
		check(t, err)
		if one[2] != want[2] || len(one) > 1 {
			t.Fatalf("%v: of one meter: %v, want %v", span, one, want[2])
		}
	}
	// Thinning keeps every day's sum.
	sums, err := u.Sums(t.Context(), ever, nil)
	check(t, err)
	_, err = u.Fold(t.Context(), berlin, at.Add(100*time.Hour))
	check(t, err)
	n, err := u.Thin(t.Context(), at)
	check(t, err)
	again, err := u.Sums(t.Context(), ever, nil)
	check(t, err)
	if diff := cmp.Diff(sums, again); diff != "" || n == 0 {
		t.Errorf("%d days thinned (-before +after):\n%s", n, diff)
	}
}

// TestMovedVM: the meter changes with the zone, and comes back with it; the
// name is the last.
func TestMovedVM(t *testing.T) {
	u := openUsage(t, t.TempDir())
	zone, name := "dmz", "web1"
	owner := func(meter.Source) *state.Meter {
		return &state.Meter{Kind: state.VMMeter, Ref: "u", Name: name, Zone: zone, Plan: "small"}
	}
	for i, z := range []string{"dmz", "mail", "dmz"} {
		zone = z
		if i == 2 {
			name = "www"
		}
		at := time.Duration(i+1) * time.Second
		_, err := u.Book(t.Context(), reading(begin.Add(at), at, map[meter.Source]uint64{"isp-1-0": uint64(1000 * (i + 1))}), owner)
		check(t, err)
	}
	all, err := u.Meters(t.Context())
	check(t, err)
	sums, err := u.Sums(t.Context(), ever, nil)
	check(t, err)
	got := map[string]uint64{}
	for _, m := range all {
		got[m.Name+" in "+m.Zone] = sums[m.ID][meter.Internet].In.Bytes
	}
	if diff := cmp.Diff(map[string]uint64{"www in dmz": 2000, "web1 in mail": 1000}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestTwoWhoBook: a command beside serve books what serve has not, and serve
// goes on from there.
func TestTwoWhoBook(t *testing.T) {
	root := t.TempDir()
	a, b := openUsage(t, root), openUsage(t, root)
	for i := range 10 {
		u := a
		if i%3 == 1 {
			u = b
		}
		at := time.Duration(i) * time.Second
		_, err := u.Book(t.Context(), reading(begin.Add(at), time.Hour+at, map[meter.Source]uint64{"isp-1-0": uint64(100 * (i + 1))}), own)
		check(t, err)
	}
	sums, err := a.Sums(t.Context(), ever, nil)
	check(t, err)
	if got := sums[1][meter.Internet].In.Bytes; got != 1000 {
		t.Errorf("%d booked of 1000", got)
	}
}

const bookerEnv = "ISPCTL_TEST_BOOKER"

// TestKilled ends a process that books as fast as it can, again and again, with
// SIGKILL: what is booked in the end is what was counted.
func TestKilled(t *testing.T) {
	if root := os.Getenv(bookerEnv); root != "" {
		u := openUsage(t, root)
		for {
			// The counter is the clock itself, so that it goes on over kills.
			now := time.Now()
			n := uint64(now.Sub(begin).Nanoseconds())
			if _, err := u.Book(context.Background(), reading(now, time.Duration(n), map[meter.Source]uint64{"isp-1-0": n}), own); err != nil {
				t.Fatal(err)
			}
			fmt.Println("BOOKED", n)
		}
	}
	root := t.TempDir()
	random := rand.New(rand.NewPCG(2, 2))
	var last uint64
	for round := range 15 {
		cmd := exec.Command("/proc/self/exe", "-test.run=^TestKilled$")
		cmd.Env = append(os.Environ(), bookerEnv+"="+root)
		out, err := cmd.StdoutPipe()
		check(t, err)
		check(t, cmd.Start())
		lines := bufio.NewScanner(out)
		// Every third is killed at any time of its start, the others while they
		// book, however long a busy machine takes to bring them there.
		if round%3 > 0 {
			lines.Scan()
		}
		time.Sleep(time.Duration(random.IntN(60)) * time.Millisecond)
		check(t, cmd.Process.Kill())
		for line := lines.Text(); ; line = lines.Text() {
			var n uint64
			if _, err := fmt.Sscanf(line, "BOOKED %d", &n); err == nil {
				last = max(last, n)
			}
			if !lines.Scan() {
				break
			}
		}
		_ = cmd.Wait()
	}
	if last == 0 {
		t.Fatal("nothing was ever booked: the kills prove nothing")
	}
	u := openUsage(t, root)
	at := begin.Add(time.Duration(last) + time.Hour)
	end := uint64(at.Sub(begin).Nanoseconds())
	_, err := u.Book(t.Context(), reading(at, time.Duration(end), map[meter.Source]uint64{"isp-1-0": end}), own)
	check(t, err)
	sums, err := u.Sums(t.Context(), ever, nil)
	check(t, err)
	if got := sums[1][meter.Internet].In.Bytes; got != end {
		t.Errorf("%d booked of %d", got, end)
	}
}

// TestDamaged: a file that is no database is refused, with what to do.
func TestDamaged(t *testing.T) {
	root := t.TempDir()
	u := openUsage(t, root)
	_, err := u.Book(t.Context(), reading(begin, time.Hour, map[meter.Source]uint64{"isp-1-0": 100}), own)
	check(t, err)
	check(t, u.BackUp(t.Context()))
	check(t, u.Close())
	path := ispctl.Paths{Root: root}.Usage()
	check(t, os.WriteFile(path, []byte(strings.Repeat("this is no database ", 1000)), 0o600))
	_, err = state.OpenUsage(t.Context(), ispctl.Paths{Root: root})
	if e, ok := errors.AsType[*ispctl.Error](err); !ok || !strings.Contains(e.Next, path+".yesterday") {
		t.Errorf("%v", err)
	}
	backup, err := os.ReadFile(path + ".yesterday")
	check(t, err)
	check(t, os.WriteFile(path, backup, 0o600))
	sums, err := openUsage(t, root).Sums(t.Context(), ever, nil)
	if check(t, err); sums[1][meter.Internet].In.Bytes != 100 {
		t.Errorf("the copy has %v", sums)
	}
}

func TestCorrections(t *testing.T) {
	u := openUsage(t, t.TempDir())
	_, err := u.Book(t.Context(), reading(begin, time.Hour, map[meter.Source]uint64{"isp-1-0": 100}), own)
	check(t, err)
	c := state.Correction{Meter: 1, Slot: meter.SlotAt(begin), In: -50, Out: 7, Reason: "an attack", Actor: "tester", At: begin}
	check(t, u.Correct(t.Context(), c))
	got, err := u.Corrections(t.Context(), ever)
	check(t, err)
	if diff := cmp.Diff([]state.Correction{c}, got); diff != "" {
		t.Error(diff)
	}
	c.Meter = 99
	if err := u.Correct(t.Context(), c); err == nil {
		t.Error("a correction of no meter")
	}
	check(t, u.CloseMonth(t.Context(), "2026-10", begin, []byte("1")))
	check(t, u.CloseMonth(t.Context(), "2026-10", begin, []byte("2")))
	if b, err := u.ClosedMonth(t.Context(), "2026-10"); err != nil || string(b) != "1" {
		t.Errorf("%s, %v: a month that is closed was changed", b, err)
	}
	if b, err := u.ClosedMonth(t.Context(), "2026-11"); err != nil || b != nil {
		t.Errorf("%s, %v", b, err)
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
