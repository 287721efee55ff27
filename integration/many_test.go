package integration

import (
	"flag"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ispctl/internal/testkit"
	"ispctl/operations"
)

var manyGuests = flag.Int("many.guests", 6, "real guests to run at once; at least 6")

// TestManyGuests makes real guests in one go. Each has its own host key, address
// and wall; the last costs ispctl no more than the fifth; destroyed, they leave
// nothing.
func TestManyGuests(t *testing.T) {
	testkit.Long(t, "1 min")
	w := newWorld(t, "embed")
	w.ok("image", "build", "micro")
	w.ok("zone", "create", "dmz", "--prefix", "10.10.0.0/24")
	w.ok("plan", "create", "tiny", "--memory", "128MiB", "--disk", "256MiB")
	kind := []string{"--template", "micro", "--zone", "dmz", "--plan", "tiny", "--ssh-key", w.key + ".pub"}
	w.ok(append([]string{"vm", "create", "first"}, kind...)...)
	w.ok("vm", "destroy", "first", "--yes")
	before := w.traces()

	started := time.Now()
	w.ok(append([]string{"vm", "create", "vm", "--count", strconv.Itoa(*manyGuests), "--wait", "--timeout", "30m"}, kind...)...)
	t.Logf("%d guests in %v, until the last could be logged in to", *manyGuests, time.Since(started).Round(time.Second))
	var views []operations.VMView
	w.show(&views, "vm", "list")
	if len(views) != *manyGuests {
		t.Fatalf("%d guests are listed", len(views))
	}
	keys, addresses, taps := map[string]string{}, map[string]string{}, map[string]string{}
	for _, vm := range views {
		// The key that the guest shows, not what anybody thinks that it has.
		key := w.in(w.provider, "ssh-keyscan", "-T", "30", "-t", "ed25519", vm.Addresses[0])
		_, key, _ = strings.Cut(strings.TrimSpace(key), " ")
		for what, own := range map[string]map[string]string{"key " + key: keys, "address " + vm.Addresses[0]: addresses, "tap " + vm.Tap: taps} {
			if other, taken := own[what]; taken || strings.TrimSpace(what) == "key" {
				t.Errorf("%s: %s is also that of %s", vm.Name, what, other)
			}
			own[what] = string(vm.Name)
		}
	}
	walled(t, w, views)

	last := w.costOf(*manyGuests, kind)
	w.destroy(6, *manyGuests)
	fifth := w.costOf(5, kind)
	t.Logf("what one more costs ispctl: %v as the 5th guest, %v as the %dth", fifth, last, *manyGuests)
	if last.own > fifth.own*5/4 {
		t.Errorf("guest %d costs ispctl %v, the fifth %v", *manyGuests, last.own, fifth.own)
	}
	w.destroy(1, 5)
	if diff := cmp.Diff(before, w.traces()); diff != "" {
		t.Errorf("what is left (-before +after):\n%s", diff)
	}
}

// cost is what one more guest costs. As in docs/benchmarks.md, ispctl's own is what
// is not libvirt's: not its start of the guest, and not its look at the others,
// which the embedded driver connects to anew in every process.
type cost struct {
	own    time.Duration            // of the layers, from the first change to the guest's start
	layers map[string]time.Duration // each of them
	whole  time.Duration            // processor time of the command and the tools it calls
	pass   time.Duration            // the same of a pass with nothing to do
}

func (c cost) String() string {
	return fmt.Sprintf("%v own %v; %v of processor time in all, %v of them a pass with nothing to do",
		c.own, c.layers, c.whole.Round(time.Millisecond), c.pass.Round(time.Millisecond))
}

// costOf destroys the n-th guest and makes it again, some times, and gives
// medians. Meanwhile the others stand still: what they do is not ispctl's cost.
func (w *world) costOf(n int, kind []string) cost {
	w.t.Helper()
	others := func(verb string) { w.ok(append([]string{"vm", verb}, guestNames(1, n-1)...)...) }
	name := guestNames(n, n)[0]
	others("pause")
	const times = 15
	var own, whole, pass []time.Duration
	layers := map[string][]time.Duration{}
	for range times {
		w.destroy(n, n)
		pass = append(pass, w.run("converge").cpu)
		r := w.run(append([]string{"vm", "create", name}, kind...)...)
		if r.code != 0 {
			w.t.Fatalf("vm create: exit %d\n%s%s", r.code, r.out, r.err)
		}
		whole = append(whole, r.cpu)
		var sum time.Duration
		for layer, took := range ownWork(w.t, r.err) {
			sum += took
			layers[layer] = append(layers[layer], took)
		}
		own = append(own, sum)
	}
	others("resume")
	median := func(some []time.Duration) time.Duration { return slices.Sorted(slices.Values(some))[len(some)/2] }
	each := map[string]time.Duration{}
	for layer, took := range layers {
		each[layer] = median(took)
	}
	return cost{median(own), each, median(whole), median(pass)}
}

// layerTook is what a command tells of a layer when it has worked on it.
var layerTook = regexp.MustCompile(`(?m)^(?:disk|network|boot) +(\S+) +\(([0-9.a-zµ]+)\)$`)

// ownWork is what each layer took but that of libvirt's domains.
func ownWork(t testing.TB, told string) map[string]time.Duration {
	t.Helper()
	own := map[string]time.Duration{}
	for _, m := range layerTook.FindAllStringSubmatch(told, -1) {
		took, err := time.ParseDuration(m[2])
		if err != nil {
			t.Fatal(err)
		}
		own[m[1]] += took
	}
	if len(own) < 5 {
		t.Fatalf("of the layers is told:\n%s", told)
	}
	delete(own, "domains")
	return own
}

// guestNames are those that `vm create vm --count` gave, from one number to another.
func guestNames(from, to int) (names []string) {
	for i := from; i <= to; i++ {
		names = append(names, fmt.Sprintf("vm-%d", i))
	}
	return names
}

func (w *world) destroy(from, to int) {
	w.t.Helper()
	w.ok(append([]string{"vm", "destroy", "--yes"}, guestNames(from, to)...)...)
}

// walled has every guest speak as itself, which SSH takes, and with the address
// of the next, which is dropped and counted as its own.
func walled(t *testing.T, w *world, views []operations.VMView) {
	t.Helper()
	var wg sync.WaitGroup
	gate := make(chan bool, 4)
	for i, vm := range views {
		wg.Go(func() {
			gate <- true
			defer func() { <-gate }()
			other := views[(i+1)%len(views)].Addresses[0]
			out, err := w.ssh(w.provider, vm.Addresses[0], "22",
				"ip addr add "+other+"/32 dev eth0; ping -c 2 -W 1 -I "+other+" 10.10.0.1 >/dev/null || echo silent; ip addr del "+other+"/32 dev eth0")
			if err != nil || out != "silent" {
				t.Errorf("%s as itself and as %s: %q, %v", vm.Name, other, out, err)
			}
		})
	}
	wg.Wait()
	for _, vm := range views {
		if len(w.vm(string(vm.Name)).Drops) == 0 {
			t.Errorf("%s: nothing that it sent with another's address was counted", vm.Name)
		}
	}
}
