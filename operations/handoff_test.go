package operations_test

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"ispctl"
	"ispctl/handover"
	"ispctl/operations"
)

const guestKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f root@guest"

const tenantKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB8eHRwbGhkYFxYVFBMSERAPDg0MCwoJCAcGBQQDAgEA acme"

// newHanded is a world with a tenant that owns one VM with an agent.
func newHanded(t *testing.T) (*world, *operations.FakeAgent) {
	t.Helper()
	w, ctx := newVPN(t), t.Context()
	w.ok(w.CreateTenant(ctx, ispctl.Tenant{Name: "acme"}, false, operations.Options{}))
	s := spec("web1")
	s.Tenant, s.CPUs = "acme", 3 // more than its plan has
	_, err := w.CreateVM(ctx, s, false, operations.Options{})
	if err != nil {
		t.Fatal(err)
	}
	vm, err := w.VM(ctx, "web1")
	if err != nil {
		t.Fatal(err)
	}
	agent := &operations.FakeAgent{Up: map[string]bool{vm.UUID: true}, Run: func(_ string, argv []string, _ []byte) ispctl.Outcome {
		if strings.Contains(strings.Join(argv, " "), "ssh_host_") {
			return ispctl.Outcome{Stdout: []byte(guestKey + "\nno key\x1b[2J\n")}
		}
		return ispctl.Outcome{}
	}}
	w.Agent = agent
	return w, agent
}

// TestHandOff looks at what is done in the guest and kept of it: keys and
// passwords go by standard input, and no secret is in a file.
func TestHandOff(t *testing.T) {
	w, agent := newHanded(t)
	ctx := t.Context()
	how := operations.HandoffSpec{Tenant: "acme", SSHKeys: []string{tenantKey}, Password: true}
	r, doc, err := w.HandOff(ctx, how, operations.Options{})
	w.ok(r, err)
	if len(doc.VMs) != 1 || doc.VPN == nil {
		t.Fatalf("%+v", doc)
	}
	vm := doc.VMs[0]
	if len(vm.HostKeys) != 1 || !strings.HasPrefix(vm.HostKeys[0].Fingerprint, "SHA256:") || vm.Password == "" || len(vm.Keys) != 1 {
		t.Errorf("%+v", vm)
	}
	if !slices.Contains(vm.Limits, handover.Limit{Name: "CPUs", Value: "3"}) {
		t.Errorf("of its size is told: %+v", vm.Limits)
	}
	for _, ran := range agent.Ran {
		if strings.Contains(strings.Join(ran.Argv, " "), vm.Password) || strings.Contains(strings.Join(ran.Argv, " "), "AAAA") {
			t.Errorf("a list of processes would have it: %q", ran.Argv)
		}
	}
	put := slices.ContainsFunc(agent.Ran, func(r operations.FakeRun) bool { return r.Stdin == tenantKey+"\n" })
	set := slices.ContainsFunc(agent.Ran, func(r operations.FakeRun) bool {
		return r.Stdin == "root:"+vm.Password+"\n" && r.Argv[0] == "/usr/sbin/chpasswd"
	})
	expired := slices.ContainsFunc(agent.Ran, func(r operations.FakeRun) bool {
		return slices.Equal(r.Argv, []string{"/usr/bin/chage", "-d", "0", "root"})
	})
	if !put || !set || !expired {
		t.Errorf("keys %t, password %t, expired %t:\n%+v", put, set, expired, agent.Ran)
	}
	view, err := w.VM(ctx, "web1")
	if err != nil || view.Root.Tenant != "acme" || view.Root.Operator || view.Root.Since == nil {
		t.Errorf("who holds root: %+v, %v", view.Root, err)
	}
	_, again, err := w.HandOff(ctx, how, operations.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if again.VMs[0].Password == vm.Password || again.VPN.Config == doc.VPN.Config {
		t.Error("handed over again, and nothing is new")
	}
	for _, d := range []struct{ password, config string }{{vm.Password, doc.VPN.Config}, {again.VMs[0].Password, again.VPN.Config}} {
		w.holdsNo(t, d.password)
		_, key, _ := strings.Cut(d.config, "PrivateKey = ")
		key, _, _ = strings.Cut(key, "\n")
		w.holdsNo(t, key)
	}
	if vm.Console != "ask your operator: ispctl vm console web1" || vm.Report != "" || doc.Gateway != nil {
		t.Errorf("without a gateway: %+v, %+v", vm, doc.Gateway)
	}
	w.ok(w.SetGateway(ctx, ispctl.Gateway{Listen: netip.MustParseAddrPort("10.9.0.1:2222")}, operations.Options{}))
	how.GatewayKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB8eHRwbGhkYFxYVFBMSERAPDg0MCwoJCAcGBQQDAgEA"
	_, byGateway, err := w.HandOff(ctx, how, operations.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if vm, g := byGateway.VMs[0], byGateway.Gateway; vm.Console != "ssh -t -p 2222 acme@10.9.0.1 vm console web1" || vm.Report != "ssh -p 2222 acme@10.9.0.1 usage web1" ||
		g == nil || g.Known || g.KnownHosts() != "[10.9.0.1]:2222 "+how.GatewayKey+"\n" {
		t.Errorf("by the gateway: %+v, %+v", vm, g)
	}
	var text bytes.Buffer
	if err := byGateway.Text(&text); err != nil || !strings.Contains(text.String(), "No key of yours is registered there yet") || !strings.Contains(text.String(), ispctl.KeyFingerprint(how.GatewayKey)) {
		t.Errorf("%v\n%s", err, &text)
	}
	how.KeepOperator = true
	if _, _, err := w.HandOff(ctx, how, operations.Options{}); err != nil {
		t.Fatal(err)
	}
	if view, _ := w.VM(ctx, "web1"); !view.Root.Operator {
		t.Errorf("the operator's keys were kept: %+v", view.Root)
	}
	w.ok(w.ResetPasswordOf(t, "web1"))
	w.ok(w.AddKey(ctx, "web1", []string{key}, 0, operations.Options{}))
	if last := agent.Ran[len(agent.Ran)-1]; last.Stdin != tenantKey+"\n"+key+"\n" {
		t.Errorf("keys in the guest: %q", last.Stdin)
	}
}

// ResetPasswordOf is ResetPassword, as operations are looked at here.
func (w *world) ResetPasswordOf(t *testing.T, name string) (operations.Result, error) {
	t.Helper()
	password, err := w.ResetPassword(t.Context(), name)
	w.holdsNo(t, password)
	return operations.Result{}, err
}

// TestHandOffForms writes the document in each form; what is in it cannot be more
// than text there.
func TestHandOffForms(t *testing.T) {
	w, _ := newHanded(t)
	_, doc, err := w.HandOff(t.Context(), operations.HandoffSpec{Tenant: "acme", Password: true}, operations.Options{})
	if err != nil {
		t.Fatal(err)
	}
	doc.Title = `<script>alert("x")</script>`
	var text, page, paper, data bytes.Buffer
	if err := doc.Text(&text); err != nil {
		t.Error(err)
	}
	if err := doc.HTML(&page); err != nil {
		t.Error(err)
	}
	if err := doc.PDF(&paper); err != nil {
		t.Error(err)
	}
	if err := doc.JSON(&data); err != nil {
		t.Error(err)
	}
	for _, say := range []string{doc.VMs[0].Password, doc.VMs[0].HostKeys[0].Fingerprint, "AllowedIPs = "} {
		for form, out := range map[string]string{"text": text.String(), "html": page.String(), "json": data.String()} {
			if !strings.Contains(out, say) {
				t.Errorf("%s does not say %q", form, say)
			}
		}
	}
	if strings.Contains(page.String(), "<script>") || strings.Contains(page.String(), "http") || !strings.Contains(page.String(), "<svg") {
		t.Errorf("the page runs something, or is not whole by itself:\n%s", page.String())
	}
	if !bytes.HasPrefix(paper.Bytes(), []byte("%PDF-")) || !bytes.HasSuffix(bytes.TrimSpace(paper.Bytes()), []byte("%%EOF")) {
		t.Error("that is no PDF")
	}
}

// TestHandOffRefused changes nothing.
func TestHandOffRefused(t *testing.T) {
	w, agent := newHanded(t)
	ctx := t.Context()
	w.ok(w.CreateTenant(ctx, ispctl.Tenant{Name: "other"}, false, operations.Options{}))
	for _, tt := range []struct {
		spec operations.HandoffSpec
		kind ispctl.ErrorKind
		say  string
	}{
		{operations.HandoffSpec{Tenant: "nope"}, ispctl.NotFound, "not found"},
		{operations.HandoffSpec{Tenant: "other", Password: true}, ispctl.Conflict, "owns no VM"},
		{operations.HandoffSpec{Tenant: "other", VM: "web1", Password: true}, ispctl.Conflict, `is not tenant "other"'s`},
		{operations.HandoffSpec{Tenant: "acme", VM: "nope", Password: true}, ispctl.NotFound, "not found"},
		{operations.HandoffSpec{Tenant: "acme"}, ispctl.Usage, "has no SSH key"},
	} {
		if _, _, err := w.HandOff(ctx, tt.spec, operations.Options{}); ispctl.KindOf(err) != tt.kind || !strings.Contains(err.Error(), tt.say) {
			t.Errorf("%+v: %v", tt.spec, err)
		}
	}
	clear(agent.Up)
	if _, _, err := w.HandOff(ctx, operations.HandoffSpec{Tenant: "acme", Password: true}, operations.Options{}); err == nil || len(agent.Ran) > 0 {
		t.Errorf("without an agent: %v, %v", err, agent.Ran)
	}
	if vm, _ := w.VM(ctx, "web1"); vm.Root.Tenant != "" {
		t.Errorf("it is taken for handed over: %+v", vm.Root)
	}
}
