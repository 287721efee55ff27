package cgroup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"ispctl"
	"ispctl/converge"
	"ispctl/internal/convergetest"
	"ispctl/internal/testkit"
)

var inst = ispctl.Installation{Prefix: "isp", Hypervisor: "embed"}

// full is a host that has everything; its places are only names.
var full = Host{CPUs: 2, CPU: Place{"cpu", false}, CPUSet: Place{"cpuset", false}, Disk: Place{"io", false}}

// models are those of every layer, and what only this one looks at.
func models() []*ispctl.Model {
	all := convergetest.Models(inst, ispctl.Paths{})
	for _, limits := range []ispctl.Limits{
		{CPUCeiling: 30, CPUShares: 50}, {CPUCeiling: 150, CPUPin: "0", CPUGuarantee: 40, DiskWeight: 700}, {CPUPin: "0", DiskWeight: 100},
	} {
		m := convergetest.Models(inst, ispctl.Paths{})[2]
		m.Plans[0].CPUs, m.Plans[0].Limits = 2, limits
		m.VMs[0].Limits.CPUShares = 300
		all = append(all, m)
	}
	return all
}

func TestLawsOnFake(t *testing.T) {
	fake := NewFake()
	convergetest.Laws(t, convergetest.Suite[State, Change]{
		Models: models(), Desired: Desired(full), Diff: Diff, Target: fake, Foreign: fake.DrawForeign, Passes: 400,
	})
}

func TestChangesAsText(t *testing.T) {
	var b strings.Builder
	have := State{}
	for _, m := range append(models(), models()[0]) {
		want, err := Desired(full)(m)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range Diff(want, have) {
			b.WriteString(c.String() + "\n")
		}
		b.WriteString("\n")
		have = want
	}
	testkit.Golden(t, "changes.txt", b.String())
}

// TestNothingWanted: a host without controllers, and one where libvirt has its
// own groups, is asked for nothing, and says what it lacks.
func TestNothingWanted(t *testing.T) {
	want, err := Desired(Host{})(models()[2])
	if err != nil || len(want) > 0 {
		t.Errorf("%v, %v", want, err)
	}
	if lacks := (Host{}).Lacks(); len(lacks) != 5 || !strings.Contains(lacks["cpu-ceiling"], "controller cpu") {
		t.Errorf("lacks %v", lacks)
	}
	if lacks := full.Lacks(); len(lacks) > 0 {
		t.Errorf("lacks %v", lacks)
	}
	if have, err := New(Host{}, inst).Observe(t.Context()); err != nil || len(have) > 0 {
		t.Errorf("%v, %v", have, err)
	}
}

func TestFaultNamesTheVM(t *testing.T) {
	want, err := Desired(full)(models()[2])
	if err != nil {
		t.Fatal(err)
	}
	err = (&Fake{Groups: State{}, FailAfter: 1}).Apply(t.Context(), Diff(want, State{}))
	faults := converge.Faults(err)
	if len(faults) != 1 || faults[0].Object != "vm web1" || !errors.Is(err, ErrInjected) {
		t.Errorf("%v", err)
	}
}

// TestMounts reads lines of mountinfo as hosts have them.
func TestMounts(t *testing.T) {
	var h Host
	for line := range strings.Lines(`25 30 0:23 / /sys rw,nosuid shared:7 - sysfs sysfs rw
31 28 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
32 28 0:28 / /sys/fs/cgroup/cpuset rw - cgroup none rw,cpuset
33 28 0:29 / /sys/fs/cgroup/blkio rw - cgroup cgroup rw,blkio
34 28 0:30 / /nowhere rw - cgroup2 cgroup2 rw
35 nonsense`) {
		h.mount(strings.TrimSpace(line))
	}
	want := Host{CPU: Place{"/sys/fs/cgroup/cpu,cpuacct", false}, CPUSet: Place{"/sys/fs/cgroup/cpuset", false}, Disk: Place{"/sys/fs/cgroup/blkio", false}}
	if h != want {
		t.Errorf("%+v", h)
	}
}

// TestWeightsGoBothWays: what is written as shares is read as the same weight.
func TestWeightsGoBothWays(t *testing.T) {
	for n := range int64(maxWeight) {
		if w := n + 1; weight(shares(w)) != w {
			t.Fatalf("%d: %d shares, read as %d", w, shares(w), weight(shares(w)))
		}
		if c := ispctl.Percent(n + 1); ceiling(quota(c), period) != c {
			t.Fatalf("%s: quota %d, read as %s", c, quota(c), ceiling(quota(c), period))
		}
	}
}

// controllers are those of this kernel, in trees of the test's own below its
// roots, which go with it.
func controllers(t *testing.T) (Host, func() string) {
	t.Helper()
	testkit.Need(t, testkit.Root, cpuController)
	h, err := Find(ispctl.Paths{})
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("ispctl-test-%d", os.Getpid())
	made := map[Place]Place{}
	for _, p := range []*Place{&h.CPU, &h.CPUSet, &h.Disk} {
		if !p.there() {
			continue
		}
		if _, again := made[*p]; !again {
			made[*p] = below(t, *p, name)
		}
		*p = made[*p]
	}
	if _, err := weightFile(h.Disk.Dir); err != nil {
		h.Disk = Place{}
	}
	// Foreign: a group beside ours, and one in ours that is no VM's.
	foreign := filepath.Join(h.CPU.Dir, "other")
	must(t, os.Mkdir(foreign, 0o755))
	t.Cleanup(func() { must(t, os.Remove(foreign)) })
	// Before whatever else there is on a busy machine.
	file, most := "cpu.shares", "262144"
	if h.CPU.V2 {
		file, most = "cpu.weight", "10000"
		must(t, write(h.CPU.Dir, "cgroup.subtree_control", "+cpu"))
	}
	must(t, errors.Join(write(foreign, file, "77"), write(h.CPU.Dir, file, most)))
	return h, func() string {
		text, err := readText(filepath.Join(foreign, file))
		return fmt.Sprint("other ", text, err)
	}
}

func below(t *testing.T, p Place, name string) Place {
	t.Helper()
	dir := filepath.Join(p.Dir, name)
	if p.V2 {
		for _, c := range []string{"cpu", "cpuset", "io"} {
			_ = write(p.Dir, "cgroup.subtree_control", "+"+c)
		}
	}
	must(t, os.Mkdir(dir, 0o755))
	t.Cleanup(func() {
		left, err := filepath.Glob(dir + "/*/")
		if err != nil || len(left) > 0 {
			t.Errorf("left below %s: %v", dir, left)
		}
		must(t, rmdir(context.Background(), dir))
	})
	if _, err := os.Stat(filepath.Join(dir, "cpuset.mems")); err == nil && !p.V2 {
		must(t, inherit(p.Dir, dir))
	}
	return Place{dir, p.V2}
}

var cpuController = testkit.Feature{Name: "a cgroup controller cpu", Probe: func() error {
	h, err := Find(ispctl.Paths{})
	if err == nil && !h.CPU.there() {
		err = errors.New("none is mounted")
	}
	return err
}}

func TestLawsOnKernel(t *testing.T) {
	h, foreign := controllers(t)
	k := New(h, inst)
	convergetest.Laws(t, convergetest.Suite[State, Change]{
		Models: models(), Desired: Desired(h), Diff: Diff, Target: k, Foreign: foreign,
	})
	must(t, k.Apply(t.Context(), Diff(State{}, observed(t, k))))
}

func observed(t *testing.T, k *Kernel) State {
	t.Helper()
	s, err := k.Observe(t.Context())
	must(t, err)
	return s
}

// TestProcesses: a guest's process is put where it belongs, as it starts and
// when it is found elsewhere, is held to its ceiling, live, and no other process
// is touched.
func TestProcesses(t *testing.T) {
	h, _ := controllers(t)
	own := ispctl.Installation{Prefix: "zzt", Hypervisor: "embed"} // nobody's guests but ours
	k := New(h, own)
	m := models()[2]
	m.Installation = own
	m.Plans[0].Limits = ispctl.Limits{CPUCeiling: 20, CPUPin: "0"}
	converged := func() {
		t.Helper()
		want, err := Desired(h)(m)
		must(t, err)
		must(t, k.Apply(t.Context(), Diff(want, observed(t, k))))
		if rest := Diff(want, observed(t, k)); len(rest) > 0 {
			t.Errorf("left: %v", rest)
		}
	}
	converged()
	t.Cleanup(func() { // after its processes have ended
		have, err := k.Observe(context.Background())
		must(t, errors.Join(err, k.Apply(context.Background(), Diff(State{}, have))))
	})
	group := Of(own, 1)
	pid := burn(t, own.GuestUID(1))
	if !observed(t, k)[group].Astray || observed(t, k)[Of(own, 2)].Astray {
		t.Error("a process outside of its group is not seen")
	}
	must(t, k.Join(t.Context(), 1))
	if observed(t, k)[group].Astray {
		t.Error("it did not join")
	}
	other := burn(t, own.GuestUID(3)) // a guest that there is no group of
	converged()
	dir := filepath.Join(h.CPU.Dir, group)
	if in, err := members(dir); err != nil || !in[pid] || in[other] || len(in) != 1 {
		t.Errorf("in it are %v, %v", in, err)
	}
	if text := allowed(t, pid); text != "0" {
		t.Errorf("it may run on %s", text)
	}
	held(t, dir, pid, 20)
	m.Plans[0].Limits = ispctl.Limits{CPUCeiling: 40}
	converged()
	if text := allowed(t, pid); text != allowed(t, os.Getpid()) {
		t.Errorf("not pinned any more, it may run on %s", text)
	}
	held(t, dir, pid, 40)
	uses, err := Uses(own, []int64{1, 2, 3})
	if err != nil || len(uses) != 2 || uses[1].CPU <= 0 || uses[1].Memory <= 0 {
		t.Errorf("%v, %v", uses, err)
	}
}

// burn starts a process of a user that only wants CPU time; it ends with the
// test.
func burn(t *testing.T, uid uint32) int {
	t.Helper()
	cmd := exec.Command("sh", "-c", "while :; do :; done")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}, Pdeathsig: syscall.SIGKILL}
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd.Process.Pid
}

func allowed(t *testing.T, pid int) string {
	t.Helper()
	text, err := readText(fmt.Sprintf("/proc/%d/status", pid))
	must(t, err)
	_, after, _ := strings.Cut(text, "Cpus_allowed_list:")
	line, _, _ := strings.Cut(after, "\n")
	return strings.TrimSpace(line)
}

// held watches a process against its ceiling. In a period in which the kernel
// says that it held it back it used all it may, on however busy a machine; in
// the others it may have used less. Where a processor is emulated, and the tests
// are short for that, its clock says nothing of this.
func held(t *testing.T, dir string, pid int, percent int64) {
	t.Helper()
	if testing.Short() {
		return
	}
	periods, throttled := throttling(t, dir)
	used := spent(t, pid)
	for wait := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		p, n := throttling(t, dir)
		if n-throttled >= 15 || time.Since(wait) > time.Minute {
			periods, throttled = p-periods, n-throttled
			break
		}
	}
	used = spent(t, pid) - used
	most, least := percent*(periods+2)*105/100, percent*(throttled-2)*95/100 // in ms of periods of 100 ms
	t.Logf("%d%%: %d ms in %d periods, held back in %d", percent, used.Milliseconds(), periods, throttled)
	if throttled < 15 || used.Milliseconds() > most || used.Milliseconds() < least {
		t.Errorf("%d%%: %d ms, want %d to %d; held back in %d periods", percent, used.Milliseconds(), least, most, throttled)
	}
}

func throttling(t *testing.T, dir string) (periods, throttled int64) {
	t.Helper()
	text, err := readText(filepath.Join(dir, "cpu.stat"))
	must(t, err)
	for line := range strings.Lines(text) {
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

func spent(t *testing.T, pid int) time.Duration {
	t.Helper()
	fields, err := stat(pid)
	must(t, err)
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
