package operations_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ispctl"
	"ispctl/meter"
	"ispctl/operations"
)

// TestUsageOfTenants: a VM that another tenant gets is split at that moment,
// by command and by document, in usage and in the report.
func TestUsageOfTenants(t *testing.T) {
	m := newMetered(t, "2026-10-10T00:00:00Z")
	ctx := t.Context()
	for _, name := range []ispctl.Name{"acme", "bolt"} {
		m.ok(m.CreateTenant(ctx, ispctl.Tenant{Name: name}, false, options{}))
	}
	send := func(n uint64) { // not sampled
		c := m.counters[m.tap("web1")]
		c[meter.Internet].Out.Bytes += n
		c[meter.Internet].Out.Packets++
		m.counters[m.tap("web1")] = c
		m.clock.Sleep(ctx, time.Second)
	}
	acme := "acme"
	send(1000)
	m.ok(m.SetVM(ctx, "web1", operations.VMChange{Tenant: &acme}, options{}))
	send(200)
	document := "version: 1\nvms: [{name: web1, template: micro, zone: dmz, plan: small, tenant: bolt}]\n"
	if _, err := m.apply(document, false, options{}); err != nil {
		t.Fatal(err)
	}
	send(30)
	m.sample()
	var got []string
	for _, of := range []string{"vm/web1", "acme", "tenant/bolt"} {
		for _, v := range m.usage(operations.UsageQuery{Of: of}) {
			got = append(got, fmt.Sprintf("%s %s %q %d", v.Kind, v.Name, v.Tenant, v.Internet.OutBytes))
		}
	}
	if diff := cmp.Diff([]string{`vm web1 "" 1000`, `vm web1 "acme" 200`, `vm web1 "bolt" 30`, `tenant acme "" 200`, `tenant bolt "" 30`}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	r, err := m.MonthlyReport(ctx, operations.ReportQuery{})
	if err != nil {
		t.Fatal(err)
	}
	billed := map[string]int64{}
	for _, g := range r.Groups {
		billed[g.Kind+" "+g.Name] = g.Out
	}
	if diff := cmp.Diff(map[string]int64{"zone dmz": 1000, "tenant acme": 200, "tenant bolt": 30}, billed); diff != "" {
		t.Errorf("the report (-want +got):\n%s", diff)
	}
	empty, err := m.MonthlyReport(ctx, operations.ReportQuery{Month: "2026-09", Kind: operations.GroupTenant, Group: "bolt"})
	if err != nil || len(empty.Groups) != 1 || len(empty.Groups[0].VMs) != 0 {
		t.Errorf("a tenant without VMs: %+v, %v", empty, err)
	}
}
