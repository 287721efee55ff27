package operations

import (
	"context"
	"slices"

	"ispctl"
	"ispctl/operations/document"
)

// bookGivenAway books what VMs have used until now that the document makes
// another's.
func (p *Provider) bookGivenAway(ctx context.Context, doc *document.Document, o Options) error {
	m, err := p.Store.Model(ctx)
	if err != nil || o.DryRun {
		return err
	}
	if slices.ContainsFunc(doc.VMs, func(want document.VM) bool {
		have, err := m.VM(string(want.Name))
		return err == nil && want.Tenant != nil && *want.Tenant != have.Tenant
	}) {
		p.lastSample(ctx)
	}
	return nil
}

// metering says how usage is kept, as far as the document does.
func (a *applier) metering() error {
	want := a.have.Metering
	if d := a.doc.Metering; d != nil {
		if d.TimeZone != nil {
			want.TimeZone = *d.TimeZone
		}
		if d.KeepDays != nil {
			want.KeepDays = *d.KeepDays
		}
		if d.FlowDays != nil {
			want.FlowDays = *d.FlowDays
		}
	}
	if want == a.have.Metering {
		return nil
	}
	a.say("~ metering %s", changes(field{"time zone", orUTC(a.have.Metering.TimeZone), orUTC(want.TimeZone)},
		field{"keeps samples for", a.have.Metering.Keep(), want.Keep()}, field{"keeps flows for", a.have.Metering.KeepFlows(), want.KeepFlows()}))
	return a.tx.PutMetering(want)
}

// quotas makes the quotas that are not there and changes those that are. VMs
// and plans are there by now.
func (a *applier) quotas() error {
	for _, one := range a.doc.Quotas {
		want := one.Quota
		i := slices.IndexFunc(a.have.Quotas, func(q ispctl.Quota) bool { return q.Object() == want.Object() })
		want.Applied = i < 0 || a.have.Quotas[i].Applied
		switch {
		case i < 0:
			a.say("+ quota %s", describeQuota(want))
		case a.have.Quotas[i] == want:
			continue
		default:
			a.say("~ quota %s", describeQuota(want))
		}
		if err := a.tx.PutQuota(want); err != nil {
			return a.doc.At(one.At, err)
		}
	}
	return nil
}

// tariffs does the same for tariffs.
func (a *applier) tariffs() error {
	for _, one := range a.doc.Tariffs {
		want := one.Tariff
		have, there := a.have.TariffOf(want.Plan)
		want.Applied = !there || have.Applied
		sign := "~"
		switch {
		case !there:
			sign = "+"
		case have == want:
			continue
		}
		a.say("%s tariff of plan %s in %s", sign, want.Plan, want.Currency)
		if err := a.tx.PutTariff(want); err != nil {
			return a.doc.At(one.At, err)
		}
	}
	return nil
}

// pruneUsage comes before VMs and plans go, which quotas and tariffs are of.
func (a *applier) pruneUsage() error {
	err := pruneEach(a.have.Quotas, func(q ispctl.Quota) bool {
		return q.Applied && !slices.ContainsFunc(a.doc.Quotas, func(d document.Quota) bool { return d.Object() == q.Object() })
	}, func(q ispctl.Quota) error {
		a.say("- quota %s", describeQuota(q))
		return a.tx.DeleteQuota(q)
	})
	if err != nil {
		return err
	}
	return pruneEach(a.have.Tariffs, func(t ispctl.Tariff) bool {
		return t.Applied && !slices.ContainsFunc(a.doc.Tariffs, func(d document.Tariff) bool { return d.Plan == t.Plan })
	}, func(t ispctl.Tariff) error {
		a.say("- tariff of plan %s", t.Plan)
		return a.tx.DeleteTariff(t.Plan)
	})
}

// danglingUsage finds quotas and tariffs of VMs and plans that there are not.
func (a *applier) danglingUsage(check func(document.At, error), vms, tenants, plans []string) {
	for _, q := range a.doc.Quotas {
		switch {
		case q.VM != "":
			check(q.OfAt, known("vm", string(q.VM), vms))
		case q.Tenant != "":
			check(q.OfAt, known("tenant", string(q.Tenant), tenants))
		default:
			check(q.OfAt, known("plan", string(q.Plan), plans))
		}
	}
	for _, t := range a.doc.Tariffs {
		check(t.PlanAt, known("plan", string(t.Plan), plans))
	}
}
