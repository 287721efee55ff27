package operations_test

import (
	"slices"
	"strings"
	"testing"

	"ispctl"
	"ispctl/operations"
)

// TestLifecycle takes a VM through what can be done to it, and looks each time
// at intent, at the domain and at its disk; twice is once.
func TestLifecycle(t *testing.T) {
	w := newWorld(t)
	w.create("web1")
	ctx := t.Context()
	before, err := w.VM(ctx, "web1")
	if err != nil {
		t.Fatal(err)
	}
	large := "large"
	if _, err := w.CreatePlan(ctx, ispctl.Plan{Name: "large", CPUs: 4, Memory: ispctl.GiB, Disk: 20 * ispctl.GiB}, false, operations.Options{}); err != nil {
		t.Fatal(err)
	}
	o := operations.Options{}
	for _, step := range []struct {
		name string
		do   func() (operations.Result, error)
		want string // of the domain: name, run state, disk
		once bool   // again it does it again
	}{
		{"pause", func() (operations.Result, error) { return w.PauseVMs(ctx, []string{"web1"}, true, o) }, "isp-web1 paused disk.qcow2", false},
		{"start resumes", func() (operations.Result, error) { return w.SetVMsWanted(ctx, []string{"web1"}, ispctl.Running, o) }, "isp-web1 running disk.qcow2", false},
		{"pause again", func() (operations.Result, error) { return w.PauseVMs(ctx, []string{"web1"}, true, o) }, "isp-web1 paused disk.qcow2", false},
		{"resume", func() (operations.Result, error) { return w.PauseVMs(ctx, []string{"web1"}, false, o) }, "isp-web1 running disk.qcow2", false},
		{"restart", func() (operations.Result, error) { return w.RestartVMs(ctx, []string{"web1"}, o) }, "isp-web1 running disk.qcow2", true},
		{"rebuild", func() (operations.Result, error) { return w.RebuildVM(ctx, "web1", "", o) }, "isp-web1 running disk-1.qcow2", true},
		{"plan", func() (operations.Result, error) { return w.SetVM(ctx, "web1", operations.VMChange{Plan: &large}, o) }, "isp-web1 running disk-2.qcow2", false},
		{"stop", func() (operations.Result, error) { return w.SetVMsWanted(ctx, []string{"web1"}, ispctl.Stopped, o) }, "isp-web1 stopped disk-2.qcow2", false},
		{"rename", func() (operations.Result, error) { return w.RenameVM(ctx, "web1", "www", o) }, "isp-www stopped disk-2.qcow2", true},
	} {
		if r, err := step.do(); err != nil || !r.Changed() {
			t.Fatalf("%s: %+v, %v", step.name, r, err)
		}
		if !step.once {
			if r, err := step.do(); err != nil || r.Changed() {
				t.Errorf("%s again: %+v, %v", step.name, r, err)
			}
		}
		if step.name == "rebuild" { // it was, once
			if r, err := step.do(); err != nil || !r.Changed() {
				t.Errorf("rebuild again: %+v, %v", r, err)
			}
			step.want = strings.Replace(step.want, "-1.", "-2.", 1)
		}
		d := w.domains.Domains[before.UUID]
		run := map[bool]string{true: "running", false: "stopped"}[d.Running]
		if d.Paused {
			run = "paused"
		}
		disks := w.disks.Guests[before.UUID]
		if got := strings.Join([]string{d.Name, run, disks.Disk}, " "); got != step.want || len(disks.Stale) != 0 || !strings.HasSuffix(d.Disk, disks.Disk) {
			t.Errorf("%s: want %s, have %s, domain %+v, disks %+v", step.name, step.want, got, d, disks)
		}
	}
	after, err := w.VM(ctx, "www")
	if err != nil {
		t.Fatal(err)
	}
	if after.UUID != before.UUID || after.MAC != before.MAC || after.Tap != before.Tap || !slices.Equal(after.Addresses, before.Addresses) || after.Plan != "large" {
		t.Errorf("before %+v\nafter %+v", before, after)
	}
	if got := w.domains.Domains[before.UUID].CPUs; got != 4 {
		t.Errorf("%d CPUs", got)
	}
}

// TestLifecycleRefuses is what cannot be done, and what the error says.
func TestLifecycleRefuses(t *testing.T) {
	w := newWorld(t)
	w.create("web1")
	w.create("web2")
	ctx, o := t.Context(), operations.Options{}
	ghost, tiny := "ghost", "tiny"
	if _, err := w.CreatePlan(ctx, ispctl.Plan{Name: "tiny", CPUs: 1, Memory: 128 * ispctl.MiB, Disk: ispctl.MinDisk}, false, o); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		do   func() error
		kind ispctl.ErrorKind
		says string
	}{
		{"rename while it runs", func() error { _, err := w.RenameVM(ctx, "web1", "www", o); return err }, ispctl.Conflict, "ispctl vm stop web1"},
		{"unknown", func() error { _, err := w.PauseVMs(ctx, []string{"ghost"}, true, o); return err }, ispctl.NotFound, "have: web1, web2"},
		{"unknown plan", func() error {
			_, err := w.SetVM(ctx, "web1", operations.VMChange{Plan: &ghost}, o)
			return err
		}, ispctl.NotFound, `plan "ghost" not found`},
		{"smaller disk", func() error {
			_, err := w.SetVM(ctx, "web1", operations.VMChange{Plan: &tiny}, o)
			return err
		}, ispctl.Conflict, "cannot shrink"},
		{"unknown template", func() error { _, err := w.RebuildVM(ctx, "web1", "ghost", o); return err }, ispctl.NotFound, `template "ghost" not found`},
		{"pause what is stopped", func() error {
			if _, err := w.SetVMsWanted(ctx, []string{"web1"}, ispctl.Stopped, o); err != nil {
				return err
			}
			_, err := w.PauseVMs(ctx, []string{"web1"}, true, o)
			return err
		}, ispctl.Conflict, "is not running"},
		{"a name that is taken", func() error { _, err := w.RenameVM(ctx, "web1", "web2", o); return err }, ispctl.Conflict, `vm "web2"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.do(); ispctl.KindOf(err) != tt.kind || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("want %v that says %q, have %v", tt.kind, tt.says, err)
			}
		})
	}
}

// TestCreateSeveral makes VMs that are alike: all in one pass, or none, and
// twice is once.
func TestCreateSeveral(t *testing.T) {
	w := newWorld(t)
	ctx, o := t.Context(), operations.Options{}
	alike := func(name string, count int) []operations.VMSpec {
		t.Helper()
		specs, err := operations.Alike(spec(name), count)
		if err != nil {
			t.Fatal(err)
		}
		return specs
	}
	w.create("node-2")
	if _, err := w.CreateVMs(ctx, alike("node", 4), false, o); ispctl.KindOf(err) != ispctl.Conflict || len(w.domains.Domains) != 1 {
		t.Errorf("one name is taken: %v, %d domains", err, len(w.domains.Domains))
	}
	w.ok(w.CreateVMs(ctx, alike("node", 4), true, o))
	if r, err := w.CreateVMs(ctx, alike("node", 4), true, o); err != nil || r.Changed() {
		t.Errorf("again: %+v, %v", r, err)
	}
	vms, err := w.VMs(ctx)
	if err != nil {
		t.Fatal(err)
	}
	own := map[string]bool{}
	for _, vm := range vms {
		own[vm.MAC], own[vm.Addresses[0]], own[vm.Tap], own[vm.UUID] = true, true, true, true
		if d := w.domains.Domains[vm.UUID]; !d.Running {
			t.Errorf("%s does not run", vm.Name)
		}
	}
	if len(vms) != 4 || len(own) != 4*4 {
		t.Errorf("%d VMs with %d things of their own: %+v", len(vms), len(own), vms)
	}
	// The zone has fewer addresses than are asked for.
	if _, err := w.CreateVMs(ctx, alike("more", 300), false, o); err == nil || len(w.domains.Domains) != 4 {
		t.Errorf("more than the zone holds: %v, %d domains", err, len(w.domains.Domains))
	}

	one := spec("web")
	one.Address = addr("10.10.0.77")
	for _, tt := range []struct {
		name  string
		spec  operations.VMSpec
		count int
		says  string
	}{
		{"none", spec("web"), 0, "is not 1 to 1000"},
		{"too many", spec("web"), operations.MaxAlike + 1, "is not 1 to 1000"},
		{"one address", one, 2, "cannot share one address"},
		{"a name too long", spec("a" + strings.Repeat("b", 61)), 10, "longer than 63"},
	} {
		if _, err := operations.Alike(tt.spec, tt.count); ispctl.KindOf(err) != ispctl.Usage || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
