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

	"github.com/google/go-cmp/cmp"
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

// TestByHand does to a guest's domain what an operator may, and lets the next
// pass mend it.
func TestByHand(t *testing.T) {
	edit := func(old, new string) func(testing.TB, *libvirt.Connect, *libvirt.Domain) {
		return func(t testing.TB, conn *libvirt.Connect, dom *libvirt.Domain) {
			text, err := dom.GetXMLDesc(libvirt.DOMAIN_XML_INACTIVE)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(text, old) {
				t.Fatalf("%s is not in\n%s", old, text)
			}
			define(t, conn, strings.Replace(text, old, new, 1))
		}
	}
	const defined, started = "virsh define --validate isp-web1.xml", "virsh start isp-web1"
	for _, tt := range []struct {
		name, want string
		harm       func(testing.TB, *libvirt.Connect, *libvirt.Domain)
	}{
		{"destroyed", started, func(t testing.TB, _ *libvirt.Connect, dom *libvirt.Domain) { must(t, dom.Destroy()) }},
		{"undefined, running on", defined, func(t testing.TB, _ *libvirt.Connect, dom *libvirt.Domain) { must(t, dom.Undefine()) }},
		{"destroyed and undefined", defined + "\n" + started, func(t testing.TB, _ *libvirt.Connect, dom *libvirt.Domain) {
			must(t, dom.Destroy())
			must(t, dom.Undefine())
		}},
		{"suspended: that is not stopped", "", func(t testing.TB, _ *libvirt.Connect, dom *libvirt.Domain) { must(t, dom.Suspend()) }},
		{"more memory", defined, edit("<memory unit='KiB'>65536<", "<memory unit='KiB'>131072<")},
		{"another tap", defined, edit("isp-1-0", "isp-7-7")},
		{"writable seed elsewhere", defined, edit("seed.iso", "other.iso")},
		{"a title: nothing of ours", "", edit("</uuid>", "</uuid><title>mine</title>")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, conn := open(t)
			defer cleared(t, h)
			mustPass(t, h, models()[2])
			dom, err := conn.LookupDomainByName("isp-web1")
			if err != nil {
				t.Fatal(err)
			}
			tt.harm(t, conn, dom)
			must(t, dom.Free())
			if got := mustPass(t, h, models()[2]); got != tt.want {
				t.Errorf("want\n%s\nhave\n%s", tt.want, got)
			}
			if rest := mustPass(t, h, models()[2]); rest != "" {
				t.Errorf("left after it was mended:\n%s", rest)
			}
		})
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestForeignInTheWay: what is not ours is neither taken over nor removed, and
// stands in the way of nobody else.
func TestForeignInTheWay(t *testing.T) {
	for name, put := range map[string]func(string) string{
		"our name": func(s string) string { return s },
		"our UUID": func(s string) string {
			s = strings.Replace(s, "99999999-9999-4999-8999-999999999999", "00000000-0000-4000-8000-000000000001", 1)
			return strings.Replace(s, "<name>isp-web1<", "<name>theirs<", 1)
		},
		"our name and UUID": func(s string) string {
			return strings.Replace(s, "99999999-9999-4999-8999-999999999999", "00000000-0000-4000-8000-000000000001", 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			h, conn := open(t)
			defer cleared(t, h)
			text := put(stripped(t, models()[2], "isp-web1"))
			define(t, conn, text)
			_, after, _ := strings.Cut(text, "<name>")
			theirs, _, _ := strings.Cut(after, "<")
			defer undefine(t, conn, theirs)
			before := draw(t, conn, theirs)

			_, err := pass(t, h, models()[2])
			faults := converge.Faults(err)
			if len(faults) != 1 || faults[0].Object != "vm web1" || ispctl.KindOf(err) != ispctl.Conflict {
				t.Errorf("want a conflict of vm web1, have %v", err)
			}
			if diff := cmp.Diff(before, draw(t, conn, theirs)); diff != "" {
				t.Errorf("the foreign domain was changed (-before +after):\n%s", diff)
			}
			have, err := h.Observe(t.Context())
			if err != nil || len(have) != 1 || !have["00000000-0000-4000-8000-000000000002"].Running {
				t.Errorf("want mail1 alone, running, have %v, %v", have, err)
			}
			// Not even when it is asked to by name.
			for _, d := range desired(t, models()[2]) {
				if d.VM == "web1" {
					_ = h.Apply(t.Context(), []vm.Change{{Act: vm.Remove, Domain: d}})
				}
			}
			draw(t, conn, theirs)
		})
	}
}

func undefine(t testing.TB, conn *libvirt.Connect, name string) {
	t.Helper()
	dom, err := conn.LookupDomainByName(name)
	must(t, err)
	must(t, dom.Undefine())
	must(t, dom.Free())
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

// TestStopIsCancelled: the driver's guests stop at once, so this one is
// paused first by nobody listening: the context is gone before the wait.
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
