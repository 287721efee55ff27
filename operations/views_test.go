package operations_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ispctl"
	"ispctl/internal/testkit"
	"ispctl/operations"
)

// TestViewsAsJSON holds the names that scripts depend on.
func TestViewsAsJSON(t *testing.T) {
	w := withVMs(t)
	ctx := t.Context()
	w.ok(w.SetVMsWanted(ctx, []string{"web2"}, ispctl.Stopped, options{}))
	w.ok(w.AllowPolicy(ctx, operations.PolicySpec{From: "dmz", To: "mail", Openings: []ispctl.Opening{{Transport: ispctl.TransportTCP, Port: 25}}, Families: []ispctl.Family{ispctl.IPv4}}, options{}))
	var b strings.Builder
	show := func(name string, view any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.MarshalIndent(view, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString("== " + name + "\n" + string(text) + "\n")
	}
	zones, err := w.Zones(ctx)
	show("zones", zones, err)
	zone, err := w.Zone(ctx, "mail")
	show("zone mail", zone, err)
	addresses, err := w.Addresses(ctx)
	show("addresses", addresses, err)
	plans, err := w.Plans(ctx)
	show("plans", plans, err)
	plan, err := w.Plan(ctx, "small")
	show("plan small", plan, err)
	forwards, err := w.Forwards(ctx)
	show("forwards", forwards, err)
	images, err := w.ImageList(ctx)
	show("images", images, err)
	templates, err := w.TemplateList(ctx)
	show("templates", templates, err)
	template, err := w.Template(ctx, "micro")
	show("template micro", template, err)
	vms, err := w.VMs(ctx)
	for i := range vms { // what is chosen at random, or by the clock
		vms[i].UUID, vms[i].MAC, vms[i].CreatedAt = "UUID", "MAC", time.Time{}
		vms[i].HostKey, vms[i].HostKeyFP = "KEY", "FINGERPRINT"
		for n := range vms[i].NICs {
			vms[i].NICs[n].MAC = "MAC"
		}
		for n := range vms[i].Phases {
			vms[i].Phases[n].At, vms[i].Phases[n].Seconds = time.Time{}, 0
		}
	}
	show("vms", vms, err)
	status, err := w.Status(ctx)
	status.Root = "ROOT"
	show("status", status, err)
	matrix, err := w.PolicyMatrix(ctx)
	show("policies", matrix, err)
	check, err := w.CheckPolicy(ctx, "dmz", "mail", ispctl.Opening{Transport: ispctl.TransportTCP, Port: 25}, ispctl.IPv4, false)
	show("check", check, err)
	testkit.Golden(t, "views.json", b.String())
}

// TestEmptyViews are empty lists, never null.
func TestEmptyViews(t *testing.T) {
	w := emptyWorld(t)
	ctx := t.Context()
	for name, view := range map[string]func() (any, error){
		"zones":     func() (any, error) { return w.Zones(ctx) },
		"addresses": func() (any, error) { return w.Addresses(ctx) },
		"plans":     func() (any, error) { return w.Plans(ctx) },
		"forwards":  func() (any, error) { return w.Forwards(ctx) },
		"images":    func() (any, error) { return w.ImageList(ctx) },
		"vms":       func() (any, error) { return w.VMs(ctx) },
	} {
		got, err := view()
		if err != nil {
			t.Fatal(err)
		}
		if text, err := json.Marshal(got); err != nil || string(text) != "[]" {
			t.Errorf("%s: %s, %v", name, text, err)
		}
	}
	s, err := w.Status(ctx)
	if err != nil || s.Faults == nil || s.Pending == nil || s.VMs != 0 {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestShowOfNothing names what there is.
func TestShowOfNothing(t *testing.T) {
	w := withVMs(t)
	ctx := t.Context()
	for name, c := range map[string]struct {
		show func() error
		want string
	}{
		"zone":     {func() error { _, err := w.Zone(ctx, "x"); return err }, `zone "x" not found (have: dmz, mail); see: ispctl zone list`},
		"plan":     {func() error { _, err := w.Plan(ctx, "x"); return err }, `plan "x" not found (have: small)`},
		"vm":       {func() error { _, err := w.VM(ctx, "x"); return err }, `vm "x" not found (have: web1, web2)`},
		"template": {func() error { _, err := w.Template(ctx, "x"); return err }, `template "x" not found (have: debian-12, debian-13, micro)`},
		"image":    {func() error { _, err := w.RemoveImage(ctx, "x", false); return err }, `image "x" not found (have: micro)`},
		"wait":     {func() error { return w.WaitSSH(ctx, "x", time.Second) }, `vm "x" not found (have: web1, web2)`},
		"check": {func() error {
			_, err := w.CheckPolicy(ctx, "x", "mail", ispctl.Opening{Transport: ispctl.ICMP}, ispctl.IPv4, false)
			return err
		}, `zone "x" not found (have: dmz, mail, host, internet)`},
	} {
		t.Run(name, func(t *testing.T) { refused(t, c.show(), ispctl.NotFound, c.want) })
	}
}

func TestRemoveImage(t *testing.T) {
	w := withVMs(t)
	ctx := t.Context()
	for _, name := range []string{"micro", digest} {
		_, err := w.RemoveImage(ctx, name, true)
		refused(t, err, ispctl.Conflict, `image "`+name+`": is in use by vm web1, web2; destroy them first`)
	}
	w.ok(w.DestroyVMs(ctx, []string{"web1", "web2"}, false, options{}))
	said, err := w.RemoveImage(ctx, "micro", false)
	if err != nil || len(said) != 1 || said[0] != "- image micro "+digest {
		t.Errorf("%v, %v", said, err)
	}
	_, err = w.RemoveImage(ctx, "micro", false)
	refused(t, err, ispctl.NotFound, `image "micro" not found (have none)`)
	if said, err := w.RemoveImage(ctx, "micro", true); err != nil || len(said) != 0 {
		t.Errorf("%v, %v", said, err)
	}
	if t1, err := w.Template(ctx, "micro"); err != nil || t1.ImageBuilt {
		t.Errorf("%+v, %v", t1, err)
	}
}

func TestPolicies(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	tcp := func(port uint16) ispctl.Opening { return ispctl.Opening{Transport: ispctl.TransportTCP, Port: port} }
	both := []ispctl.Family{ispctl.IPv4, ispctl.IPv6}
	to := func(to string, openings ...ispctl.Opening) operations.PolicySpec {
		return operations.PolicySpec{From: "dmz", To: to, Openings: openings, Families: both}
	}
	check := func(name string, want []string, r operations.Result, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, r.Intent); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	before := w.all()
	r, err := w.AllowPolicy(ctx, to("mail", tcp(25)), options{DryRun: true})
	check("dry", []string{"+ policy dmz -> mail tcp/25 ipv4", "+ policy dmz -> mail tcp/25 ipv6"}, r, err)
	w.untouched(before)
	r, err = w.AllowPolicy(ctx, to("mail", tcp(25), tcp(587)), options{})
	check("allow", []string{
		"+ policy dmz -> mail tcp/25 ipv4", "+ policy dmz -> mail tcp/587 ipv4", "+ policy dmz -> mail tcp/25 ipv6", "+ policy dmz -> mail tcp/587 ipv6",
	}, r, err)
	r, err = w.AllowPolicy(ctx, to("mail", tcp(25)), options{})
	check("again", nil, r, err)
	r, err = w.DenyPolicy(ctx, to("mail", tcp(25)), options{})
	check("deny", []string{"- policy dmz -> mail tcp/25 ipv4", "- policy dmz -> mail tcp/25 ipv6"}, r, err)
	r, err = w.DenyPolicy(ctx, to("mail", tcp(25)), options{})
	check("deny again", nil, r, err)
	_, err = w.DeleteZone(ctx, "mail", false, options{})
	refused(t, err, ispctl.Conflict, `zone "mail": is in use by policy dmz -> mail tcp/587 ipv4, dmz -> mail tcp/587 ipv6`)
	r, err = w.DenyPolicy(ctx, to("mail"), options{})
	check("deny all", []string{"- policy dmz -> mail tcp/587 ipv4", "- policy dmz -> mail tcp/587 ipv6"}, r, err)
	w.settled()

	w.ok(w.AllowPolicy(ctx, to("mail"), options{}))
	before = w.all()
	for name, c := range map[string]struct {
		do   func() (operations.Result, error)
		kind ispctl.ErrorKind
		want string
	}{
		"part of all":     {func() (operations.Result, error) { return w.DenyPolicy(ctx, to("mail", tcp(25)), options{}) }, ispctl.Conflict, "lets everything through, so denying a part of it would close nothing"},
		"no such zone":    {func() (operations.Result, error) { return w.AllowPolicy(ctx, to("x"), options{}) }, ispctl.NotFound, `zone "x" not found (have: dmz, mail, host, internet)`},
		"within a zone":   {func() (operations.Result, error) { return w.AllowPolicy(ctx, to("dmz"), options{}) }, ispctl.Usage, "both ends are the same"},
		"deny to no zone": {func() (operations.Result, error) { return w.DenyPolicy(ctx, to("x"), options{}) }, ispctl.NotFound, `zone "x" not found`},
	} {
		r, err := c.do()
		refused(t, err, c.kind, c.want)
		if r.Changed() {
			t.Errorf("%s: it says it did %v", name, r.Intent)
		}
	}
	w.untouched(before)
}

// TestWaitSSH in a namespace where the guest's address is this process's own.
func TestWaitSSH(t *testing.T) {
	testkit.NetNS(t)
	testkit.Sh(t, "ip", "address", "add", "10.10.0.2/32", "dev", "lo")
	w := newWorld(t)
	w.create("web1")
	ctx := t.Context()
	err := w.WaitSSH(ctx, "web1", 50*time.Millisecond)
	refused(t, err, ispctl.TimedOut, `vm "web1": SSH on 10.10.0.2:22 did not answer within 50ms; the last on its console: nothing`, "connection refused", "ispctl vm logs web1")
	// What it said last is told as it is, and not to the terminal.
	guest, err := w.model().VM("web1")
	if err != nil {
		t.Fatal(err)
	}
	log := w.Paths.SerialLog(guest.UUID)
	if err := errors.Join(os.MkdirAll(filepath.Dir(log), 0o755), os.WriteFile(log, []byte("booting\r\nKernel panic \x1b[2J\xff\r\n\r\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	refused(t, w.WaitSSH(ctx, "web1", 50*time.Millisecond), ispctl.TimedOut, `the last on its console: "Kernel panic \x1b[2J\xff"`)

	l, err := net.Listen("tcp", "10.10.0.2:22")
	if err != nil {
		t.Fatal(err)
	}
	banners := []string{"220 mail\r\n", "SSH-2.0-test\r\n"} // the first is of a guest that has not come up
	done := make(chan error, 1)
	go func() {
		var errs []error
		for _, banner := range banners {
			conn, err := l.Accept()
			if err != nil {
				errs = append(errs, err)
				break
			}
			out := bufio.NewWriter(conn)
			_, err = out.WriteString(banner)
			errs = append(errs, err, out.Flush(), conn.Close())
		}
		done <- errors.Join(errs...)
	}()
	if err := w.WaitSSH(ctx, "web1", time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(<-done, l.Close()); err != nil {
		t.Error(err)
	}
	vm, err := w.VM(ctx, "web1")
	if err != nil {
		t.Fatal(err)
	}
	if n := len(vm.Phases); n == 0 || vm.Phases[n-1].Name != "ssh" {
		t.Errorf("%+v", vm.Phases)
	}
	if last := w.told[len(w.told)-2]; last.Phase != "ssh" || !last.Done || last.Object != "vm web1" {
		t.Errorf("%+v", last)
	}
	if last := w.told[len(w.told)-1]; last.Phase != "up" || !strings.Contains(last.Text, "disk +") || !strings.Contains(last.Text, ", ssh +") {
		t.Errorf("%+v", last)
	}
}
