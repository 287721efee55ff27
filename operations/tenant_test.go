package operations_test

import (
	"strings"
	"testing"

	"ispctl"
	"ispctl/operations"
)

const bobKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g bob"

// tenanted is a world with the tenant acme, who may have two VMs.
func tenanted(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.ok(w.CreateTenant(t.Context(), ispctl.Tenant{Name: "acme", Keys: []string{key}, Share: ispctl.Share{VMs: 2, CPUs: 4}}, false, options{}))
	return w
}

func of(tenant, name string) operations.VMSpec {
	s := spec(name)
	s.Tenant = tenant
	return s
}

// TestSharesHoldEverywhere: whatever would make a tenant's VMs more than its
// share is refused whole, and leaves nothing.
func TestSharesHoldEverywhere(t *testing.T) {
	w := tenanted(t)
	ctx := t.Context()
	w.ok(w.CreateVM(ctx, of("acme", "web1"), false, options{}))
	three, err := operations.Alike(of("acme", "many"), 2)
	if err != nil {
		t.Fatal(err)
	}
	w.ok(w.CreatePlan(ctx, ispctl.Plan{Name: "large", CPUs: 5, Memory: ispctl.GiB, Disk: ispctl.GiB}, false, options{}))
	w.ok(w.CreateVM(ctx, spec("mine"), false, options{}))
	five, large, acme := 5, "large", "acme"
	for name, try := range map[string]func() error{
		"vm create": func() error {
			_, err := w.CreateVM(ctx, withPlan(of("acme", "big"), "large"), false, options{})
			return err
		},
		"vm create, many": func() error { _, err := w.CreateVMs(ctx, three, false, options{}); return err },
		"vm set --plan":   func() error { _, err := w.SetVM(ctx, "web1", operations.VMChange{Plan: &large}, options{}); return err },
		"plan set": func() error {
			_, err := w.SetPlan(ctx, "small", operations.PlanChange{CPUs: &five}, options{})
			return err
		},
		"tenant set": func() error {
			_, err := w.SetTenant(ctx, "acme", operations.TenantChange{Share: map[string]string{"memory": "100MiB"}}, options{})
			return err
		},
		"apply": func() error {
			return w.applied("vms: [{name: web2, template: micro, zone: dmz, plan: large, tenant: acme}]")
		},
		"apply of a share": func() error { return w.applied("tenants: [{name: acme, share: {memory: 100MiB}}]") },
	} {
		before := w.exported()
		err := try()
		if err == nil || ispctl.KindOf(err) != ispctl.Conflict || !strings.Contains(err.Error(), "too much") {
			t.Errorf("%s: %v", name, err)
		}
		if after := w.exported(); after != before {
			t.Errorf("%s left something behind:\n%s", name, after)
		}
	}
	w.ok(w.SetVM(ctx, "mine", operations.VMChange{Tenant: &acme}, options{}))
	refused(t, second(w.CreateVM(ctx, of("acme", "web3"), false, options{})), ispctl.Conflict, "its vms: 2 at the most")
	refused(t, second(w.CreateVM(ctx, of("ghost", "web3"), false, options{})), ispctl.NotFound, `tenant "ghost" not found (have: acme)`)
	w.ok(w.DestroyVMs(ctx, []string{"mine"}, false, options{}))
	w.ok(w.CreateVM(ctx, of("acme", "web3"), false, options{}))
}

func withPlan(s operations.VMSpec, plan string) operations.VMSpec {
	s.Plan = plan
	return s
}

func second(_ operations.Result, err error) error { return err }

// exported is the whole provider as text.
func (w *world) exported() string {
	w.t.Helper()
	text, err := w.Export(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return string(text)
}

func (w *world) applied(text string) error {
	_, err := w.apply("version: 1\n"+text, false, options{})
	return err
}

// TestTenantDelete says what is left, and goes when nothing is.
func TestTenantDelete(t *testing.T) {
	w := tenanted(t)
	ctx := t.Context()
	w.ok(w.CreateVM(ctx, of("acme", "web1"), false, options{}))
	w.ok(w.AssignAddress(ctx, addr("203.0.113.11"), "web1", ispctl.OneToOne, false, options{}))
	refused(t, second(w.DeleteTenant(ctx, "acme", false, options{})), ispctl.Conflict, "still has vm web1, address 203.0.113.11")
	none := ""
	w.ok(w.SetVM(ctx, "web1", operations.VMChange{Tenant: &none}, options{}))
	w.ok(w.DeleteTenant(ctx, "acme", false, options{}))
	refused(t, second(w.DeleteTenant(ctx, "acme", false, options{})), ispctl.NotFound, "not found")
	w.ok(w.DeleteTenant(ctx, "acme", true, options{}))
}

// TestSuspend: it is about frames, comes back whole, and changes nothing else.
func TestSuspend(t *testing.T) {
	w := tenanted(t)
	ctx := t.Context()
	w.ok(w.CreateVM(ctx, of("acme", "web1"), false, options{}))
	before := w.wall.String()
	r := w.ok(w.SuspendTenant(ctx, "acme", true, options{}))
	if len(r.Intent) != 1 || !strings.Contains(r.Intent[0], "(web1)") {
		t.Errorf("said %v", r.Intent)
	}
	if w.wall.String() == before {
		t.Error("the wall is as it was")
	}
	if again := w.ok(w.SuspendTenant(ctx, "acme", true, options{})); again.Changed() {
		t.Errorf("twice: %+v", again)
	}
	if err := w.applied("tenants: [{name: acme, share: {vms: 2, cpus: 4}}]"); err != nil {
		t.Error(err)
	}
	if v, err := w.Tenant(ctx, "acme"); err != nil || !v.Suspended || len(v.Keys) != 1 {
		t.Errorf("a document that does not say so resumed it, or took its key: %+v, %v", v, err)
	}
	w.ok(w.SuspendTenant(ctx, "acme", false, options{}))
	if after := w.wall.String(); after != before {
		t.Errorf("resumed:\n%s\nbefore:\n%s", after, before)
	}
}

func TestTenantKeys(t *testing.T) {
	w := tenanted(t)
	ctx := t.Context()
	w.ok(w.CreateTenant(ctx, ispctl.Tenant{Name: "other"}, false, options{}))
	refused(t, second(w.AddTenantKeys(ctx, "other", []string{key}, options{})), ispctl.Conflict, `is tenant "acme"'s`)
	if again := w.ok(w.AddTenantKeys(ctx, "acme", []string{key + " again"}, options{})); again.Changed() {
		t.Errorf("twice: %+v", again)
	}
	w.ok(w.AddTenantKeys(ctx, "acme", []string{bobKey}, options{}))
	refused(t, second(w.RemoveTenantKey(ctx, "acme", "carol", false, options{})), ispctl.NotFound, "see: ispctl tenant key list acme")
	w.ok(w.RemoveTenantKey(ctx, "acme", "bob", false, options{}))
	w.ok(w.AddTenantKeys(ctx, "other", []string{bobKey}, options{}))
	// A document moves a key from one to another in one go.
	if err := w.applied("tenants: [{name: acme, keys: [\"" + bobKey + "\"]}, {name: other, keys: [\"" + key + "\"]}]"); err != nil {
		t.Error(err)
	}
	keys, err := w.TenantKeys(ctx, "other")
	if err != nil || len(keys) != 1 || keys[0].Fingerprint != ispctl.KeyFingerprint(key) {
		t.Errorf("other has %+v, %v", keys, err)
	}
	refused(t, w.applied("tenants: [{name: third, keys: [\""+key+"\"]}]"), ispctl.Conflict, `tenant "other"'s`)
}
