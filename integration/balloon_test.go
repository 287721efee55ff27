package integration

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"ispctl/internal/testkit"
	"ispctl/operations"
)

// TestBalloon: of two real guests on a host that runs short, the one that may be
// taken from is taken down to its guarantee, while the other, whose processes
// want all memory there is, keeps all of its own. Then the first one's want all,
// too, and get what is guaranteed. Both are seen from inside. Then it is given
// back.
func TestBalloon(t *testing.T) {
	testkit.Long(t, "1 min")
	const (
		sold       = 256
		guaranteed = 160
		taken      = sold - guaranteed
		page       = 2 // MiB that a balloon may be off, which moves in its own steps
	)
	w := newWorld(t, "embed")
	w.ok("image", "build", "micro")
	w.ok("zone", "create", "dmz", "--prefix", "10.10.0.0/24")
	w.ok("plan", "create", "roomy", "--cpus", "1", "--memory", fmt.Sprint(sold, "MiB"), "--disk", "256MiB")
	w.ok("vm", "create", "web", "--count", "2", "--template", "micro", "--zone", "dmz", "--plan", "roomy", "--ssh-key", w.key+".pub", "--wait")
	w.ok("qos", "set", "web-1", "--memory-guarantee", fmt.Sprint(guaranteed, "MiB"))
	one, other := balloonGuest{w, w.vm("web-1").Addresses[0]}, balloonGuest{w, w.vm("web-2").Addresses[0]}
	first, second := one.memory(t, "MemTotal"), other.memory(t, "MemTotal")

	// The other wants it all before, and while, the first is taken from.
	held := other.hold(t)
	var views []operations.BalloonView
	w.show(&views, "qos", "balance", "--free", "1GiB") // more than there is to be had
	if len(views) != 2 || views[0].Target != guaranteed<<20 || views[1].Target != 0 {
		t.Errorf("a host that is short by 1 GiB: %+v", views)
	}
	one.until(t, "that memory is taken", func(total int) bool { return total <= first-taken+page })
	if n := one.memory(t, "MemTotal"); n < first-taken-page {
		t.Errorf("web-1 was taken more than %d MiB: it sees %d of %d", taken, n, first)
	}
	got := one.hold(t)
	t.Logf("sold %d MiB each, seen %d and %d; web-1 taken down to %d sees %d and holds %d of files; web-2 sees %d and holds %d",
		sold, first, second, guaranteed, one.memory(t, "MemTotal"), got, other.memory(t, "MemTotal"), held)
	if n := other.memory(t, "MemTotal"); n != second {
		t.Errorf("web-2 saw %d MiB, and now %d", second, n)
	}
	// What the system of a guest itself takes is the same in both.
	if most := taken + 8; held-got > most || got <= 0 {
		t.Errorf("web-2 could hold %d MiB and web-1 %d: that is more than %d less", held, got, most)
	}
	for name, g := range map[string]balloonGuest{"web-1": one, "web-2": other} {
		if s := g.inside(t, "dmesg | grep -i 'out of memory\\|oom-kill' || :"); s != "" {
			t.Errorf("%s starved: %s", name, s)
		}
	}
	var shown []operations.QoSView
	w.show(&shown, "qos", "show", "dmz")
	if len(shown) != 2 || shown[0].MemoryLeft != guaranteed<<20 || shown[0].MemoryNow == 0 || shown[1].MemoryLeft != sold<<20 {
		t.Errorf("qos show: %+v", shown)
	}

	// This host is not short: all of it goes back.
	w.ok("qos", "balance")
	one.until(t, "that memory is given back", func(total int) bool { return total >= first-page })
	w.fails(5, "too much", "plan", "set", "roomy", "--memory", "16TiB")
}

// balloonGuest is a guest whose memory is looked at from inside.
type balloonGuest struct {
	w       *world
	address string
}

func (g balloonGuest) inside(t *testing.T, command string) string {
	t.Helper()
	return heldGuest(g).inside(t, command)
}

// memory is a line of the guest's /proc/meminfo, in MiB.
func (g balloonGuest) memory(t *testing.T, line string) int {
	t.Helper()
	out := g.inside(t, "sed -n 's/^"+line+": *\\([0-9]*\\) kB/\\1/p' /proc/meminfo")
	n, err := strconv.Atoi(strings.TrimSpace(out))
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return n / 1024
}

// hold has the guest use all memory but a few MiB: files in memory are memory,
// and there is nowhere to swap to. It says how many MiB it held when all of them
// were there at once.
func (g balloonGuest) hold(t *testing.T) int {
	t.Helper()
	const spare = 16 // for who reports it
	mib := g.memory(t, "MemAvailable") - spare
	out := g.inside(t, fmt.Sprintf("mount -t tmpfs -o size=100%% none /mnt && dd if=/dev/zero of=/mnt/x bs=1M count=%d 2>/dev/null; wc -c </mnt/x", mib))
	if n, err := strconv.Atoi(strings.TrimSpace(out)); err != nil || n != mib<<20 {
		t.Errorf("%s cannot hold %d MiB: %q", g.address, mib, out)
	}
	return mib
}

func (g balloonGuest) until(t *testing.T, what string, done func(total int) bool) {
	t.Helper()
	for begun := time.Now(); !done(g.memory(t, "MemTotal")); time.Sleep(time.Second) {
		if time.Since(begun) > 2*time.Minute {
			t.Fatalf("%s does not come about: %s sees %d MiB", what, g.address, g.memory(t, "MemTotal"))
		}
	}
}
