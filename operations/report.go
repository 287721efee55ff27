package operations

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"time"

	"ispctl"
	"ispctl/meter"
	"ispctl/meter/report"
	"ispctl/state"
)

// ReportQuery says which month's report, and whose.
type ReportQuery struct {
	Month string // 2026-10; empty: the present one
	Kind  string // what Group is: tenant or zone
	Group string // empty: all
}

// What a report can be of.
const (
	GroupZone   = usageZone
	GroupTenant = "tenant"
)

// MonthlyReport is the report of a month. A month that goes on is marked as
// such; one that has not begun has none.
func (p *Provider) MonthlyReport(ctx context.Context, q ReportQuery) (*report.Report, error) {
	usage, c, err := p.openUsage(ctx)
	if err != nil {
		return nil, err
	}
	m, err := p.Store.Model(ctx)
	if err != nil {
		return nil, err
	}
	now := p.Clock.Now()
	if q.Month == "" {
		q.Month = c.MonthName(now)
	}
	period, err := c.ParseMonth(q.Month)
	if err != nil {
		return nil, err
	}
	if !period.From.Before(now) {
		return nil, ispctl.Invalid("month", q.Month, "has not begun yet; the present one is %s", c.MonthName(now))
	}
	r, err := monthlyReport(ctx, usage, m, q.Month, period, now)
	if err != nil || q.Group == "" {
		return r, err
	}
	return oneGroup(m, r, q)
}

func oneGroup(m *ispctl.Model, r *report.Report, q ReportQuery) (*report.Report, error) {
	var have []string
	for _, g := range r.Groups {
		if g.Kind != q.Kind {
			continue
		}
		if g.Name == q.Group {
			r.Groups = []report.Group{g}
			return r, nil
		}
		have = append(have, g.Name)
	}
	known := func() (err error) { _, err = m.Zone(q.Group); return err }
	if q.Kind == GroupTenant {
		known = func() (err error) { _, err = m.Tenant(q.Group); return err }
	}
	if known() != nil {
		return nil, ispctl.NotFoundError(q.Kind, q.Group, have)
	}
	r.Groups = []report.Group{{Kind: q.Kind, Name: q.Group, VMs: []report.VM{}, Owed: []report.Money{}, Services: []report.Top{}, Remotes: []report.Top{}}}
	return r, nil
}

// monthlyReport makes the report of a month from its samples, or, where they
// were thinned, from the figures that were kept.
func monthlyReport(ctx context.Context, usage *state.Usage, m *ispctl.Model, name string, period meter.Period, now time.Time) (*report.Report, error) {
	span := state.SpanOf(period)
	until, err := usage.Booked(ctx)
	if err != nil {
		return nil, err
	}
	if until.After(period.To) || until.IsZero() {
		until = period.To
	}
	frame := report.Frame{Name: name, TimeZone: m.Metering.TimeZone, Period: period, Until: until, Now: now}
	notes, err := usage.Notes(ctx, span)
	if err != nil {
		return nil, err
	}
	for _, n := range notes {
		frame.Notes = append(frame.Notes, report.Note{At: n.At, Text: n.Text})
	}
	subjects, err := subjectsOf(ctx, usage, m, span)
	if err != nil {
		return nil, err
	}
	ids := make([]meter.ID, 0, len(subjects))
	for _, s := range subjects {
		ids = append(ids, s.id)
	}
	talks, err := readTalks(ctx, usage, period)
	if err != nil {
		return nil, err
	}
	maker := report.NewMaker(frame, report.ByTenant)
	i := 0
	err = usage.EachSeries(ctx, period, ids, func(_ meter.ID, s *meter.Series) error {
		one := subjects[i]
		i++
		if s.Sum.IsZero() && len(one.Corrections) == 0 && !one.present {
			return nil // gone before, or not there yet
		}
		one.Series = s
		one.Services, one.Remotes = talks.services[one.id], talks.remotes[one.id]
		maker.Add(one.Subject)
		return nil
	})
	if err != nil {
		return nil, err
	}
	r := maker.Report()
	thinned, err := usage.Thinned(ctx, span)
	if err != nil || !thinned {
		return r, err
	}
	return keptFigures(ctx, usage, r)
}

// keptFigures are those of a month whose samples are no more. Its charts are
// made of what is left of them: the averages of hours.
func keptFigures(ctx context.Context, usage *state.Usage, r *report.Report) (*report.Report, error) {
	kept, err := usage.ClosedMonth(ctx, r.Month)
	if err != nil || kept == nil {
		return r, err
	}
	var old report.Report
	if err := json.Unmarshal(kept, &old); err != nil {
		return nil, err
	}
	for i, g := range old.Groups {
		for _, now := range r.Groups {
			if now.Kind == g.Kind && now.Name == g.Name {
				old.Groups[i].Chart = now.Chart.OfHours(g.Measured.Max)
			}
		}
	}
	return &old, nil
}

// subject is a meter of a VM, with what is known of the VM.
type subject struct {
	report.Subject
	id      meter.ID
	present bool // in that zone, now, and since before the period ended
}

// subjectsOf are the meters of VMs, by zone and name.
func subjectsOf(ctx context.Context, usage *state.Usage, m *ispctl.Model, span state.Span) ([]subject, error) {
	meters, err := usage.Meters(ctx)
	if err != nil {
		return nil, err
	}
	corrections, err := usage.Corrections(ctx, span)
	if err != nil {
		return nil, err
	}
	byMeter := map[meter.ID][]report.Correction{}
	for _, c := range corrections {
		byMeter[c.Meter] = append(byMeter[c.Meter], report.Correction{At: c.Slot.Start(), In: c.In, Out: c.Out, Reason: c.Reason, Actor: c.Actor})
	}
	guests := map[string]ispctl.VM{}
	for vm := range m.Guests() {
		guests[vm.UUID] = vm
	}
	var all []subject
	for _, one := range meters {
		if one.Kind != state.VMMeter {
			continue
		}
		vm, there := guests[one.Ref]
		if !there {
			vm = ispctl.VM{Name: ispctl.Name(one.Name), Plan: ispctl.Name(one.Plan)}
		}
		s := subject{id: one.ID, present: there && string(vm.Zone) == one.Zone && string(vm.Tenant) == one.Tenant && one.Since.Before(span.End.Start()), Subject: report.Subject{
			Name: one.Name, UUID: one.Ref, Zone: one.Zone, Tenant: one.Tenant, Plan: one.Plan, Gone: !there, Corrections: byMeter[one.ID],
		}}
		if q, ok := m.QuotaOf(vm); ok && there && q.Tenant == "" {
			s.Quota = &q
		}
		if t, ok := m.TariffOf(vm.Plan); ok {
			s.Tariff = &t
		}
		all = append(all, s)
	}
	slices.SortStableFunc(all, func(a, b subject) int { return cmp.Or(cmp.Compare(a.Zone, b.Zone), cmp.Compare(a.Name, b.Name)) })
	return all, nil
}

// closeGrace is how long after its end a month is closed: samples that come
// late, and corrections, are mostly of the last days.
const closeGrace = 10 * 24 * time.Hour

// closeMonths keeps the figures of the months that are over for good, and then
// thins samples that are old enough. Nothing is thinned of a month that is not
// closed.
func (s *Sampler) closeMonths(ctx context.Context, now time.Time) error {
	meters, err := s.usage.Meters(ctx)
	if err != nil || len(meters) == 0 {
		return err
	}
	first := slices.MinFunc(meters, func(a, b state.Meter) int { return a.Since.Compare(b.Since) }).Since
	month := s.calendar.Month(first, 1)
	for ; month.To.Add(closeGrace).Before(now); month = s.calendar.Month(month.To, 1) {
		name := s.calendar.MonthName(month.From)
		kept, err := s.usage.ClosedMonth(ctx, name)
		if err != nil {
			return err
		}
		if kept != nil {
			continue
		}
		r, err := monthlyReport(ctx, s.usage, s.model, name, month, now)
		if err != nil {
			return err
		}
		var b bytes.Buffer
		if err := r.JSON(&b); err != nil {
			return err
		}
		if err := s.usage.CloseMonth(ctx, name, now, b.Bytes()); err != nil {
			return err
		}
	}
	old := now.Add(-s.model.Metering.Keep())
	if old.After(month.From) {
		old = month.From
	}
	_, err = s.usage.Thin(ctx, old)
	return err
}
