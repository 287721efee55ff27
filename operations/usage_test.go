package operations_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ispctl"
	"ispctl/meter"
	"ispctl/operations"
	"ispctl/state"
)

// metered is a world with two VMs, counters that a test turns, and a clock.
type metered struct {
	*world
	clock    *operations.FakeClock
	counters map[meter.Source]meter.Counts
	sampler  *operations.Sampler
	notices  []string
}

func newMetered(t *testing.T, at string) *metered {
	t.Helper()
	w := newWorld(t)
	now, err := time.Parse(time.RFC3339, at)
	if err != nil {
		t.Fatal(err)
	}
	m := &metered{world: w, clock: &operations.FakeClock{Wall: now, Boot: time.Hour, ID: "b"}, counters: map[meter.Source]meter.Counts{}}
	usage, err := state.OpenUsage(t.Context(), w.Paths)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = usage.Close() })
	w.Clock = m.clock
	w.OpenUsage = func(context.Context) (*state.Usage, error) { return usage, nil }
	w.Counters = func(context.Context) (map[meter.Source]*meter.Counts, error) {
		all := map[meter.Source]*meter.Counts{}
		for s, c := range m.counters {
			all[s] = &c
		}
		return all, nil
	}
	w.Notify = func(_ context.Context, n operations.QuotaNotice) error {
		text, err := json.Marshal(n)
		m.notices = append(m.notices, fmt.Sprintf("%s %s %d", n.Event, n.VM, n.Used))
		if !json.Valid(text) {
			return errors.New("no JSON")
		}
		return err
	}
	m.create("web1", "web2")
	if m.sampler, err = w.Sampler(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.sample()
	return m
}

func (m *metered) sample() operations.SampleView {
	m.t.Helper()
	v, err := m.sampler.Sample(m.t.Context())
	if err != nil {
		m.t.Fatal(err)
	}
	return v
}

// pass sends for a while, sampling every ten seconds.
func (m *metered) pass(d time.Duration, tap meter.Source, out uint64) {
	m.t.Helper()
	for range int(d / (10 * time.Second)) {
		c := m.counters[tap]
		c[meter.Internet].Out.Bytes += out
		c[meter.Internet].Out.Packets++
		m.counters[tap] = c
		m.clock.Sleep(m.t.Context(), 10*time.Second)
		m.sample()
	}
}

func (m *metered) usage(q operations.UsageQuery) []operations.UsageView {
	m.t.Helper()
	all, err := m.Usage(m.t.Context(), q)
	if err != nil {
		m.t.Fatal(err)
	}
	return all
}

func TestUsage(t *testing.T) {
	m := newMetered(t, "2026-10-31T21:00:00Z")
	m.ok(m.SetMetering(t.Context(), func(s *ispctl.Metering) { s.TimeZone = "Europe/Berlin" }, options{}))
	tap := m.tap("web1")
	m.counters[m.tap("web2")] = meter.Counts{meter.Near: {In: meter.Way{Bytes: 7, Packets: 1}}}
	m.counters["203.0.113.10"] = meter.Counts{meter.Internet: {Out: meter.Way{Bytes: 70, Packets: 1}}}
	m.counters["isp-99-0"] = meter.Counts{meter.Internet: {Out: meter.Way{Bytes: 1e9, Packets: 1}}} // nobody's
	m.pass(4*time.Hour, tap, 1000)                                                                  // Berlin's November begins after two of them
	since, until := m.clock.Wall.Add(-5*time.Hour), m.clock.Wall.Add(time.Minute)
	show := func(q operations.UsageQuery) (lines []string) {
		for _, v := range m.usage(q) {
			lines = append(lines, fmt.Sprintf("%s %s %s %s %d %d", v.Kind, v.Name, v.Zone, v.From.Format("02T15:04"), v.Internet.OutBytes, v.Near.InBytes))
		}
		return lines
	}
	for _, tt := range []struct {
		name string
		q    operations.UsageQuery
		want []string
	}{
		{"all", operations.UsageQuery{Since: since, Until: until}, []string{
			"vm web1 dmz 31T20:00 1440000 0", "vm web2 dmz 31T20:00 0 7", "address 203.0.113.10  31T20:00 70 0",
		}},
		{"a VM by month", operations.UsageQuery{Of: "web1", Since: since, Until: until, By: "month"}, []string{"vm web1 dmz 30T22:00 720000 0", "vm web1 dmz 31T23:00 720000 0"}},
		{"by hour", operations.UsageQuery{Of: "web1", Since: since, Until: until, By: "hour"}, []string{
			"vm web1 dmz 31T21:00 360000 0", "vm web1 dmz 31T22:00 360000 0", "vm web1 dmz 31T23:00 360000 0", "vm web1 dmz 01T00:00 360000 0",
		}},
		{"a zone", operations.UsageQuery{Of: "dmz", Since: since, Until: until}, []string{"zone dmz  31T20:00 1440000 7"}},
		{"an address", operations.UsageQuery{Of: "203.0.113.10", Since: since, Until: until}, []string{"address 203.0.113.10  31T20:00 70 0"}},
		{"the present month", operations.UsageQuery{Of: "vm/web1"}, []string{"vm web1 dmz 31T23:00 720000 0"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, show(tt.q)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	for _, bad := range []struct {
		q    operations.UsageQuery
		kind ispctl.ErrorKind
		say  string
	}{
		{operations.UsageQuery{Of: "nobody"}, ispctl.NotFound, "web1"},
		{operations.UsageQuery{Of: "mail"}, ispctl.NotFound, "nothing has been metered"},
		{operations.UsageQuery{Since: until, Until: since}, ispctl.Usage, "is not before"},
		{operations.UsageQuery{By: "week"}, ispctl.Usage, "have: hour, day, month"},
	} {
		_, err := m.Usage(t.Context(), bad.q)
		refused(t, err, bad.kind, bad.say)
	}
}

func (m *metered) tap(name string) meter.Source {
	m.t.Helper()
	vm, err := m.model().VM(name)
	if err != nil {
		m.t.Fatal(err)
	}
	return meter.Source(vm.NICs[0].Tap)
}

// TestQuota crosses both marks under load, and the month with the clock in
// hand: what is done lands in intent within one look, and ends with the month.
func TestQuota(t *testing.T) {
	m := newMetered(t, "2026-10-31T22:00:00Z")
	ctx := t.Context()
	m.ok(m.SetQuota(ctx, ispctl.Quota{VM: "web1", Volume: 1_000_000, Direction: ispctl.DirectionSum, Day: 1, Action: ispctl.ActionThrottle, Rate: ispctl.Mbit}, options{}))
	look := func(want bool) {
		t.Helper()
		changed, err := m.sampler.JudgeQuotas(ctx)
		if err != nil || changed != want {
			t.Errorf("changed %v, %v; want %v", changed, err, want)
		}
	}
	throttles := func() string { return fmt.Sprint(m.model().Throttles) }
	look(false)
	m.pass(80*time.Second, m.tap("web1"), 100_000)
	look(false)
	m.pass(20*time.Second, m.tap("web1"), 100_000)
	look(true)
	want := []ispctl.Throttle{{VM: "web1", Action: ispctl.ActionThrottle, Rate: ispctl.Mbit, Until: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)}}
	if diff := cmp.Diff(want, m.model().Throttles); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	look(false)
	if q, err := m.Quota(ctx, "web1"); err != nil || q.State != "throttled" || q.Percent != 100 || q.Used != 1_000_000 {
		t.Errorf("%+v, %v", q, err)
	}
	m.clock.Sleep(ctx, 3*time.Hour) // into November
	m.sample()
	look(true)
	if got := throttles(); got != "[]" {
		t.Errorf("after the turn of the month: %s", got)
	}
	m.pass(100*time.Second, m.tap("web1"), 100_000)
	look(true)
	m.ok(m.LiftQuota(ctx, "web1", options{}))
	look(false)
	if got := throttles(); got != "[]" {
		t.Errorf("after it was lifted: %s", got)
	}
	notices := []string{"warned web1 800000", "reached web1 1000000", "released web1 0", "warned web1 1000000", "reached web1 1000000"}
	if diff := cmp.Diff(notices, m.notices); diff != "" {
		t.Errorf("notices (-want +got):\n%s", diff)
	}
	// A quota that is taken away, and one of the plan.
	m.ok(m.RemoveQuota(ctx, ispctl.Quota{VM: "web1"}, false, options{}))
	m.ok(m.SetQuota(ctx, ispctl.Quota{Plan: "small", Volume: 10, Direction: ispctl.DirectionOut, Day: 1, Action: ispctl.ActionBlock}, options{}))
	look(true)
	if got := m.model().Throttles; len(got) != 1 || got[0].VM != "web1" || got[0].Action != ispctl.ActionBlock {
		t.Errorf("by the plan's: %+v", got)
	}
	if err := m.CorrectUsage(ctx, "web1", 0, -999_995, time.Time{}, "an attack"); err != nil {
		t.Fatal(err)
	}
	look(true)
	if got := throttles(); got != "[]" {
		t.Errorf("after the correction: %s", got)
	}
	_, err := m.RemoveQuota(ctx, ispctl.Quota{VM: "web1"}, false, options{})
	refused(t, err, ispctl.NotFound, "quota list")
	_, err = m.SetQuota(ctx, ispctl.Quota{VM: "nobody", Volume: 1, Direction: "in", Day: 1, Action: "notify"}, options{})
	refused(t, err, ispctl.NotFound, "have: web1, web2")
}

// TestReport: a VM that is destroyed in the month is billed, and a month that
// goes on says so.
func TestReport(t *testing.T) {
	m := newMetered(t, "2026-10-31T20:00:00Z")
	ctx := t.Context()
	m.ok(m.SetTariff(ctx, ispctl.Tariff{Plan: "small", Currency: "EUR", Volume: ispctl.DirectionOut, Included: 1_000_000_000, PerGB: 500_000}, options{}))
	m.pass(time.Hour, m.tap("web1"), 10_000_000)
	m.pass(10*time.Minute, m.tap("web2"), 5_000_000)
	if err := m.CorrectUsage(ctx, "web2", 5, -100, time.Time{}, "too much"); err != nil {
		t.Fatal(err)
	}
	r, err := m.MonthlyReport(ctx, operations.ReportQuery{})
	if err != nil || !r.SoFar || r.Month != "2026-10" {
		t.Fatalf("%+v, %v", r, err)
	}
	m.counters[m.tap("web1")] = meter.Counts{meter.Internet: {Out: meter.Way{Bytes: 3_600_000_000 + 77, Packets: 1000}}}
	m.ok(m.DestroyVMs(ctx, []string{"web1"}, false, options{}))
	delete(m.counters, "isp-1-0")
	m.clock.Sleep(ctx, 30*time.Hour)
	if v := m.sample(); v.Folded == 0 {
		t.Error("no day was folded")
	}
	r, err = m.MonthlyReport(ctx, operations.ReportQuery{Month: "2026-10"})
	if err != nil || r.SoFar || len(r.Groups) != 1 || len(r.Groups[0].VMs) != 2 {
		t.Fatalf("%+v, %v", r, err)
	}
	var got []string
	for _, v := range r.Groups[0].VMs {
		got = append(got, fmt.Sprintf("%s gone %v: %d in, %d out, %s %s, %d corrections", v.Name, v.Gone, v.In, v.Out, v.Owed, v.Currency, len(v.Corrections)))
	}
	want := []string{"web1 gone true: 0 in, 3600000077 out, 1.30 EUR, 0 corrections", "web2 gone false: 5 in, 299999900 out, 0.00 EUR, 1 corrections"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(r.Notes) == 0 {
		t.Error("a silence of thirty hours is not noted")
	}
	for _, bad := range []struct {
		q    operations.ReportQuery
		kind ispctl.ErrorKind
		say  string
	}{
		{operations.ReportQuery{Month: "2027-01"}, ispctl.Usage, "has not begun"},
		{operations.ReportQuery{Month: "October"}, ispctl.Usage, "is not like 2026-10"},
		{operations.ReportQuery{Month: "2026-10", Kind: operations.GroupZone, Group: "nobody"}, ispctl.NotFound, "have: dmz"},
	} {
		_, err := m.MonthlyReport(ctx, bad.q)
		refused(t, err, bad.kind, bad.say)
	}
	empty, err := m.MonthlyReport(ctx, operations.ReportQuery{Month: "2026-10", Kind: operations.GroupZone, Group: "mail"})
	if err != nil || len(empty.Groups) != 1 || len(empty.Groups[0].VMs) != 0 {
		t.Errorf("a zone without VMs: %+v, %v", empty, err)
	}
	// The figures of a month that is thinned are those it had.
	var before bytes.Buffer
	if err := r.JSON(&before); err != nil {
		t.Fatal(err)
	}
	for range 15 {
		m.clock.Sleep(ctx, 31*24*time.Hour)
		m.sample()
		m.clock.Sleep(ctx, 10*time.Minute)
		m.sample()
	}
	old, err := m.MonthlyReport(ctx, operations.ReportQuery{Month: "2026-10"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r.Groups[0].VMs, old.Groups[0].VMs); diff != "" {
		t.Errorf("after the samples were thinned:\n%s", diff)
	}
	usage, _ := m.OpenUsage(ctx)
	if kept, err := usage.ClosedMonth(ctx, "2026-10"); err != nil || kept == nil {
		t.Errorf("the month was not closed: %v", err)
	}
}

// TestMovingUsage: what one host exports another imports, once.
func TestMovingUsage(t *testing.T) {
	m, other := newMetered(t, "2026-10-10T00:00:00Z"), newMetered(t, "2026-10-12T00:00:00Z")
	ctx := t.Context()
	m.pass(time.Hour, m.tap("web1"), 1234)
	var b bytes.Buffer
	if err := m.ExportUsage(ctx, &b, time.Time{}, time.Time{}); err != nil {
		t.Fatal(err)
	}
	n, err := other.ImportUsage(ctx, "usage.csv", bytes.NewReader(b.Bytes()))
	if err != nil || n != 12 {
		t.Fatalf("%d samples, %v", n, err)
	}
	var again bytes.Buffer
	if err := other.ExportUsage(ctx, &again, time.Time{}, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b.String(), again.String()); diff != "" {
		t.Errorf("(-exported +imported and exported):\n%s", diff)
	}
	_, err = other.ImportUsage(ctx, "usage.csv", bytes.NewReader(b.Bytes()))
	refused(t, err, ispctl.Conflict, "has been metered here")
	head, row, _ := strings.Cut(b.String(), "\n")
	row, _, _ = strings.Cut(row, "\n")
	for name, text := range map[string]string{
		"empty": "", "another file": "a,b\n1,2\n", "no number": head + "\n" + strings.Replace(row, "37020", "x", 1) + "\n",
		"below zero": head + "\n" + strings.Replace(row, "37020", "-1", 1) + "\n", "not a slot": head + "\n" + strings.Replace(row, ":00:00Z", ":00:01Z", 1) + "\n",
		"the future": head + "\n" + strings.Replace(row, "2026-10", "2036-10", 1) + "\n", "kind": head + "\n" + strings.Replace(row, "vm,", "vn,", 1) + "\n",
		"short": head + "\nvm,x\n",
	} {
		if _, err := other.ImportUsage(ctx, "f", strings.NewReader(text)); ispctl.KindOf(err) != ispctl.Usage {
			t.Errorf("%s: %v", name, err)
		}
	}
}
