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
	kind := tinyGuests(w)
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

	last, fifth := costs(w, *manyGuests, kind)
	t.Logf("what one more costs ispctl: %v as the 5th guest, %v as the %dth", fifth, last, *manyGuests)
	if last.own > fifth.own*5/4 {
		t.Errorf("guest %d costs ispctl %v, the fifth %v", *manyGuests, last.own, fifth.own)
	}
	w.destroy(1, *manyGuests)
	if diff := cmp.Diff(before, w.traces()); diff != "" {
		t.Errorf("what is left (-before +after):\n%s", diff)
	}
}

// tinyGuests are the words of `vm create` for the smallest guests there are. Their
// weight is such that neither the fifth nor the 50th changes that of the others,
// which some one does (see [ispctl.Model.CPUWeights]).
func tinyGuests(w *world) []string {
	w.ok("image", "build", "micro")
	w.ok("zone", "create", "dmz", "--prefix", "10.10.0.0/24")
	w.ok("plan", "create", "tiny", "--memory", "128MiB", "--disk", "256MiB", "--cpu-shares", "10")
	return []string{"--template", "micro", "--zone", "dmz", "--plan", "tiny", "--ssh-key", w.key + ".pub"}
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

// costs are those of a provider's n-th guest, and of the fifth of another provider
// on the same machine, in turns: what the machine does meanwhile, it does to
// both. The others stand still: what they do is not ispctl's cost.
func costs(w *world, n int, kind []string) (last, fifth cost) {
	w.t.Helper()
	small := newWorld(w.t, "embed")
	large, other := &seat{world: w, n: n, kind: kind}, &seat{world: small, n: 5, kind: tinyGuests(small)}
	small.ok(append([]string{"vm", "create", "vm", "--count", "5"}, other.kind...)...)
	for _, s := range []*seat{large, other} {
		s.ok(append([]string{"vm", "pause"}, guestNames(1, s.n-1)...)...)
	}
	const times = 15
	for range times {
		large.again()
		other.again()
	}
	w.ok(append([]string{"vm", "resume"}, guestNames(1, n)...)...)
	small.destroy(1, 5)
	return large.median(), other.median()
}

// seat is a provider's n-th guest, which is destroyed and made again.
type seat struct {
	*world
	n    int
	kind []string
	all  []cost
}

func (s *seat) again() {
	s.t.Helper()
	s.destroy(s.n, s.n)
	c := cost{pass: s.run("converge").cpu}
	name := guestNames(s.n, s.n)[0]
	r := s.run(append([]string{"vm", "create", name}, s.kind...)...)
	if r.code != 0 {
		s.t.Fatalf("vm create: exit %d\n%s%s", r.code, r.out, r.err)
	}
	c.whole, c.layers = r.cpu, ownWork(s.t, r.err)
	for _, took := range c.layers {
		c.own += took
	}
	s.all = append(s.all, c)
	s.ok("vm", "pause", name) // its boot is nobody else's cost
}

func (s *seat) median() cost {
	of := func(what func(cost) time.Duration) time.Duration {
		var some []time.Duration
		for _, c := range s.all {
			some = append(some, what(c))
		}
		slices.Sort(some)
		return some[len(some)/2]
	}
	m := cost{
		own: of(func(c cost) time.Duration { return c.own }), whole: of(func(c cost) time.Duration { return c.whole }),
		pass: of(func(c cost) time.Duration { return c.pass }), layers: map[string]time.Duration{},
	}
	for layer := range s.all[0].layers {
		m.layers[layer] = of(func(c cost) time.Duration { return c.layers[layer] })
	}
	return m
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
