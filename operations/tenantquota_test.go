package operations_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ispctl"
	"ispctl/meter"
	"ispctl/operations"
)

// TestTenantQuota: what all VMs of a tenant use counts together, while they are
// its own; it holds those without a quota of their own, tells of each mark once,
// and lets go of a VM that leaves.
func TestTenantQuota(t *testing.T) {
	m := newMetered(t, "2026-10-10T00:00:00Z")
	ctx := t.Context()
	m.ok(m.CreateTenant(ctx, ispctl.Tenant{Name: "acme"}, false, options{}))
	acme, nobody := "acme", ""
	m.pass(10*time.Second, m.tap("web1"), 500_000) // before it is acme's
	for _, vm := range []string{"web1", "web2"} {
		m.ok(m.SetVM(ctx, vm, operations.VMChange{Tenant: &acme}, options{}))
	}
	quota := ispctl.Quota{Tenant: "acme", Volume: 1_000_000, Direction: ispctl.DirectionOut, Day: 1, Action: ispctl.ActionThrottle, Rate: ispctl.Mbit}
	m.ok(m.SetQuota(ctx, quota, options{}))
	look := func(want ...string) {
		t.Helper()
		if _, err := m.sampler.JudgeQuotas(ctx); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, one := range m.model().Throttles {
			got = append(got, string(one.VM))
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("throttled (-want +got):\n%s", diff)
		}
	}
	send := func(vm ispctl.Name, n uint64) {
		c := m.counters[m.tap(string(vm))]
		c[meter.Internet].Out.Bytes += n
		c[meter.Internet].Out.Packets++
		m.counters[m.tap(string(vm))] = c
		m.clock.Sleep(ctx, 10*time.Second)
		m.sample()
	}
	send("web1", 600_000)
	look()
	send("web2", 300_000)
	look()
	if q, err := m.Quota(ctx, "web2"); err != nil || q.Tenant != "acme" || q.Used != 900_000 || q.Percent != 90 || q.State != "warned" {
		t.Errorf("%+v, %v", q, err)
	}
	send("web2", 100_000)
	look("web1", "web2")
	if diff := cmp.Diff([]string{"warned web1 900000", "reached web1 1000000"}, m.notices); diff != "" {
		t.Errorf("notices (-want +got):\n%s", diff)
	}
	// A quota of its own holds web2 alone; what it uses counts all the same.
	own := ispctl.Quota{VM: "web2", Volume: ispctl.TiB, Direction: ispctl.DirectionOut, Day: 1, Action: ispctl.ActionBlock}
	m.ok(m.SetQuota(ctx, own, options{}))
	look("web1")
	m.ok(m.SetVM(ctx, "web1", operations.VMChange{Tenant: &nobody}, options{}))
	look()
	m.ok(m.SetVM(ctx, "web1", operations.VMChange{Tenant: &acme}, options{}))
	look("web1")
	r, err := m.MonthlyReport(ctx, operations.ReportQuery{Kind: operations.GroupTenant, Group: "acme"})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range r.Groups[0].VMs {
		if (v.Quota != nil) != (v.Name == "web2") {
			t.Errorf("in the report: %s %+v", v.Name, v.Quota)
		}
	}
	m.ok(m.RemoveQuota(ctx, ispctl.Quota{Tenant: "acme"}, false, options{}))
	look()
	_, err = m.SetQuota(ctx, ispctl.Quota{Tenant: "bolt", Volume: 1, Direction: "in", Day: 1, Action: "notify"}, options{})
	refused(t, err, ispctl.NotFound, "have: acme")
	// It goes with its tenant, and stands in documents.
	document := "version: 1\ntenants: [{name: bolt}]\nquotas: [{tenant: bolt, volume: 2TB, direction: in}]\n"
	if _, err := m.apply(document, false, options{}); err != nil {
		t.Fatal(err)
	}
	exported, err := m.Export(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := m.apply(string(exported), true, options{}); err != nil || len(again.Intent) > 0 {
		t.Errorf("exported and applied: %v, %v", again.Intent, err)
	}
	m.ok(m.DeleteTenant(ctx, "bolt", false, options{}))
	if got := fmt.Sprint(len(m.model().Quotas)); got != "1" {
		t.Errorf("%s quotas are left", got)
	}
	_, err = m.apply("version: 1\nquotas: [{tenant: nix, volume: 2TB}]\n", false, options{})
	refused(t, err, ispctl.Usage, "p.yaml:2:19")
}
