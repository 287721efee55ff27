package integration

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"ispctl/internal/testkit"
)

// diskAct is something that is done to the disks of a VM that runs, or with them.
type diskAct struct {
	name     string
	before   []string              // what has to be there first
	args     []string              // what is killed
	promised func(*diskWorld) bool // whether it was promised, to be asked after a pass
	undo     []string              // what takes it back
	gone     bool                  // there is only something to take back if it was not promised
}

type diskWorld struct {
	*world
	number string // the first disk's file before the act
}

func (w *diskWorld) has(of, name string) bool {
	return strings.Contains(w.ok("vm", of, "list", "web1", "-o", "json"), fmt.Sprintf("%q", name))
}

func diskActs() []diskAct {
	vm := func(args ...string) []string { return append([]string{"vm"}, args...) }
	snapshot := func(w *diskWorld) bool { return w.has("snapshot", "s") }
	disk := func(w *diskWorld) bool { return w.has("disk", "d") }
	not := func(f func(*diskWorld) bool) func(*diskWorld) bool { return func(w *diskWorld) bool { return !f(w) } }
	take, drop := vm("snapshot", "create", "web1", "s"), vm("snapshot", "delete", "web1", "s")
	add, remove := vm("disk", "add", "web1", "d", "--size", "8MiB"), vm("disk", "remove", "web1", "d", "--yes")
	return []diskAct{
		{name: "snapshot create", args: take, promised: snapshot, undo: drop},
		{name: "snapshot delete", before: take, args: drop, promised: not(snapshot), undo: drop, gone: true},
		{
			name: "snapshot restore", before: take, args: vm("snapshot", "restore", "web1", "s", "--yes"), undo: drop,
			promised: func(w *diskWorld) bool { return diskOf(w.t, w.world, "web1") != w.number },
		},
		{name: "disk add", args: add, promised: disk, undo: remove},
		{name: "disk remove", before: add, args: remove, promised: not(disk), undo: remove, gone: true},
		{
			name: "clone", args: vm("clone", "web1", "web2"), undo: vm("destroy", "web2", "--yes"),
			promised: func(w *diskWorld) bool { return w.run("vm", "show", "web2").code == 0 },
		},
	}
}

// firstDisk is the name of a first disk, whichever.
var firstDisk = regexp.MustCompile(`/disk(-[0-9]+)?\.qcow2`)

func (w *diskWorld) look() string {
	return firstDisk.ReplaceAllString(domainID.ReplaceAllString(w.traces(), "/domain-N-"), "/disk-N.qcow2")
}

// TestKilledDisks kills ispctl at random moments of what is done to the disks of
// a guest that runs. After the next pass the act was done whole or not at all; the
// one after that finds nothing to do; and when it is taken back, all on the host
// is as it was, down to the snapshots inside of the disk.
func TestKilledDisks(t *testing.T) {
	testkit.Long(t, "2 min")
	w := &diskWorld{world: newWorld(t, "embed")}
	random := rand.New(rand.NewPCG(11, 11))
	w.ok("image", "build", "micro")
	w.ok("zone", "create", "dmz", "--prefix", "10.10.0.0/24")
	w.ok("plan", "create", "tiny", "--memory", "128MiB", "--disk", "256MiB")
	w.ok("vm", "create", "web1", "--template", "micro", "--zone", "dmz", "--plan", "tiny", "--ssh-key", w.key+".pub", "--wait")
	span, promised := map[string]time.Duration{}, map[string]int{}
	before := w.look()
	acts := diskActs()
	for i := range len(acts) + *killTrials {
		act := acts[i%len(acts)]
		if act.before != nil {
			w.ok(act.before...)
		}
		w.number = diskOf(t, w.world, "web1")
		var after time.Duration
		if i < len(acts) {
			started := time.Now()
			w.ok(act.args...)
			span[act.name] = time.Since(started)
		} else {
			after = time.Duration(random.Int64N(int64(span[act.name])))
			w.killAfter(after, act.args...)
			w.ok("converge")
			if out := w.ok("converge", "--dry-run"); strings.TrimSpace(out) != "no changes" {
				t.Fatalf("%s killed after %v: the second pass changes:\n%s", act.name, after, out)
			}
		}
		done := act.promised(w)
		if i < len(acts) && !done {
			t.Fatalf("%s: done and not seen", act.name)
		}
		if done && i >= len(acts) {
			promised[act.name]++
		}
		if vm := w.vm("web1"); vm.State != "running" {
			t.Fatalf("%s killed after %v: state %s %s", act.name, after, vm.State, vm.Error)
		}
		w.sameTags(act.name, after)
		if done != act.gone || act.name == "snapshot restore" { // its snapshot is there either way
			w.ok(act.undo...)
		}
		w.sameTags(act.name+" undone", after)
		if diff := cmp.Diff(before, w.look()); diff != "" {
			t.Fatalf("%s killed after %v and taken back (-before +after):\n%s", act.name, after, diff)
		}
		if random.IntN(10) == 0 {
			w.ok("vm", "start", "web1", "--wait") // it is up, and answers
		}
	}
	t.Logf("of %d kills these fell after the promise: %v; the whole takes %v", *killTrials, promised, span)
	if len(promised) == 0 {
		t.Error("no kill fell after a promise: the test proves nothing")
	}
	w.ok("vm", "destroy", "web1", "--yes")
}

// sameTags holds the snapshots inside the first disk against those that are
// listed.
func (w *diskWorld) sameTags(what string, after time.Duration) {
	w.t.Helper()
	var inside []string
	for line := range strings.Lines(w.in(w.provider, "qemu-img", "snapshot", "-U", "-l", diskOf(w.t, w.world, "web1"))) {
		if f := strings.Fields(line); len(f) > 1 && strings.HasPrefix(f[1], "ispctl-") {
			inside = append(inside, f[1])
		}
	}
	if listed := w.vm("web1").Snapshots; len(inside) != len(listed) {
		w.t.Fatalf("%s killed after %v: listed are %v, and in the disk %v", what, after, listed, inside)
	}
}

// killAfter starts a command and ends it, by SIGKILL, unless it has ended by then.
func (w *world) killAfter(after time.Duration, args ...string) {
	w.t.Helper()
	cmd := w.command(args...)
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	time.Sleep(after)
	if err := cmd.Process.Signal(unix.SIGKILL); err != nil && !strings.Contains(err.Error(), "finished") {
		w.t.Fatal(err)
	}
	_ = cmd.Wait() // killed, or done just before
}
