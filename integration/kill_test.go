package integration

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var killTrials = flag.Int("kill.trials", 4, "how often ispctl is killed while it makes, rebuilds or destroys a VM")

// killed is a world in which a VM is made, made anew and destroyed, and how long
// each takes when it is left alone.
type killed struct {
	*world
	span     map[string]time.Duration
	nothing  string // what is on the host without a VM
	promised map[string]int
	random   *rand.Rand
}

func (k *killed) args(act, name string) []string {
	switch act {
	case "create":
		return []string{"vm", "create", name, "--template", "micro", "--zone", "dmz", "--plan", "tiny", "--ssh-key", k.key + ".pub"}
	case "rebuild":
		return []string{"vm", "rebuild", name, "--yes"}
	}
	return []string{"vm", act, name, "--yes"}
}

// TestKilled kills ispctl at random moments of `vm create`, `vm rebuild` and `vm
// destroy`. Either the promise was not yet made, and all is as it was, or the
// next pass keeps it; the one after finds nothing to do, and nothing else is
// anywhere on the host.
func TestKilled(t *testing.T) {
	t.Parallel() // it waits for guests, mostly
	k := &killed{world: newWorld(t, "embed"), span: map[string]time.Duration{}, promised: map[string]int{}, random: rand.New(rand.NewPCG(7, 7))}
	k.ok("image", "build", "micro")
	k.ok("zone", "create", "dmz", "--prefix", "10.10.0.0/24")
	k.ok("plan", "create", "tiny", "--memory", "128MiB", "--disk", "256MiB")
	acts := []string{"create", "rebuild", "destroy"}
	for _, act := range acts {
		started := time.Now()
		k.ok(k.args(act, "whole")...)
		k.span[act] = time.Since(started)
	}
	k.nothing = k.look()
	trial := func(i int, act string, late bool) {
		t.Helper()
		name := fmt.Sprintf("vm%d", i)
		if act != "create" {
			k.ok(k.args("create", name)...)
		}
		before := k.look()
		after := k.kill(act, name, late)
		k.ok("converge")
		if out := k.ok("converge", "--dry-run"); strings.TrimSpace(out) != "no changes" {
			t.Fatalf("%s killed after %v: the second pass changes:\n%s", act, after, out)
		}
		k.judge(t, act, name, before, after)
		if t.Failed() {
			t.FailNow()
		}
	}
	for i := range *killTrials {
		trial(i, acts[i%len(acts)], false)
	}
	// A machine that slows down in between has all kills of an act before its
	// promise; later ones must come after it.
	const more = 5
	for i, act := range acts {
		for j := 0; j < more && k.promised[act] == 0; j++ {
			trial(*killTrials+i*more+j, act, true)
		}
		if k.promised[act] == 0 {
			t.Errorf("no kill of %s fell after the promise: the test proves nothing", act)
		}
	}
	t.Logf("of %d kills these fell after the promise: %v; the whole takes %v", *killTrials, k.promised, k.span)
}

// domainID is libvirt's number of a start, which is another after each.
var domainID = regexp.MustCompile(`/domain-[0-9]+-`)

// look draws all that is on the host.
func (k *killed) look() string { return domainID.ReplaceAllString(k.traces(), "/domain-N-") }

// kill starts an act and ends it, by SIGKILL, at some moment of the time that it
// takes, or of the last third of that.
func (k *killed) kill(act, name string, late bool) time.Duration {
	k.t.Helper()
	after := time.Duration(k.random.Int64N(int64(k.span[act])))
	if late {
		after = k.span[act]*2/3 + after/3
	}
	k.killAfter(after, k.args(act, name)...)
	return after
}

// judge looks whether all is as before the act or as after it, and destroys
// what there is, so that nothing is left but what was there at first.
func (k *killed) judge(t *testing.T, act, name, before string, after time.Duration) {
	t.Helper()
	there := k.run("vm", "show", name, "-o", "json").code != 3
	if there {
		if vm := k.vm(name); vm.State != "running" {
			t.Errorf("%s killed after %v: state %s %s", act, after, vm.State, vm.Error)
		}
	}
	switch act {
	case "create":
		if there {
			k.promised[act]++
		}
	case "destroy":
		if !there {
			k.promised[act]++
		}
		if there && k.look() != before {
			t.Errorf("destroy killed after %v, before its promise (-before +after):\n%s", after, cmp.Diff(before, k.look()))
		}
	case "rebuild":
		now := k.look()
		if strings.Contains(now, "disk-1.qcow2") {
			k.promised[act]++
		}
		if diff := cmp.Diff(before, strings.ReplaceAll(now, "disk-1.qcow2", "disk.qcow2")); diff != "" || !there {
			t.Errorf("rebuild killed after %v (-before +after):\n%s", after, diff)
		}
	}
	if there {
		if k.random.IntN(5) == 0 {
			k.ok("vm", "start", name, "--wait") // it is up, and answers
		}
		k.ok(k.args("destroy", name)...)
	}
	if diff := cmp.Diff(k.nothing, k.look()); diff != "" {
		t.Errorf("%s killed after %v: what is left (-want +got):\n%s", act, after, diff)
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
