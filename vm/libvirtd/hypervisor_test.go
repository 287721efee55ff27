package libvirtd_test

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"libvirt.org/go/libvirt"

	"ispctl"
	"ispctl/converge"
	"ispctl/internal/convergetest"
	"ispctl/internal/testkit"
	"ispctl/vm"
	"ispctl/vm/libvirtd"
)

const testURI = "test:///default"

var inst = ispctl.Installation{Prefix: "isp", Hypervisor: testURI}

func models() []*ispctl.Model {
	all := convergetest.Models(inst, ispctl.Paths{})
	for _, m := range all {
		for i := range m.Plans {
			m.Plans[i].Memory = 64 * ispctl.MiB
		}
	}
	return all
}

// open connects to libvirt's test driver, which is one world for the whole
// process while anybody is connected, and returns a connection of the test's
// own to look at it with.
func open(t testing.TB) (*libvirtd.Hypervisor, *libvirt.Connect) {
	t.Helper()
	h := libvirtd.Open(testURI, ispctl.Paths{}, inst)
	if _, err := h.Observe(t.Context()); err != nil {
		t.Fatal(err)
	}
	conn, err := libvirt.NewConnect(testURI)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := conn.Close(); err != nil {
			t.Error(err)
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h, conn
}

// TestLawsOnTestDriver walks among the driver's own domain and one that has all
// of ours but the mark.
func TestLawsOnTestDriver(t *testing.T) {
	h, conn := open(t)
	define(t, conn, stripped(t, models()[2], "isp-foreign"))
	convergetest.Laws(t, convergetest.Suite[vm.State, vm.Change]{
		Models: models(), Desired: vm.Desired(vm.HostFacts(testURI)), Diff: vm.Diff, Target: h,
		Foreign: func() string { return draw(t, conn, "test") + draw(t, conn, "isp-foreign") }, Passes: 200,
	})
}

// stripped is a domain of the model under another name and UUID, its mark
// taken off.
func stripped(t testing.TB, m *ispctl.Model, name string) string {
	t.Helper()
	d := desired(t, m)["00000000-0000-4000-8000-000000000001"]
	d.UUID, d.Name = "99999999-9999-4999-8999-999999999999", name
	d.VM = ispctl.Name(strings.TrimPrefix(name, inst.Prefix+"-"))
	text, err := vm.Render(d, inst.Prefix)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := strings.Cut(text, "<metadata>")
	_, after, _ := strings.Cut(rest, "</metadata>")
	return before + after
}

func desired(t testing.TB, m *ispctl.Model) vm.State {
	t.Helper()
	s, err := vm.Desired(vm.HostFacts(testURI))(m)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func define(t testing.TB, conn *libvirt.Connect, text string) {
	t.Helper()
	dom, err := conn.DomainDefineXMLFlags(text, libvirt.DOMAIN_DEFINE_VALIDATE)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if err := dom.Free(); err != nil {
		t.Error(err)
	}
}

func draw(t testing.TB, conn *libvirt.Connect, name string) string {
	t.Helper()
	dom, err := conn.LookupDomainByName(name)
	if err != nil {
		t.Fatal(err)
	}
	defer dom.Free()
	text, err := dom.GetXMLDesc(0)
	if err != nil {
		t.Fatal(err)
	}
	state, _, err := dom.GetState()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s\n%d\n", text, state)
}

// pass brings a hypervisor to a model.
func pass(t testing.TB, h converge.Target[vm.State, vm.Change], m *ispctl.Model) ([]converge.Change, error) {
	t.Helper()
	layer := converge.NewLayer("domain", vm.Desired(vm.HostFacts(testURI)), vm.Diff, h)
	return converge.Run(context.WithoutCancel(t.Context()), []converge.Layer{layer}, m, converge.Options{})
}

func mustPass(t testing.TB, h converge.Target[vm.State, vm.Change], m *ispctl.Model) string {
	t.Helper()
	changes, err := pass(t, h, m)
	if err != nil {
		t.Fatal(err)
	}
	var s []string
	for _, c := range changes {
		s = append(s, c.String())
	}
	return strings.Join(s, "\n")
}

// cleared leaves the test driver as it was, for the tests that follow.
func cleared(t testing.TB, h *libvirtd.Hypervisor) {
	t.Helper()
	mustPass(t, h, models()[0])
}

func TestStartOfWhatIsNotDefined(t *testing.T) {
	h, _ := open(t)
	err := h.Apply(t.Context(), []vm.Change{{Act: vm.Start, Domain: vm.Domain{Name: "isp-x", VM: "x", UUID: "00000000-0000-4000-8000-00000000000a"}}})
	if ispctl.KindOf(err) != ispctl.NotFound || len(converge.Faults(err)) != 1 {
		t.Errorf("want a fault of kind not found, have %v", err)
	}
}

func TestState(t *testing.T) {
	h, conn := open(t)
	defer cleared(t, h)
	mustPass(t, h, models()[2])
	const uuid = "00000000-0000-4000-8000-000000000001"
	dom, err := conn.LookupDomainByUUIDString(uuid)
	must(t, err)
	defer dom.Free()
	for _, tt := range []struct {
		want string
		do   func() error
	}{
		{"running", func() error { return nil }},
		{"paused", dom.Suspend},
		{"running", dom.Resume},
		{"stopped", dom.Destroy},
		{"running", dom.Create},
		{"crashed", func() error { return dom.CoreDump(filepath.Join(t.TempDir(), "core"), libvirt.DUMP_CRASH) }},
	} {
		must(t, tt.do())
		if got, err := h.State(t.Context(), uuid); err != nil || got != tt.want {
			t.Errorf("want %s, have %s, %v", tt.want, got, err)
		}
	}
	if _, err := h.State(t.Context(), "00000000-0000-4000-8000-00000000000a"); ispctl.KindOf(err) != ispctl.NotFound {
		t.Errorf("a UUID that nobody has: %v", err)
	}
}

// TestSchema holds what we render against libvirt's schema, for the hypervisors
// that do not run here too: libvirt looks at the schema first.
func TestSchema(t *testing.T) {
	_, conn := open(t)
	for _, kind := range []string{vm.KVM, vm.QEMU, vm.Test} {
		s, err := vm.Desired(vm.Host{Type: kind})(models()[2])
		must(t, err)
		for _, d := range s {
			text, err := vm.Render(d, inst.Prefix)
			must(t, err)
			if err := refusal(conn, text); hasCode(err, libvirt.ERR_XML_INVALID_SCHEMA) || kind == vm.Test && err != nil {
				t.Errorf("%s: %v\n%s", kind, err, text)
			}
			broken := strings.Replace(text, "managed=", "mangled=", 1)
			if err := refusal(conn, broken); !hasCode(err, libvirt.ERR_XML_INVALID_SCHEMA) {
				t.Errorf("%s: the schema lets anything pass: %v", kind, err)
			}
		}
	}
}

// refusal is what libvirt has against a definition; it is gone afterwards.
func refusal(conn *libvirt.Connect, text string) error {
	dom, err := conn.DomainDefineXMLFlags(text, libvirt.DOMAIN_DEFINE_VALIDATE)
	if err != nil {
		return err
	}
	return errors.Join(dom.Undefine(), dom.Free())
}

func hasCode(err error, code libvirt.ErrorNumber) bool {
	e, ok := errors.AsType[libvirt.Error](err)
	return ok && e.Code == code
}

// TestVirtXMLValidate holds the goldens against the schema by the tool that
// libvirt has for it.
func TestVirtXMLValidate(t *testing.T) {
	testkit.Need(t, testkit.Feature{Name: "virt-xml-validate and xmllint", Probe: func() error {
		_, lint := exec.LookPath("xmllint")
		_, validate := exec.LookPath("virt-xml-validate")
		return errors.Join(lint, validate)
	}})
	for _, kind := range []string{vm.KVM, vm.QEMU, vm.Test} {
		testkit.Sh(t, "virt-xml-validate", filepath.Join("..", "testdata", kind+".xml"), "domain")
	}
}

// TestContext: what has no time left changes nothing.
func TestContext(t *testing.T) {
	h, _ := open(t)
	defer cleared(t, h)
	mustPass(t, h, models()[2])
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	if _, err := h.Observe(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("observe: %v", err)
	}
	if err := h.Apply(ctx, vm.Diff(vm.State{}, desired(t, models()[2]))); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("apply: %v", err)
	}
	if have, err := h.Observe(t.Context()); err != nil || len(have) != 2 {
		t.Errorf("a pass without time did something: %v, %v", have, err)
	}
}

// BenchmarkObserve looks at 1,000 guests.
func BenchmarkObserve(b *testing.B) {
	h, _ := open(b)
	m := models()[2]
	m.VMs = nil
	for i := range int64(1000) {
		m.VMs = append(m.VMs, convergetest.Guest(inst, i+1, fmt.Sprintf("g%d", i), "dmz", "10.10.0.2"))
	}
	if err := h.Apply(b.Context(), vm.Diff(desired(b, m), vm.State{})); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if have, err := h.Observe(b.Context()); err != nil || len(have) != 1000 {
			b.Fatal(len(have), err)
		}
	}
	b.StopTimer()
	if err := h.Apply(b.Context(), vm.Diff(vm.State{}, desired(b, m))); err != nil {
		b.Fatal(err)
	}
}
