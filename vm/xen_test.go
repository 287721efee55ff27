package vm_test

import (
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ispctl"
	"ispctl/internal/testkit"
	"ispctl/vm"
)

const first = "00000000-0000-4000-8000-000000000001"

var xenKinds = []ispctl.XenKind{ispctl.XenPV, ispctl.XenPVH, ispctl.XenHVM}

// onXen is a guest of each kind. All boot a kernel but HVM, which runs what is
// on its disk.
func onXen(t testing.TB, kind ispctl.XenKind) vm.Domain {
	t.Helper()
	m := roomy()
	m.Plans[0].Limits.CPUShares, m.Plans[0].Limits.CPUCeiling = 512, 50
	m.Images[0].DiskBoot = kind == ispctl.XenHVM
	m.Images[0].Cmdline = "root=/dev/vda rw console=ttyS0,115200"
	s, err := vm.Desired(vm.Host{Type: vm.Xen, Kind: kind})(m)
	if err != nil {
		t.Fatal(err)
	}
	return s[first]
}

// roomy is a model whose guests have the memory that it takes on Xen.
func roomy() *ispctl.Model {
	m := models()[2]
	for i := range m.Plans {
		m.Plans[i].Memory = 256 * ispctl.MiB
	}
	return m
}

func TestXenAsText(t *testing.T) {
	for _, kind := range xenKinds {
		want := onXen(t, kind)
		text, err := vm.Render(want, inst.Prefix)
		if err != nil {
			t.Fatal(err)
		}
		testkit.Golden(t, "xen-"+string(kind)+".xml", text)
		got, ours, err := vm.Decode([]byte(text), inst.Prefix)
		want.Running = false // the XML does not say
		if diff := cmp.Diff(want, got); diff != "" || !ours || err != nil {
			t.Errorf("%s: ours %t, %v (-want +got):\n%s", kind, ours, err, diff)
		}
		want.Kind = "other"
		if slices.ContainsFunc(vm.Diff(vm.State{first: want}, vm.State{first: got}), func(c vm.Change) bool { return c.Act == vm.Define }) == false {
			t.Errorf("%s: another kind is not seen", kind)
		}
	}
}

// xmllint holds a document against libvirt's own schema.
var xmllint = testkit.Feature{Name: "xmllint and libvirt's schemas", Probe: func() error {
	return exec.Command("xmllint", "--noout", "--relaxng", schemaFile, "testdata/kvm.xml").Run()
}}

const schemaFile = "/usr/share/libvirt/schemas/domain.rng"

// TestSchema validates what is rendered for every hypervisor, with every part
// there is, by the schema that the installed libvirt brings, and shows that it
// refuses what is not in it.
func TestSchema(t *testing.T) {
	testkit.Need(t, xmllint)
	documents := map[string]vm.Domain{}
	for _, kind := range []string{vm.KVM, vm.QEMU, vm.Test} {
		for i, m := range models() {
			for uuid, d := range desired(t, kind, m) {
				documents[kind+string(rune('0'+i))+uuid] = d
			}
		}
	}
	for _, kind := range xenKinds {
		documents["xen "+string(kind)] = onXen(t, kind)
	}
	shapes := map[string]bool{} // one of each: values are for libvirt
	for _, name := range slices.Sorted(maps.Keys(documents)) {
		text, err := vm.Render(documents[name], inst.Prefix)
		if err != nil {
			t.Fatal(err)
		}
		var shape strings.Builder
		for part := range strings.SplitSeq(text, "<") {
			tag, _, _ := strings.Cut(part, ">")
			shape.WriteString(strings.Fields(tag + " x")[0])
		}
		key := documents[name].Type + string(documents[name].Kind) + shape.String()
		if shapes[key] {
			continue
		}
		shapes[key] = true
		if out, err := lint(text); err != nil {
			t.Errorf("%s: %s", name, out)
		}
		if _, err := lint(strings.Replace(text, "<devices>", "<devices><nonsense/>", 1)); err == nil {
			t.Errorf("%s: the schema takes nonsense", name)
		}
	}
	if len(shapes) < 6 {
		t.Errorf("only %d shapes were validated", len(shapes))
	}
}

func lint(document string) ([]byte, error) {
	c := exec.Command("xmllint", "--noout", "--relaxng", schemaFile, "-")
	c.Stdin = strings.NewReader(document)
	return c.CombinedOutput()
}

func TestXenRefuses(t *testing.T) {
	limited, byDisk, small := roomy(), roomy(), roomy()
	limited.Plans[0].Limits.ReadIOPS = 50
	small.Plans[0].Memory = 64 * ispctl.MiB
	byDisk.Images[0].DiskBoot = true
	for want, m := range map[string]*ispctl.Model{"has limits of its disk": limited, "less than 128MiB on Xen": small, "takes a guest of kind hvm on Xen, not pv": byDisk} {
		if _, err := vm.Desired(vm.Host{Type: vm.Xen, Kind: ispctl.XenPV})(m); ispctl.KindOf(err) != ispctl.Conflict || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, have %v", want, err)
		}
	}
}

// TestXenTunes: a share and a ceiling of CPU time become Xen's weight and cap,
// which nothing but the guest that runs remembers.
func TestXenTunes(t *testing.T) {
	was := onXen(t, ispctl.XenPV)
	was.Running = true
	now := was
	now.Tuning.CPUShares, now.Tuning.CPUCeiling = 200, 150
	changes := vm.Diff(vm.State{first: now}, vm.State{first: was})
	if len(changes) == 0 || changes[0].String() != "virsh schedinfo isp-web1 --live cap=150 weight=512" {
		t.Errorf("%v", changes)
	}
	if got := (vm.Tuning{CPUShares: 1}).Weight(); got != 2 {
		t.Errorf("the least weight is %d", got)
	}
}
