package bench

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ispctl"
)

// BenchmarkNothingToDo is a pass of converge on a host that is as wanted: lock,
// read the model, ask every layer, keep the books. Beside the pass it reports
// what the model and each layer take by themselves: a pass asks all at once.
func BenchmarkNothingToDo(b *testing.B) {
	for _, n := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("vms=%d", n), func(b *testing.B) {
			h := newHost(b)
			h.apply(b, n)
			b.Run("pass", h.benchmarkPass)
			writesNothing(b, h)
		})
	}
}

func (h *host) benchmarkPass(b *testing.B) {
	var passes []time.Duration
	before := cpuTime(b)
	for b.Loop() {
		passes = append(passes, timed(func() { h.converge(b) }))
	}
	b.ReportMetric(milliseconds(cpuTime(b)-before)/float64(b.N), "cpu-ms")
	reportMedian(b, passes, "pass-ms")
	var models []time.Duration
	parts := map[string][]time.Duration{}
	for range passes {
		var m *ispctl.Model
		models = append(models, timed(func() {
			var err error
			m, err = h.Model(b.Context())
			check(b, err)
		}))
		for _, l := range h.Layers {
			parts[l.Name()] = append(parts[l.Name()], timed(func() {
				_, err := l.Pending(b.Context(), m)
				check(b, err)
			}))
		}
	}
	reportMedian(b, models, "model-ms")
	for name, all := range parts {
		reportMedian(b, all, name+"-ms")
	}
	b.ReportMetric(0, "ns/op") // the median says it
}

// TestNothingToDoWritesNothing is the other half of the promise, without a
// clock.
func TestNothingToDoWritesNothing(t *testing.T) {
	h := newHost(t)
	h.apply(t, 3)
	h.converge(t)
	writesNothing(t, h)
}

// writesNothing runs passes and fails the test if they change a byte or a time
// of any file under the root or of the temporary directory, or anything that
// nft and ip tell of.
func writesNothing(tb testing.TB, h *host) {
	tb.Helper()
	const passes = 3
	temp := tempDir(tb)
	before := files(tb, h.Paths.Root, temp)
	told := listen(tb)
	for range passes {
		h.converge(tb)
	}
	for _, line := range told() {
		tb.Errorf("a pass with nothing to do: %s", line)
	}
	if diff := cmp.Diff(before, files(tb, h.Paths.Root, temp)); diff != "" {
		tb.Errorf("a pass with nothing to do wrote (-before +after):\n%s", diff)
	}
}

// files are all files below some directories, with their times.
func files(tb testing.TB, dirs ...string) map[string]string {
	tb.Helper()
	all := map[string]string{}
	for _, dir := range dirs {
		check(tb, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := d.Info()
			all[path] = fmt.Sprintf("%s %d %s", info.Mode(), info.Size(), info.ModTime().Format(time.RFC3339Nano))
			return err
		}))
	}
	return all
}
