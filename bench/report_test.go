package bench

import (
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// timed is how long fn takes.
func timed(fn func()) time.Duration {
	start := time.Now()
	fn()
	return time.Since(start)
}

// cpuTime is what this process has had of the processors. It is steadier than
// the clock where others work on the same machine.
func cpuTime(tb testing.TB) time.Duration {
	tb.Helper()
	var u unix.Rusage
	check(tb, unix.Getrusage(unix.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// median is the middle one, or the lower of the two.
func median(all []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[(len(sorted)-1)/2]
}

// reportMedian reports the median in milliseconds.
func reportMedian(b *testing.B, all []time.Duration, unit string) {
	b.Helper()
	b.ReportMetric(milliseconds(median(all)), unit)
}
