package operations_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"ispctl"
	"ispctl/operations"
)

// TestDisksAndSnapshots takes a VM's disks through what can be done to them, on a
// host in memory.
func TestDisksAndSnapshots(t *testing.T) {
	w := newWorld(t)
	w.create("web1")
	ctx, o := t.Context(), operations.Options{}
	uuid := w.model().VMs[0].UUID
	files := func() string {
		g := w.disks.Guests[uuid]
		names := []string{g.Disk}
		for _, d := range g.Data {
			names = append(names, d.Name+" "+d.Size.String())
		}
		return strings.Join(append(names, g.Snapshots...), ", ")
	}
	for _, step := range []struct {
		name string
		do   func() (operations.Result, error)
		want string
	}{
		{"add", func() (operations.Result, error) { return w.AddDisk(ctx, "web1", "data", ispctl.GiB, false, o) }, "disk.qcow2, data-1.qcow2 1GiB"},
		{"grow", func() (operations.Result, error) { return w.ResizeDisk(ctx, "web1", "data", 2*ispctl.GiB, o) }, "disk.qcow2, data-1.qcow2 2GiB"},
		{"remove", func() (operations.Result, error) { return w.RemoveDisk(ctx, "web1", "data", false, o) }, "disk.qcow2"},
		{"add anew", func() (operations.Result, error) { return w.AddDisk(ctx, "web1", "data", ispctl.GiB, false, o) }, "disk.qcow2, data-2.qcow2 1GiB"},
		{"snapshot", func() (operations.Result, error) { return w.CreateSnapshot(ctx, "web1", "one", o) }, "disk.qcow2, data-2.qcow2 1GiB, ispctl-1"},
		{"another", func() (operations.Result, error) { return w.CreateSnapshot(ctx, "web1", "two", o) }, "disk.qcow2, data-2.qcow2 1GiB, ispctl-1, ispctl-2"},
		{"restore", func() (operations.Result, error) { return w.RestoreSnapshot(ctx, "web1", "one", o) }, "disk-1.qcow2, data-2.qcow2 1GiB, ispctl-1, ispctl-2"},
		{"delete", func() (operations.Result, error) { return w.DeleteSnapshot(ctx, "web1", "one", false, o) }, "disk-1.qcow2, data-2.qcow2 1GiB, ispctl-2"},
		{"restore again", func() (operations.Result, error) { return w.RestoreSnapshot(ctx, "web1", "two", o) }, "disk-2.qcow2, data-2.qcow2 1GiB, ispctl-2"},
		{"rebuild", func() (operations.Result, error) { return w.RebuildVM(ctx, "web1", "", o) }, "disk-3.qcow2, data-2.qcow2 1GiB"},
	} {
		if r, err := step.do(); err != nil || !r.Changed() {
			t.Fatalf("%s: %+v, %v", step.name, r, err)
		}
		if got := files(); got != step.want {
			t.Errorf("%s: want %s, have %s", step.name, step.want, got)
		}
		if d := w.domains.Domains[uuid]; !d.Running || !strings.HasSuffix(d.Disk, w.disks.Guests[uuid].Disk) || len(d.Data) != len(w.disks.Guests[uuid].Data) {
			t.Errorf("%s: the domain has %s and %v", step.name, d.Disk, d.Data)
		}
		w.settled()
	}
	for name, tt := range map[string]struct {
		do   func() error
		kind ispctl.ErrorKind
		say  string
	}{
		"shrink":           {func() error { _, err := w.ResizeDisk(ctx, "web1", "data", ispctl.MiB, o); return err }, ispctl.Conflict, "cannot shrink"},
		"shrink the first": {func() error { _, err := w.ResizeDisk(ctx, "web1", "system", 512*ispctl.MiB, o); return err }, ispctl.Conflict, "cannot shrink"},
		"no such disk":     {func() error { _, err := w.RemoveDisk(ctx, "web1", "x", false, o); return err }, ispctl.NotFound, "ispctl vm disk list web1"},
		"no such snapshot": {func() error { _, err := w.RestoreSnapshot(ctx, "web1", "x", o); return err }, ispctl.NotFound, "ispctl vm snapshot list web1"},
		"a name too long": {func() error {
			_, err := w.AddDisk(ctx, "web1", "a-name-of-twenty-two-by", ispctl.GiB, false, o)
			return err
		}, ispctl.Usage, "20 bytes"},
		"the first's name": {func() error { _, err := w.AddDisk(ctx, "web1", "system", ispctl.GiB, false, o); return err }, ispctl.Conflict, "the first disk"},
		"half a MiB":       {func() error { _, err := w.AddDisk(ctx, "web1", "x", ispctl.MiB+512, false, o); return err }, ispctl.Usage, "whole number"},
		"no leg":           {func() error { _, err := w.RescueVM(ctx, "web1", "micro", o); return err }, ispctl.Conflict, "admin leg"},
	} {
		before := w.all()
		refused(t, tt.do(), tt.kind, tt.say)
		w.untouched(before)
		_ = name
	}
	cpus, memory := 3, 512*ispctl.MiB
	r := w.ok(w.ResizeVM(ctx, "web1", operations.VMSize{CPUs: &cpus, Memory: &memory}, o))
	if d := w.domains.Domains[uuid]; d.CPUs != 3 || d.Memory != memory || !slices.ContainsFunc(r.Intent, func(s string) bool { return strings.Contains(s, "ispctl vm restart web1") }) {
		t.Errorf("%v, %+v", r.Intent, d)
	}
}

// TestBoot: after the host has booted, a VM whose autostart is off stays stopped,
// and the others come again; within one boot nothing changes.
func TestBoot(t *testing.T) {
	w := newWorld(t)
	clock := &operations.FakeClock{ID: "first"}
	w.Clock = clock
	w.create("web1", "web2")
	ctx, o := t.Context(), operations.Options{}
	w.ok(w.SetVM(ctx, "web2", operations.VMChange{Autostart: func(a ispctl.Autostart) ispctl.Autostart { a.Off = true; return a }}, o))
	running := func() string {
		var names []string
		for _, d := range w.domains.Domains {
			if d.Running {
				names = append(names, string(d.VM))
			}
		}
		slices.Sort(names)
		return strings.Join(names, " ")
	}
	w.ok(w.Converge(ctx, o, false))
	if got := running(); got != "web1 web2" {
		t.Errorf("before the boot there run: %s", got)
	}
	for uuid, d := range w.domains.Domains { // as a boot leaves it
		d.Running = false
		w.domains.Domains[uuid] = d
	}
	clock.ID = "second"
	w.ok(w.Converge(ctx, o, false))
	if got := running(); got != "web1" {
		t.Errorf("after the boot there run: %s", got)
	}
	w.ok(w.SetVMsWanted(ctx, []string{"web2"}, ispctl.Running, o))
	w.ok(w.Converge(ctx, o, false))
	if got := running(); got != "web1 web2" {
		t.Errorf("later there run: %s", got)
	}
}

// TestShutdownHost stops those of the highest order first, and each wave has its
// share of the time.
func TestShutdownHost(t *testing.T) {
	w := newWorld(t)
	w.create("db", "web1", "web2", "off")
	ctx, o := t.Context(), operations.Options{}
	for name, order := range map[string]int{"web1": 5, "web2": 5, "db": 1} {
		w.ok(w.SetVM(ctx, name, operations.VMChange{Autostart: func(a ispctl.Autostart) ispctl.Autostart { a.Order = order; return a }}, o))
	}
	w.ok(w.SetVMsWanted(ctx, []string{"off"}, ispctl.Stopped, o))
	var waves []string
	w.Hypervisor = hypervisor{stop: func(guests []ispctl.VM, within time.Duration) error {
		var names []string
		for _, vm := range guests {
			names = append(names, string(vm.Name))
		}
		waves = append(waves, strings.Join(names, " "))
		if within < time.Second || within > 60*time.Second {
			t.Errorf("%s are given %s of 60 s", names, within)
		}
		return nil
	}}
	if _, err := w.ShutdownHost(ctx, time.Minute); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(waves, ", "); got != "web1 web2, db" {
		t.Errorf("waves: %s", got)
	}
	if vm, err := w.model().VM("web1"); err != nil || vm.Wanted != ispctl.Running {
		t.Errorf("intent has changed: %+v, %v", vm, err)
	}
}
