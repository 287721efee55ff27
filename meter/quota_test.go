package meter_test

import (
	"math"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"ispctl"
	"ispctl/meter"
)

// TestJudge goes through a month and into the next, with the clock in hand.
func TestJudge(t *testing.T) {
	c := calendar(t, "Europe/Berlin")
	q := ispctl.Quota{VM: "web1", Volume: 1000, Direction: ispctl.DirectionSum, Day: 1, Action: ispctl.ActionThrottle, Rate: ispctl.Mbit}
	noon := time.Date(2026, 10, 20, 12, 0, 0, 0, time.UTC)
	var s meter.Standing
	step := func(name string, used uint64, now time.Time, acting ispctl.Action, want ...meter.Event) {
		t.Helper()
		var events []meter.Event
		s, events = meter.Judge(q, used, s, c, now)
		if s.Acting != acting || !slices.Equal(events, want) {
			t.Errorf("%s: %+v, %v; want acting %q, %v", name, s, events, acting, want)
		}
	}
	step("little", 799, noon, "")
	step("four fifths", 800, noon, "", meter.Warned)
	step("still", 801, noon, "")
	step("all", 1000, noon, ispctl.ActionThrottle, meter.Reached)
	if s.Rate != ispctl.Mbit {
		t.Errorf("throttled to %s", s.Rate)
	}
	step("more", 5000, noon, ispctl.ActionThrottle)
	step("corrected", 900, noon, "", meter.Released)
	step("and again", 1000, noon, ispctl.ActionThrottle, meter.Reached)
	step("the last second of October in Berlin", 2000, time.Date(2026, 10, 31, 22, 59, 59, 0, time.UTC), ispctl.ActionThrottle)
	step("the first of November", 0, time.Date(2026, 10, 31, 23, 0, 0, 0, time.UTC), "", meter.Released)
	step("all at once", 3000, time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC), ispctl.ActionThrottle, meter.Warned, meter.Reached)
	s.Lifted = true
	step("lifted", 3000, time.Date(2026, 11, 3, 0, 0, 0, 0, time.UTC), "", meter.Released)
	step("stays so", 4000, time.Date(2026, 11, 4, 0, 0, 0, 0, time.UTC), "")
	step("until December", 1000, time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC), ispctl.ActionThrottle, meter.Warned, meter.Reached)
	q.Volume = 2000
	step("a larger quota", 1000, time.Date(2026, 12, 2, 0, 0, 0, 0, time.UTC), "", meter.Released)
	q.Action, q.Rate = ispctl.ActionNotify, 0
	step("no more than a notice", 2000, time.Date(2026, 12, 3, 0, 0, 0, 0, time.UTC), "", meter.Warned, meter.Reached)
}

// TestMarksAreExact at any volume, against numbers without a bound.
func TestMarksAreExact(t *testing.T) {
	c := calendar(t, "UTC")
	rapid.Check(t, func(t *rapid.T) {
		volume := rapid.Int64Range(1, math.MaxInt64).Draw(t, "volume")
		used := rapid.Uint64().Draw(t, "used")
		if rapid.Bool().Draw(t, "near") {
			used = uint64(volume)/100*80 + rapid.Uint64Range(0, 200).Draw(t, "more")
		}
		s, _ := meter.Judge(ispctl.Quota{Volume: ispctl.Size(volume), Day: 1}, used, meter.Standing{}, c, time.Now())
		want := 0
		for _, percent := range []int64{80, 100} {
			need := new(big.Int).Mul(big.NewInt(volume), big.NewInt(percent))
			if new(big.Int).Mul(new(big.Int).SetUint64(used), big.NewInt(100)).Cmp(need) >= 0 {
				want = int(percent)
			}
		}
		if s.Step != want {
			t.Fatalf("%d of %d: step %d, want %d", used, volume, s.Step, want)
		}
	})
}

func TestBill(t *testing.T) {
	tariff := ispctl.Tariff{
		Currency: "EUR", Volume: ispctl.DirectionOut, Included: 1e12, PerGB: 5000, // 0.005
		Percentile: ispctl.DirectionMax, Committed: 10 * ispctl.Mbit, PerMbit: 1_250_000,
	}
	lines := meter.Bill(tariff, 1_234_500_000_000, func(d ispctl.Direction) uint64 {
		if d != ispctl.DirectionMax {
			t.Errorf("asked for %s", d)
		}
		return 450_000_000 // 12 Mbit/s
	})
	want := []meter.Line{
		{Measure: "volume", Direction: "out", Used: 1_234_500_000_000, Included: 1e12, Over: 234_500_000_000, Price: 5000, Amount: 1_170_000},
		{Measure: "percentile95", Direction: "max", Used: 12_000_000, Included: 10_000_000, Over: 2_000_000, Price: 1_250_000, Amount: 2_500_000},
	}
	if diff := cmp.Diff(want, lines); diff != "" || meter.Owed(lines).String() != "3.67" {
		t.Errorf("owed %s (-want +got):\n%s", meter.Owed(lines), diff)
	}
	if l := meter.Bill(tariff, -5, func(ispctl.Direction) uint64 { return 0 }); meter.Owed(l) != 0 {
		t.Errorf("less than nothing costs %s", meter.Owed(l))
	}
	// 1.1725 is rounded up, 1.1724 down.
	for volume, want := range map[int64]string{234_500_000_000: "1.17", 235_000_000_000: "1.18", 234_999_999_999: "1.17"} {
		if l := meter.Bill(ispctl.Tariff{Volume: ispctl.DirectionIn, PerGB: 5000}, volume, nil); meter.Owed(l).String() != want {
			t.Errorf("%d bytes cost %s, want %s", volume, meter.Owed(l), want)
		}
	}
	huge := meter.Bill(ispctl.Tariff{Volume: ispctl.DirectionIn, PerGB: math.MaxInt64}, math.MaxInt64, nil)
	if meter.Owed(huge) <= 0 {
		t.Error("it overflows")
	}
}
