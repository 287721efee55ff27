package integration

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"ispctl"
	"ispctl/internal/testkit"
	"ispctl/vm/cgroup"
)

// TestHeld: a real guest is held to what it was sold of CPU time and of the
// disk, as it is changed while the guest runs, seen by the kernel and from inside.
func TestHeld(t *testing.T) {
	testkit.Long(t, "2 min")
	w := newWorld(t, "embed")
	w.ok("image", "build", "micro")
	w.ok("zone", "create", "dmz", "--prefix", "10.10.0.0/24")
	w.ok("plan", "create", "tiny", "--cpus", "1", "--memory", "128MiB", "--disk", "256MiB")
	w.ok("vm", "create", "web1", "--template", "micro", "--zone", "dmz", "--plan", "tiny", "--ssh-key", w.key+".pub", "--wait")
	if s := w.ok("converge"); strings.TrimSpace(s) != "no changes" {
		t.Errorf("after it was made: %s", s)
	}
	g := heldGuest{w, "10.10.0.2"}
	t.Run("cpu", g.cpu)
	t.Run("disk", g.disk)
	w.ok("vm", "destroy", "web1", "--yes")
	if left, _ := filepath.Glob("/sys/fs/cgroup/*/ispctl-isp@" + w.provider + "*"); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// removeGroups takes away the control groups of guests that a test has left; the
// ended may be in them for a moment.
func (w *world) removeGroups() {
	for _, pattern := range []string{"/*", ""} {
		dirs, _ := filepath.Glob("/sys/fs/cgroup/*/ispctl-isp@" + w.provider + pattern)
		for _, dir := range dirs {
			if st, err := os.Stat(dir); err != nil || !st.IsDir() {
				continue
			}
			for range 100 {
				if err := os.Remove(dir); err == nil || errors.Is(err, fs.ErrNotExist) {
					break
				}
				time.Sleep(50 * time.Millisecond)
			}
		}
	}
}

type heldGuest struct {
	w       *world
	address string
}

func (g heldGuest) inside(t *testing.T, command string) string {
	t.Helper()
	out, err := g.w.ssh(g.w.provider, g.address, "22", command)
	if err != nil {
		t.Fatalf("%s: %v: %s", command, err, out)
	}
	return out
}

// qemu is the guest's process.
func (g heldGuest) qemu(t *testing.T) int {
	t.Helper()
	for _, pid := range g.w.pids(g.w.provider) {
		if data, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err == nil && strings.Contains(string(data), "qemu-system") {
			return pid
		}
	}
	t.Fatal("no QEMU")
	return 0
}

// cpuController is what a host holds CPU time with.
var cpuController = testkit.Feature{Name: "the cgroup controllers cpu and cpuset", Probe: func() error {
	h, err := cgroup.Find(ispctl.Paths{})
	if err != nil {
		return err
	}
	for _, limit := range []string{"cpu-ceiling", "cpu-pin"} {
		if why := h.Lacks()[limit]; why != "" {
			return errors.New(why)
		}
	}
	return nil
}}

// cpu has the guest want all CPU time there is.
func (g heldGuest) cpu(t *testing.T) {
	testkit.Need(t, cpuController)
	dirs, _ := filepath.Glob("/sys/fs/cgroup/*/ispctl-isp@" + g.w.provider + "/1/cpu.stat")
	if len(dirs) != 1 {
		t.Fatalf("the guest's control group is in none or in several hierarchies: %v; status says: %s", dirs, g.w.ok("status"))
	}
	pid := g.qemu(t)
	g.w.ok("qos", "set", "web1", "--cpu-pin", "0")
	if on := statusLine(t, pid, "Cpus_allowed_list"); on != "0" {
		t.Errorf("pinned to CPU 0, it may run on %s", on)
	}
	g.w.ok("qos", "set", "web1", "--cpu-pin", "none")
	if on := statusLine(t, pid, "Cpus_allowed_list"); on == "0" {
		t.Errorf("not pinned any more, it may run on %s", on)
	}
	g.inside(t, "(while :; do :; done) >/dev/null 2>&1 </dev/null & echo $! >/run/burn")
	for _, percent := range []int64{30, 15} {
		g.w.ok("qos", "set", "web1", "--cpu-ceiling", fmt.Sprintf("%d%%", percent))
		// A period in which it was held back is one in which it used all that
		// it may; in another one a busy machine gave it less.
		periods, throttled := cpuStat(t, dirs[0])
		used := processTime(t, pid)
		begun := time.Now()
		for begun.Add(90 * time.Second).After(time.Now()) {
			time.Sleep(200 * time.Millisecond)
			if _, n := cpuStat(t, dirs[0]); n-throttled >= 50 {
				break
			}
		}
		p, n := cpuStat(t, dirs[0])
		used, periods, throttled = processTime(t, pid)-used, p-periods, n-throttled
		got := float64(used.Milliseconds()) / float64(throttled) // of 100 ms
		t.Logf("ceiling %d%%: %v in %d periods of 100 ms, held back in %d: %.1f%%", percent, used, periods, throttled, got)
		most := float64(percent) * 1.05 * float64(periods+1)
		if throttled < 50 || float64(used.Milliseconds()) > most || got < float64(percent)*0.95 {
			t.Errorf("ceiling %d%%: it used %.1f%%, held back in %d of %d periods", percent, got, throttled, periods)
		}
	}
	g.w.ok("qos", "set", "web1", "--cpu-ceiling", "plan")
	g.inside(t, "kill $(cat /run/burn)")
}

// disk reads and writes inside, past the guest's own cache.
func (g heldGuest) disk(t *testing.T) {
	const mib = 1 << 20
	g.inside(t, "dd if=/dev/zero of=/root/file bs=1M count=24 conv=fsync 2>/dev/null; sync")
	seconds := func(command string) float64 {
		t.Helper()
		out := g.inside(t, "sync; read a _ </proc/uptime; "+command+" >/dev/null 2>/run/dd || cat /run/dd; read b _ </proc/uptime; echo $a $b")
		var a, b float64
		if _, err := fmt.Sscan(out, &a, &b); err != nil {
			t.Fatalf("%s: %v: %s", command, err, out)
		}
		return b - a
	}
	for _, c := range []struct {
		name    string
		set     []string
		command string
		amount  float64 // that passes, of which
		free    float64 // passes at once
		rate    float64
	}{
		{"write-rate", []string{"--write-rate", "2MiB"}, "dd if=/dev/zero of=/root/file bs=64k count=256 oflag=direct conv=notrunc", 16 * mib, 0.2 * mib, 2 * mib},
		{"read-rate", []string{"--read-rate", "4MiB"}, "dd if=/root/file of=/dev/null bs=64k count=384 iflag=direct", 24 * mib, 0.4 * mib, 4 * mib},
		{"write-iops", []string{"--write-iops", "50"}, "dd if=/dev/zero of=/root/file bs=4k count=400 oflag=direct conv=notrunc", 400, 5, 50},
		{"read-iops", []string{"--read-iops", "100"}, "dd if=/root/file of=/dev/null bs=4k count=800 iflag=direct", 800, 10, 100},
		{"write-burst", []string{"--write-rate", "2MiB", "--write-burst", "8MiB"}, "dd if=/dev/zero of=/root/file bs=64k count=288 oflag=direct conv=notrunc", 18 * mib, 8 * mib, 2 * mib},
	} {
		args := []string{"qos", "set", "web1"}
		for _, name := range []string{"read-rate", "write-rate", "read-iops", "write-iops", "read-burst", "write-burst"} {
			if !strings.Contains(strings.Join(c.set, " ")+" ", "--"+name+" ") {
				args = append(args, "--"+name, "plan")
			}
		}
		g.w.ok(append(args, c.set...)...)
		want := (c.amount - c.free) / c.rate
		// A busy machine may hold it back more than it is to be; never less.
		best := math.Inf(1)
		for range 4 {
			time.Sleep(5 * time.Second) // what may pass at once may again
			got := seconds(c.command)
			if got < want*0.95 {
				t.Errorf("%s: %.2f s, want %.2f", c.name, got, want)
			}
			if best = min(best, got); best < want*1.05 {
				break
			}
		}
		t.Logf("%s: %.2f s, want %.2f", c.name, best, want)
		if best > want*1.05 {
			t.Errorf("%s: %.2f s at best, want %.2f", c.name, best, want)
		}
	}
}

func statusLine(t *testing.T, pid int, name string) string {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(data), name+":")
	line, _, _ := strings.Cut(after, "\n")
	return strings.TrimSpace(line)
}

func cpuStat(t *testing.T, file string) (periods, throttled int64) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, _ := strconv.ParseInt(value, 10, 64)
		switch name {
		case "nr_periods":
			periods = n
		case "nr_throttled":
			throttled = n
		}
	}
	return periods, throttled
}

// processTime is what all threads of a process have used (proc(5), fields 14
// and 15, in hundredths of a second).
func processTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond
}
