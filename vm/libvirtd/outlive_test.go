package libvirtd_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ispctl"
	"ispctl/internal/testkit"
)

// TestGuestsOutlive: whoever started a guest may go; who comes next finds it,
// stops it and removes it.
func TestGuestsOutlive(t *testing.T) {
	if !enter(t) {
		return
	}
	paths := furnish(t)
	first := worker(t, order{Model: 2}).ok(t)
	t.Logf("cold: connect and look %s, define and start two %s", first.Connect, first.Apply)
	before := qemus(t)
	if len(before[web1]) != 1 || len(before[mail1]) != 1 {
		t.Fatalf("guests did not outlive who started them: %v", before)
	}
	cached := capabilities(t, paths)

	again := worker(t, order{Model: 2}).ok(t)
	t.Logf("warm: connect, wait for two guests and look %s", again.Connect)
	if len(again.Changes) != 0 || !again.Running[web1] || !again.Running[mail1] {
		t.Errorf("the next one sees %+v", again)
	}
	if diff := cmp.Diff(before, qemus(t)); diff != "" {
		t.Errorf("a look changed what runs:\n%s", diff)
	}

	third := worker(t, order{Model: 3}).ok(t)
	t.Logf("redefine one, define one, remove one: %s", third.Apply)
	if now := qemus(t); len(now) != 1 || !slices.Equal(now[web1], before[web1]) {
		t.Errorf("want web1 alone, as it was, have %v", now)
	}
	last := worker(t, order{Model: 0}).ok(t)
	t.Logf("remove two: %s", last.Apply)
	if now := qemus(t); len(now) != 0 || len(last.Running) != 0 {
		t.Errorf("left over: %v, %v", now, last.Running)
	}
	if diff := cmp.Diff(cached, capabilities(t, paths)); diff != "" {
		t.Errorf("QEMU was asked for its capabilities again (-before +after):\n%s", diff)
	}
	t.Logf("left behind:\n%s", testkit.Sh(t, "find", paths.Embed(), "-type", "f"))
	for _, left := range []string{"run/qemu/*.xml", "run/qemu/*.pid", "etc/qemu/*.xml", "lib/qemu/domain-*"} {
		files, err := filepath.Glob(filepath.Join(paths.Embed(), left))
		must(t, err)
		files = slices.DeleteFunc(files, func(f string) bool { return filepath.Base(f) == "driver.pid" })
		if len(files) != 0 {
			t.Errorf("left behind: %v", files)
		}
	}
}

// capabilities is when QEMU's capabilities were written to the driver's cache.
func capabilities(t testing.TB, paths ispctl.Paths) map[string]time.Time {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(paths.Embed(), "cache/qemu/capabilities/*.xml"))
	must(t, err)
	times := map[string]time.Time{}
	for _, file := range files {
		st, err := os.Stat(file)
		must(t, err)
		times[filepath.Base(file)] = st.ModTime()
	}
	if len(times) == 0 {
		t.Fatal("the driver has no cache")
	}
	return times
}

// TestKilledInStart kills the starter at every stage of a start. The next pass
// comes to the same end, with one QEMU for each guest and none to spare.
func TestKilledInStart(t *testing.T) {
	testkit.Long(t, "40 s")
	if !enter(t) {
		return
	}
	furnish(t)
	worker(t, order{Model: 0}).ok(t)
	unfinished := 0
	// In the first tenth of a second the driver puts down what it is about to do,
	// forks, and learns which process is QEMU; then it talks to that.
	for _, after := range []time.Duration{0, 10, 20, 25, 30, 35, 40, 45, 50, 60, 80, 120, 200} {
		after *= time.Millisecond
		worker(t, order{Model: 0}).ok(t)
		p := worker(t, order{Model: 2})
		p.ready(t)
		time.Sleep(after)
		p.kill(t)
		t.Logf("killed after %s with %v", after, qemus(t))
		begin := time.Now()
		next := worker(t, order{Model: 2}).ok(t)
		if took := time.Since(begin); took > 8*time.Second {
			t.Errorf("killed after %s: the next pass took %s", after, took)
		}
		if len(next.Changes) != 0 {
			unfinished++
		}
		if !next.Running[web1] || !next.Running[mail1] {
			t.Errorf("killed after %s: the next pass comes to %+v", after, next)
		}
		if now := qemus(t); len(now[web1]) != 1 || len(now[mail1]) != 1 || len(now) != 2 {
			t.Errorf("killed after %s: then running: %v", after, now)
		}
	}
	worker(t, order{Model: 0}).ok(t)
	if now := qemus(t); len(now) != 0 {
		t.Errorf("left over: %v", now)
	}
	if unfinished == 0 {
		t.Error("no kill came before the end: nothing was proved")
	}
}

// TestOneProcessAtATime: the embedded driver's root is locked, and the error
// says so.
func TestOneProcessAtATime(t *testing.T) {
	if !enter(t) {
		return
	}
	furnish(t)
	holder := worker(t, order{Model: -1, Hold: time.Minute})
	holder.outcome(t)
	got := worker(t, order{Model: -1}).outcome(t)
	t.Log(got.Error)
	if got.Kind != ispctl.Conflict {
		t.Errorf("want a conflict, have kind %d: %s", got.Kind, got.Error)
	}
	patient := worker(t, order{Model: -1, Patience: time.Minute})
	time.Sleep(200 * time.Millisecond)
	holder.kill(t)
	patient.ok(t)
}
