package meter_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ispctl/meter"
)

func calendar(t testing.TB, zone string) meter.Calendar {
	t.Helper()
	c, err := meter.NewCalendar(zone)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestMonths(t *testing.T) {
	for _, tt := range []struct {
		zone, at string
		day      int
		from, to string
		slots    int
	}{
		{"UTC", "2026-10-15T00:00:00Z", 1, "2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z", 8928},
		{"UTC", "2026-02-28T23:59:59Z", 1, "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z", 8064},
		// The hour that is gone in March comes back in October.
		{"Europe/Berlin", "2026-03-15T00:00:00Z", 1, "2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z", 8916},
		{"Europe/Berlin", "2026-10-15T00:00:00Z", 1, "2026-09-30T22:00:00Z", "2026-10-31T23:00:00Z", 8940},
		{"Europe/Berlin", "2026-09-30T22:00:00Z", 1, "2026-09-30T22:00:00Z", "2026-10-31T23:00:00Z", 8940},
		{"Europe/Berlin", "2026-09-30T21:59:59Z", 1, "2026-08-31T22:00:00Z", "2026-09-30T22:00:00Z", 8640},
		{"Asia/Kathmandu", "2026-10-15T00:00:00Z", 1, "2026-09-30T18:15:00Z", "2026-10-31T18:15:00Z", 8928},
		{"UTC", "2026-10-15T00:00:00Z", 20, "2026-09-20T00:00:00Z", "2026-10-20T00:00:00Z", 8640},
		{"UTC", "2026-03-30T12:00:00Z", 31, "2026-02-28T00:00:00Z", "2026-03-31T00:00:00Z", 8928},
		{"UTC", "2026-03-31T12:00:00Z", 31, "2026-03-31T00:00:00Z", "2026-04-30T00:00:00Z", 8640},
		{"UTC", "2026-01-15T00:00:00Z", 20, "2025-12-20T00:00:00Z", "2026-01-20T00:00:00Z", 8928},
	} {
		at, err := time.Parse(time.RFC3339, tt.at)
		if err != nil {
			t.Fatal(err)
		}
		p := calendar(t, tt.zone).Month(at, tt.day)
		if from, to := p.From.Format(time.RFC3339), p.To.Format(time.RFC3339); from != tt.from || to != tt.to || p.Slots() != tt.slots {
			t.Errorf("%s in %s from day %d: %s to %s, %d slots", tt.at, tt.zone, tt.day, from, to, p.Slots())
		}
	}
}

// TestDaysJoin: whatever clocks do, days are next to each other and months are
// whole days.
func TestDaysJoin(t *testing.T) {
	for _, zone := range []string{"UTC", "Europe/Berlin", "America/Havana", "America/Sao_Paulo", "Asia/Beirut", "Pacific/Apia", "Australia/Lord_Howe", "Asia/Kathmandu"} {
		c := calendar(t, zone)
		at := time.Date(2010, 1, 1, 12, 0, 0, 0, time.UTC)
		day := c.Day(at)
		for day.From.Year() < 2027 {
			next := c.Day(day.To)
			if !next.From.Equal(day.To) || !next.To.After(next.From) {
				t.Fatalf("%s: after %v comes %v", zone, day, next)
			}
			if m := c.Month(day.From, 1); day.From.Before(m.From) || day.To.After(m.To) {
				t.Fatalf("%s: day %v is not inside its month %v", zone, day, m)
			}
			if last := day.To.Add(-time.Nanosecond); c.Day(last) != day || c.Day(day.From) != day {
				t.Fatalf("%s: the ends of %v are in %v and %v", zone, day, c.Day(day.From), c.Day(last))
			}
			day = next
		}
	}
}

func TestParseMonth(t *testing.T) {
	c := calendar(t, "Europe/Berlin")
	p, err := c.ParseMonth("2026-10")
	if err != nil || p != c.Month(time.Date(2026, 10, 9, 0, 0, 0, 0, time.UTC), 1) || c.MonthName(p.From) != "2026-10" {
		t.Errorf("%v, %v", p, err)
	}
	for _, bad := range []string{"", "2026", "2026-13", "2026-1", "10-2026", "2026-10-01", "last"} {
		if _, err := c.ParseMonth(bad); err == nil {
			t.Errorf("%q is taken for a month", bad)
		}
	}
	for _, bad := range []string{"Local", "Europe/Atlantis", "../etc/passwd"} {
		if _, err := meter.NewCalendar(bad); err == nil {
			t.Errorf("%q is taken for a time zone", bad)
		}
	}
}

// TestPercentile holds it against its definition: the lowest value that at
// least 95 in a hundred slots do not exceed.
func TestPercentile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bytes := rapid.SliceOfN(rapid.Uint64Range(0, 40), 0, 300).Draw(t, "bytes")
		n := len(bytes) + rapid.IntRange(0, 300).Draw(t, "zeros")
		all := append(slices.Clone(bytes), make([]uint64, n-len(bytes))...)
		want := uint64(0)
		for v := uint64(0); n > 0; v++ {
			under := 0
			for _, b := range all {
				if b <= v {
					under++
				}
			}
			if float64(under) >= math.Ceil(0.95*float64(n)-1e-9) {
				want = v
				break
			}
		}
		if got := meter.Percentile95(bytes, n); got != want {
			t.Fatalf("%d, want %d", got, want)
		}
	})
	if got := meter.Rate(37_500_000); got != 1_000_000 {
		t.Errorf("37.5 MB in five minutes are %d bit/s", got)
	}
	if got := meter.Rate(math.MaxUint64); got == 0 {
		t.Error("the highest rate overflows")
	}
}
