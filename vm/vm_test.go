package vm_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ispctl"
	"ispctl/converge"
	"ispctl/internal/convergetest"
	"ispctl/internal/testkit"
	"ispctl/vm"
)

var inst = ispctl.Installation{Prefix: "isp", Hypervisor: "test:///default"}

// models are those of every layer, and what only this one looks at: a VM that
// is started again, has another plan, and bears characters that XML escapes.
func models() []*ispctl.Model {
	all := convergetest.Models(inst, ispctl.Paths{})
	large := convergetest.Models(inst, ispctl.Paths{Root: "/srv/a&b <c>"})[2]
	large.Plans[0].CPUs, large.Plans[0].Memory = 4, 3*ispctl.GiB
	large.Images[0].Cmdline = `console=ttyS0 quote="a<b" & so on`
	for i := range large.VMs {
		large.VMs[i].NICs = append(large.VMs[i].NICs, ispctl.NIC{Index: 1, MAC: fmt.Sprintf("02:00:00:00:ff:%02x", i), Tap: inst.Tap(large.VMs[i].ID, 1)})
	}
	large.VMs[0].Autostart = ispctl.Autostart{Order: 3, Delay: 5e9}
	large.VMs[0].Disks = []ispctl.Disk{{ID: 7, Name: "data", Slot: 1, Size: ispctl.GiB}, {ID: 9, Name: "log", Slot: 0, Size: ispctl.GiB}}
	large.Plans[0].Limits = ispctl.Limits{CPUCeiling: 150, CPUShares: 200, CPUPin: "0-3,8", ReadIOPS: 500, WriteIOPS: 100, ReadRate: 10 * ispctl.MiB, WriteRate: 5e6, ReadIOPSBurst: 1000, WriteIOPSBurst: 200, ReadBurst: 20 * ispctl.MiB, WriteBurst: 6e6}
	paused := convergetest.Models(inst, ispctl.Paths{})[2]
	paused.VMs[0].Wanted = ispctl.Stopped
	all = append(all, large, paused)
	for _, m := range all {
		for i := range m.Plans {
			if m != large {
				m.Plans[i].Memory = 64 * ispctl.MiB // as the goldens have it
			}
		}
	}
	return all
}

func desired(t testing.TB, kind string, m *ispctl.Model) vm.State {
	t.Helper()
	s, err := vm.Desired(vm.Host{Type: kind})(m)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestLawsOnFake(t *testing.T) {
	fake := vm.NewFake()
	convergetest.Laws(t, convergetest.Suite[vm.State, vm.Change]{
		Models: models(), Desired: vm.Desired(vm.Host{Type: vm.KVM}), Diff: vm.Diff,
		Target: fake, Foreign: fake.DrawForeign, Passes: 400,
	})
}

func TestChangesAsText(t *testing.T) {
	var b strings.Builder
	have := vm.State{}
	for _, m := range append(models(), models()[0]) {
		want := desired(t, vm.KVM, m)
		for _, c := range vm.Diff(want, have) {
			b.WriteString(c.String() + "\n")
		}
		b.WriteString("\n")
		have = want
	}
	testkit.Golden(t, "changes.txt", b.String())
}

// TestDiffSeesEveryField changes one field of a domain at a time.
func TestDiffSeesEveryField(t *testing.T) {
	one := func() vm.Domain {
		return desired(t, vm.KVM, models()[2])["00000000-0000-4000-8000-000000000001"]
	}
	for field, change := range map[string]func(*vm.Domain){
		"VM":        func(d *vm.Domain) { d.VM = "x" },
		"ID":        func(d *vm.Domain) { d.ID = 99 },
		"Type":      func(d *vm.Domain) { d.Type = vm.QEMU },
		"CPUs":      func(d *vm.Domain) { d.CPUs = 99 },
		"Memory":    func(d *vm.Domain) { d.Memory *= 2 },
		"Apart":     func(d *vm.Domain) { d.Apart = !d.Apart },
		"Kernel":    func(d *vm.Domain) { d.Kernel = "/x" },
		"Initrd":    func(d *vm.Domain) { d.Initrd = "/x" },
		"Cmdline":   func(d *vm.Domain) { d.Cmdline = "x" },
		"Disk":      func(d *vm.Domain) { d.Disk = "/x" },
		"Seed":      func(d *vm.Domain) { d.Seed = "/x" },
		"SerialLog": func(d *vm.Domain) { d.SerialLog = "/x" },
		"Agent":     func(d *vm.Domain) { d.Agent = false },
		"MAC":       func(d *vm.Domain) { d.NICs[0].MAC = "x" },
		"Tap":       func(d *vm.Domain) { d.NICs[0].Tap = "x" },
		"Data":      func(d *vm.Domain) { d.Data = []vm.Disk{{File: "/x", Dev: "vdc"}} },
		"Order":     func(d *vm.Domain) { d.Order = 9 },
		"Delay":     func(d *vm.Domain) { d.Delay = 9 },
		"no NIC":    func(d *vm.Domain) { d.NICs = nil },
	} {
		want, have := one(), one()
		change(&have)
		got := vm.Diff(vm.State{want.UUID: want}, vm.State{have.UUID: have})
		// What runs is changed before the definition is.
		got = slices.DeleteFunc(got, func(c vm.Change) bool { return c.Plugs() })
		if len(got) != 1 || got[0].Act != vm.Define {
			t.Errorf("%s differs: want a define, have %v", field, got)
		}
	}
	renamed, rebuilt, paused, pinned, bursting := one(), one(), one(), one(), one()
	pinned.Tuning.CPUPin, bursting.Tuning.Disk.WriteBurst = "7", 7
	renamed.Name = "isp-old"
	rebuilt.Disk = strings.Replace(rebuilt.Disk, "disk.qcow2", "disk-1.qcow2", 1)
	paused.Paused = true
	for _, tt := range []struct {
		name       string
		want, have vm.Domain
		acts       []vm.Act
	}{
		{"another name", one(), renamed, []vm.Act{vm.Undefine, vm.Define}},
		{"another generation of the disk", rebuilt, one(), []vm.Act{vm.Kill, vm.Define, vm.Start}},
		{"other CPUs", pinned, one(), []vm.Act{vm.Tune, vm.Define}},
		{"another burst", bursting, one(), []vm.Act{vm.Tune, vm.Define}},
		{"to stand still", paused, one(), []vm.Act{vm.Pause}},
		{"to go on", one(), paused, []vm.Act{vm.Resume}},
	} {
		var acts []vm.Act
		for _, c := range vm.Diff(vm.State{tt.want.UUID: tt.want}, vm.State{tt.have.UUID: tt.have}) {
			acts = append(acts, c.Act)
		}
		if !slices.Equal(acts, tt.acts) {
			t.Errorf("%s: acts %v, want %v", tt.name, acts, tt.acts)
		}
	}
	running, stopped := one(), one()
	stopped.Running = false
	if got := vm.Diff(vm.State{running.UUID: running}, vm.State{stopped.UUID: stopped}); len(got) != 1 || got[0].Act != vm.Start {
		t.Errorf("stopped, and wanted running: want a start, have %v", got)
	}
	if got := vm.Diff(vm.State{stopped.UUID: stopped}, vm.State{running.UUID: running}); len(got) != 1 || got[0].Act != vm.Stop {
		t.Errorf("running, and wanted stopped: want a stop, have %v", got)
	}
	stopped.CutOff, running.Paused = true, true
	if got := vm.Diff(vm.State{stopped.UUID: stopped}, vm.State{running.UUID: running}); len(got) != 1 || got[0].Act != vm.Kill {
		t.Errorf("standing still, and wanted cut off: want a kill, have %v", got)
	}
}

func TestDesiredRefuses(t *testing.T) {
	for name, harm := range map[string]func(*ispctl.Model){
		"plan":  func(m *ispctl.Model) { m.Plans = nil },
		"image": func(m *ispctl.Model) { m.Images = nil },
	} {
		m := models()[2]
		harm(m)
		_, err := vm.Desired(vm.Host{Type: vm.KVM})(m)
		if ispctl.KindOf(err) != ispctl.NotFound || !strings.Contains(err.Error(), "vm mail1: "+name) {
			t.Errorf("without its %s: %v", name, err)
		}
	}
}

// TestFakeRefuses holds the fake to what libvirt refuses; the edge's tests do
// the same to libvirt.
func TestFakeRefuses(t *testing.T) {
	d := vm.Domain{Name: "isp-a", UUID: "1", VM: "a"}
	sameName, sameUUID, foreign := d, d, d
	sameName.UUID, sameUUID.Name, foreign.Name = "2", "isp-b", "other"
	foreign.UUID = "3"
	for name, changes := range map[string][]vm.Change{
		"start of what is not defined": {{Act: vm.Start, Domain: d}},
		"name taken by another UUID":   {{Act: vm.Define, Domain: d}, {Act: vm.Define, Domain: sameName}},
		"UUID taken by another name":   {{Act: vm.Define, Domain: d}, {Act: vm.Define, Domain: sameUUID}},
		"name taken by a foreign one":  {{Act: vm.Define, Domain: foreign}},
	} {
		err := vm.NewFake().Apply(t.Context(), changes)
		if faults := converge.Faults(err); len(faults) != 1 || faults[0].Object != "vm a" {
			t.Errorf("%s: want one fault of vm a, have %v", name, err)
		}
	}
}

func TestFakeFails(t *testing.T) {
	fake := vm.NewFake()
	fake.FailAfter = 1
	changes := vm.Diff(desired(t, vm.KVM, models()[2]), vm.State{})
	err := fake.Apply(t.Context(), changes)
	if !errors.Is(err, vm.ErrInjected) {
		t.Errorf("want the injected fault, have %v", err)
	}
	have, _ := fake.Observe(t.Context())
	var running []string
	for _, d := range have {
		if d.Running {
			running = append(running, d.Name)
		}
	}
	if len(have) != 2 || !slices.Equal(running, []string{"isp-web1"}) {
		t.Errorf("the fault of one VM stood in another's way: %v", have)
	}
}

func TestRenderAsText(t *testing.T) {
	for _, kind := range []string{vm.KVM, vm.QEMU, vm.Test} {
		d := desired(t, kind, models()[2])["00000000-0000-4000-8000-000000000001"]
		got, err := vm.Render(d, inst.Prefix)
		if err != nil {
			t.Fatal(err)
		}
		testkit.Golden(t, kind+".xml", got)
	}
}

// TestDiskBoot: a guest from an image that boots by itself has no kernel, and
// boots by its first disk.
func TestDiskBoot(t *testing.T) {
	m := models()[2]
	for i := range m.Images {
		m.Images[i].DiskBoot = true
	}
	d := desired(t, vm.QEMU, m)["00000000-0000-4000-8000-000000000001"]
	if d.Kernel != "" || d.Initrd != "" || d.Cmdline != "" {
		t.Errorf("it is given a kernel: %+v", d)
	}
	got, err := vm.Render(d, inst.Prefix)
	if err != nil {
		t.Fatal(err)
	}
	testkit.Golden(t, "disk.xml", got)
}

// TestRenderIsDecoded takes every domain of every model there and back.
func TestRenderIsDecoded(t *testing.T) {
	for _, m := range models() {
		for _, want := range desired(t, vm.QEMU, m) {
			text, err := vm.Render(want, inst.Prefix)
			if err != nil {
				t.Fatal(err)
			}
			got, ours, err := vm.Decode([]byte(text), inst.Prefix)
			if err != nil || !ours {
				t.Fatalf("%s: ours %v, %v", want.Name, ours, err)
			}
			want.Running = false // the XML does not say
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		}
	}
}

// TestKVMGroup: a guest is in the group that may open /dev/kvm, and in no other.
func TestKVMGroup(t *testing.T) {
	const group = 105
	for _, tt := range []struct {
		host vm.Host
		own  bool
	}{
		{vm.Host{Type: vm.KVM, KVMGroup: group}, false}, {vm.Host{Type: vm.KVM}, true}, {vm.Host{Type: vm.QEMU, KVMGroup: group}, true},
	} {
		s, err := vm.Desired(tt.host)(models()[len(models())-1])
		if err != nil || len(s) == 0 {
			t.Fatal(len(s), err)
		}
		for _, d := range s {
			text, err := vm.Render(d, inst.Prefix)
			if err != nil {
				t.Fatal(err)
			}
			back, _, err := vm.Decode([]byte(text), inst.Prefix)
			want := uint32(group)
			if tt.own {
				want = d.UID
			}
			if err != nil || back.UID != d.UID || back.GID != want {
				t.Errorf("%+v: user %d, group %d, want %d and %d, %v", tt.host, back.UID, back.GID, d.UID, want, err)
			}
		}
	}
}

// TestRenderRefuses what would not be read back as it was written.
func TestRenderRefuses(t *testing.T) {
	for name, harm := range map[string]func(*vm.Domain){
		"NUL in the command line":   func(d *vm.Domain) { d.Cmdline = "a\x00b" },
		"memory of half a KiB":      func(d *vm.Domain) { d.Memory += 512 },
		"name that is not the VM's": func(d *vm.Domain) { d.Name = "isp-other" },
	} {
		d := desired(t, vm.KVM, models()[2])["00000000-0000-4000-8000-000000000001"]
		harm(&d)
		if text, err := vm.Render(d, inst.Prefix); err == nil {
			t.Errorf("%s was rendered:\n%s", name, text)
		}
	}
}
