package operations_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ispctl"
	"ispctl/operations"
)

// sixes are the IPv6 addresses of guests, as `NAME ADDRESS`.
func (w *world) sixes() []string {
	var all []string
	for vm := range w.model().Guests() {
		if a := vm.NICs[0].Addr6; a.IsValid() {
			all = append(all, string(vm.Name)+" "+a.String())
		}
	}
	return all
}

// setPrefix6 is `zone set dmz --prefix6`.
func (w *world) setPrefix6(t *testing.T, prefix string) (operations.Result, error) {
	t.Helper()
	var p netip.Prefix
	if prefix != "none" {
		p = netip.MustParsePrefix(prefix)
	}
	return w.SetZone(t.Context(), "dmz", operations.ZoneChange{Prefix6: &p}, options{})
}

// TestZoneGetsIPv6: guests that are there get addresses, those that come later
// too, and all lose them with the prefix.
func TestZoneGetsIPv6(t *testing.T) {
	w := withVMs(t)
	six := spec("web3")
	six.Address6 = addr("2001:db8:10::2")
	_, err := w.CreateVM(t.Context(), six, false, options{})
	refused(t, err, ispctl.Conflict, `zone "dmz" has no IPv6 prefix`)

	r := w.ok(w.setPrefix6(t, "2001:db8:10::/64"))
	want := []string{"~ zone dmz prefix6 none -> 2001:db8:10::/64", "~ vm web1 address6 none -> 2001:db8:10::2", "~ vm web2 address6 none -> 2001:db8:10::3"}
	if diff := cmp.Diff(want, r.Intent); diff != "" {
		t.Errorf("it says (-want +got):\n%s", diff)
	}
	w.settled()
	_, err = w.CreateVM(t.Context(), six, false, options{})
	refused(t, err, ispctl.Conflict, `address "2001:db8:10::2": is vm "web1"'s in zone "dmz"`)
	six.Address6 = addr("2001:db8:10::1")
	_, err = w.CreateVM(t.Context(), six, false, options{})
	refused(t, err, ispctl.Conflict, "address 2001:db8:10::1 is the gateway")
	six.Address6 = addr("2001:db8:10::80")
	w.ok(w.CreateVM(t.Context(), six, false, options{}))
	if r := w.ok(w.setPrefix6(t, "2001:db8:10::/64")); r.Changed() {
		t.Errorf("the same again: %v", r.Intent)
	}
	if got := w.sixes(); !slices.Equal(got, []string{"web1 2001:db8:10::2", "web2 2001:db8:10::3", "web3 2001:db8:10::80"}) {
		t.Errorf("addresses %v", got)
	}

	w.ok(w.AddForward(t.Context(), forward(t, "[2001:db8:10::80]:443/tcp", "web3:443"), false, options{}))
	_, err = w.setPrefix6(t, "none")
	refused(t, err, ispctl.Conflict, `forward "[2001:db8:10::80]:443/tcp": vm "web3" has no IPv6 address`)
	w.ok(w.RemoveForward(t.Context(), forward(t, "[2001:db8:10::80]:443/tcp", "web3:443").Listen, 0, false, options{}))

	w.ok(w.setPrefix6(t, "2001:db8:77::/64"))
	if got := w.sixes(); !slices.Equal(got, []string{"web1 2001:db8:77::2", "web2 2001:db8:77::3", "web3 2001:db8:77::4"}) {
		t.Errorf("with another prefix: %v", got)
	}
	w.ok(w.setPrefix6(t, "none"))
	if got := w.sixes(); len(got) != 0 {
		t.Errorf("without a prefix: %v", got)
	}
	w.settled()
}

// beside puts a line after another of the same depth.
func beside(text, line, more string) string {
	before, _, _ := strings.Cut(text, line)
	depth := before[strings.LastIndex(before, "\n")+1:]
	return strings.Replace(text, line+"\n", line+"\n"+depth+more+"\n", 1)
}

// TestDocumentWithIPv6: an applied document gives a zone IPv6, guests that are
// there the addresses it names, and applies to nothing once it is exported.
func TestDocumentWithIPv6(t *testing.T) {
	w := withVMs(t)
	text, err := w.Export(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	changed := beside(string(text), "prefix: 10.10.0.0/24", "prefix6: 2001:db8:10::/64")
	changed = beside(changed, "address: 10.10.0.3", "address6: 2001:db8:10::2")
	changed = strings.Replace(changed, "forwards:\n", "forwards:\n- {listen: '[2001:db8:10::2]:443/tcp', to: web2:443}\n", 1)
	if strings.Count(changed, "2001:db8") != 3 || !strings.Contains(changed, "forwards:") {
		t.Fatalf("the test does not fit the document:\n%s", changed)
	}
	w.ok(w.apply(changed, false, options{}))
	if got := w.sixes(); !slices.Equal(got, []string{"web1 2001:db8:10::3", "web2 2001:db8:10::2"}) {
		t.Errorf("addresses %v", got)
	}
	if text, err = w.Export(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"prefix6: 2001:db8:10::/64", "address6: 2001:db8:10::2", "[2001:db8:10::2]:443/tcp"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the export lacks %q:\n%s", want, text)
		}
	}
	if r := w.ok(w.apply(string(text), false, options{})); r.Changed() {
		t.Errorf("what was exported changes %v", r.Intent)
	}
	for harm, want := range map[string]string{
		"address6: 2001:db8:10::2": "address6 is 2001:db8:10::2 and cannot become 2001:db8:10::99",
		"to: web2:443":             "IPv6 is not translated",
	} {
		bad := strings.Replace(string(text), harm, strings.NewReplacer("::2", "::99", "web2", "web1").Replace(harm), 1)
		_, err := w.apply(bad, false, options{})
		refused(t, err, ispctl.Conflict, want)
	}
}
