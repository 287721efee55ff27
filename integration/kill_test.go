package integration

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestKilledWhileCreating kills ispctl at random moments of `vm create`. Either
// the promise was not yet made, and nothing is there, or the next pass keeps
// it; the one after finds nothing to do.
func TestKilledWhileCreating(t *testing.T) {
	w := newWorld(t, "embed")
	w.ok("image", "build", "micro")
	w.ok("zone", "create", "dmz", "--prefix", "10.10.0.0/24")
	w.ok("plan", "create", "tiny", "--memory", "128MiB", "--disk", "256MiB")

	started := time.Now()
	w.ok("vm", "create", "whole", "--template", "micro", "--zone", "dmz", "--plan", "tiny", "--ssh-key", w.key+".pub")
	span := time.Since(started)
	w.ok("vm", "destroy", "whole")

	const seed, trials = 7, 12
	random := rand.New(rand.NewPCG(seed, seed))
	kept, dropped := 0, 0
	for i := range trials {
		name := fmt.Sprintf("vm%d", i)
		cmd := w.command("vm", "create", name, "--template", "micro", "--zone", "dmz", "--plan", "tiny", "--ssh-key", w.key+".pub")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		after := time.Duration(random.Int64N(int64(span)))
		time.Sleep(after)
		if err := cmd.Process.Signal(unix.SIGKILL); err != nil && !strings.Contains(err.Error(), "finished") {
			t.Fatal(err)
		}
		_ = cmd.Wait() // killed, or done just before
		w.ok("converge")
		if out := w.ok("converge", "--dry-run"); strings.TrimSpace(out) != "no changes" {
			t.Fatalf("killed after %v: the second pass changes:\n%s", after, out)
		}
		if r := w.run("vm", "show", name, "-o", "json"); r.code == 3 {
			dropped++
			continue
		}
		kept++
		if vm := w.vm(name); vm.State != "running" {
			t.Fatalf("killed after %v: state %s %s", after, vm.State, vm.Error)
		}
		w.ok("vm", "start", name, "--wait")
		w.ok("vm", "destroy", name)
	}
	t.Logf("%d of %d killed before the promise, %d after; a whole create takes %v", dropped, trials, kept, span)
	if kept == 0 {
		t.Error("no kill fell after the promise: the test proves nothing")
	}
	if links := w.in(w.provider, "ip", "-o", "link", "show", "type", "tun"); links != "" {
		t.Errorf("taps are left:\n%s", links)
	}
}

// TestSecondWaits holds the host lock and expects another ispctl to wait, and
// then to say who is in the way.
func TestSecondWaits(t *testing.T) {
	w := newWorld(t, "test:///default")
	holder := w.command("vm", "list")
	holder.Path, holder.Args = "/usr/bin/flock", []string{"flock", w.root + "/run/ispctl/lock", "sleep", "4"}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = holder.Wait() }()
	time.Sleep(300 * time.Millisecond) // flock has it by then; if not, the next line fails and says so
	w.fails(5, "another ispctl has been at work", "--lock-timeout", "500ms", "zone", "create", "dmz", "--prefix", "10.10.0.0/24")
	w.ok("--lock-timeout", "20s", "zone", "create", "dmz", "--prefix", "10.10.0.0/24")
}
