package integration

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ispctl/internal/testkit"
	"ispctl/operations"
)

var manyGuests = flag.Int("many.guests", 6, "real guests to run at once; at least 6")

// TestManyGuests makes real guests one after the other, until there are many.
// Each has its own host key, address and wall; the last cost ispctl no more than
// the fifth; destroyed, they leave nothing.
func TestManyGuests(t *testing.T) {
	testkit.Long(t, "1 min")
	w := newWorld(t, "embed")
	w.ok("image", "build", "micro")
	w.ok("zone", "create", "dmz", "--prefix", "10.10.0.0/24")
	w.ok("plan", "create", "tiny", "--memory", "128MiB", "--disk", "256MiB")
	create := func(name string) operations.VMView {
		t.Helper()
		var vm operations.VMView
		w.show(&vm, "vm", "create", name, "--template", "micro", "--zone", "dmz", "--plan", "tiny", "--ssh-key", w.key+".pub")
		return vm
	}
	create("first")
	w.ok("vm", "destroy", "first", "--yes")
	before := w.traces()

	// Own is what passes in ispctl but for the start: until the network is there.
	own := make([]time.Duration, *manyGuests)
	var names []string
	for i := range own {
		vm := create(fmt.Sprintf("vm%d", i))
		names = append(names, string(vm.Name))
		for _, p := range vm.Phases {
			if p.Name == "network" {
				own[i] = p.At.Sub(vm.CreatedAt)
			}
		}
		w.ok("vm", "start", string(vm.Name), "--wait") // or the next shares the processors with its boot
	}
	median := func(some []time.Duration) time.Duration { return slices.Sorted(slices.Values(some))[len(some)/2] }
	fifth, last := median(own[2:6]), median(own[len(own)-4:])
	t.Logf("own cost until the network is there, medians of four: %v around the 5th guest, %v up to the %dth", fifth, last, len(own))

	var views []operations.VMView
	w.show(&views, "vm", "list")
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
	if len(own) >= 50 && last > 3*fifth {
		t.Errorf("the last guests cost %v each, the fifth %v", last, fifth) // a clock on a busy machine is off by 2
	}
	if len(views) != *manyGuests {
		t.Errorf("%d guests are listed", len(views))
	}
	walled(t, w, views)
	w.ok(append([]string{"vm", "destroy", "--yes"}, names...)...)
	if diff := cmp.Diff(before, w.traces()); diff != "" {
		t.Errorf("what is left (-before +after):\n%s", diff)
	}
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
