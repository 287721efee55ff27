package libvirtd_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"libvirt.org/go/libvirt"

	"ispctl"
	"ispctl/converge"
	"ispctl/vm"
)

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
		{"suspended", "virsh resume isp-web1", func(t testing.TB, _ *libvirt.Connect, dom *libvirt.Domain) { must(t, dom.Suspend()) }},
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
