package vm_test

import (
	"strings"
	"testing"

	"ispctl/vm"
)

// edited is a domain of ours after somebody did something to it.
func edited(t testing.TB, old, new string) []byte {
	t.Helper()
	d := desired(t, vm.QEMU, models()[2])["00000000-0000-4000-8000-000000000001"]
	text, err := vm.Render(d, inst.Prefix)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text, old) {
		t.Fatalf("%q is not in\n%s", old, text)
	}
	return []byte(strings.Replace(text, old, new, 1))
}

func TestDecodeKnowsItsOwn(t *testing.T) {
	for _, tt := range []struct {
		name, old, new string
		ours           bool
	}{
		{"as rendered", "<name>", "<name>", true},
		{"another prefix of the same namespace", "ispctl:vm xmlns:ispctl", "i:vm xmlns:i", true},
		{"more metadata", "<metadata>", `<metadata><a:b xmlns:a="urn:a" installation="x"/>`, true},
		{"another installation", `installation="isp"`, `installation="lab"`, false},
		{"a mark in another place", "<metadata>", "<metadata><x:x xmlns:x=\"urn:x\"/></metadata><devices>", false},
		{"another namespace", vm.Namespace, "https://example.org/", false},
		{"no namespace", "ispctl:vm xmlns:ispctl", "vm ispctl", false},
		{"a clone, metadata and all", "<name>isp-web1</name>", "<name>isp-web1-clone</name>", false},
		{"a mark that claims another VM", `name="web1"`, `name="web2"`, false},
	} {
		if _, ours, err := vm.Decode(edited(t, tt.old, tt.new), inst.Prefix); err != nil || ours != tt.ours {
			t.Errorf("%s: ours %v, %v", tt.name, ours, err)
		}
	}
}

// TestDecodeOfSenselessValues: they become what nobody wants.
func TestDecodeOfSenselessValues(t *testing.T) {
	for _, tt := range []struct{ old, new string }{
		{`id="1"`, `id="one"`},
		{`<memory unit="KiB">65536`, `<memory unit="KiB">much`},
		{`<memory unit="KiB">65536`, `<memory unit="furlongs">65536`},
		{`<vcpu>1`, `<vcpu>few`},
	} {
		d, ours, err := vm.Decode(edited(t, tt.old, tt.new), inst.Prefix)
		if err != nil || !ours {
			t.Errorf("%s: ours %v, %v", tt.new, ours, err)
		}
		want := desired(t, vm.QEMU, models()[2])
		d.Running = true
		have := vm.State{d.UUID: d}
		delete(want, "00000000-0000-4000-8000-000000000002")
		if got := vm.Diff(want, have); len(got) != 1 || got[0].Act != vm.Define {
			t.Errorf("%s: want a define, have %v", tt.new, got)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	whole := string(edited(t, "", ""))
	for name, text := range map[string]string{
		"cut":     whole[:len(whole)/2],
		"no XML":  "<domain <",
		"unended": "<domain>",
	} {
		if d, ours, err := vm.Decode([]byte(text), inst.Prefix); err == nil || ours {
			t.Errorf("%s: %v %+v", name, ours, d)
		}
	}
}

// FuzzDecode: whatever libvirt, or an operator by virsh edit, comes up with,
// Decode neither panics nor takes for ours what has another name than its mark.
func FuzzDecode(f *testing.F) {
	f.Add(edited(f, "", ""))
	f.Add([]byte("<domain><devices><interface/></devices></domain>"))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, ours, err := vm.Decode(data, inst.Prefix)
		if ours && (err != nil || d.Name != inst.Domain(d.VM)) {
			t.Errorf("ours, with %v: %+v", err, d)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	data := edited(b, "", "")
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, ours, err := vm.Decode(data, inst.Prefix); !ours || err != nil {
			b.Fatal(ours, err)
		}
	}
}
