package images

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"ispctl"
	"ispctl/internal/testkit"
)

// BenchmarkOverlay makes durable overlays of 4 GiB, in turns with qemu-img and a
// sync, and has qemu-img check ours (goal P4). It reports medians.
func BenchmarkOverlay(b *testing.B) {
	dir := b.TempDir()
	base := filepath.Join(dir, "base")
	testkit.Sh(b, "truncate", "-s", "1G", base)
	var ours, theirs []time.Duration
	for n := 0; b.Loop(); n++ {
		mine, other := filepath.Join(dir, fmt.Sprintf("a%d", n)), filepath.Join(dir, fmt.Sprintf("b%d", n))
		begin := time.Now()
		if err := CreateOverlay(mine, base, 4*ispctl.GiB); err != nil {
			b.Fatal(err)
		}
		ours = append(ours, time.Since(begin))
		begin = time.Now()
		if out, err := exec.Command("sh", "-ec", `qemu-img create -q -f qcow2 -F raw -b "$0" "$1" 4G && sync "$1"`, base, other).CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
		theirs = append(theirs, time.Since(begin))
		b.StopTimer()
		testkit.Sh(b, "qemu-img", "check", "-q", "-f", "qcow2", mine)
		testkit.Sh(b, "qemu-img", "compare", "-q", "-f", "qcow2", "-F", "qcow2", mine, other)
		b.StartTimer()
	}
	b.ReportMetric(float64(median(ours).Microseconds())/1000, "ours-ms")
	b.ReportMetric(float64(median(theirs).Microseconds())/1000, "qemu-img-ms")
	b.ReportMetric(float64(median(theirs))/float64(median(ours)), "times")
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}
