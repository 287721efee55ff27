package operations

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"ispctl"
	"ispctl/meter"
	"ispctl/state"
)

// Kinds of what usage can be asked of.
const (
	usageVM      = "vm"
	usageZone    = "zone"
	usageAddress = "address"
	usageTenant  = "tenant"
)

// UsageQuery says whose usage, and of when.
type UsageQuery struct {
	Of           string // a VM, zone, tenant or address; empty: all VMs and addresses
	Since, Until time.Time
	By           string // hour, day, month; empty: one row for the whole time

	tenant ispctl.Name // VMs of this tenant alone, while they were its own
	uuid   string      // of them, this one alone
}

// UsageView is what passed in a stretch of time, as scripts see it.
type UsageView struct {
	Kind   string    `json:"kind"` // vm, zone, tenant or address
	Name   string    `json:"name"`
	UUID   string    `json:"uuid,omitempty"`
	Zone   string    `json:"zone,omitempty"`   // of a VM, while this passed
	Tenant string    `json:"tenant,omitempty"` // whose it was, while this passed
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`

	Internet TrafficView `json:"internet"`
	Zones    TrafficView `json:"zones"` // other ones
	Near     TrafficView `json:"near"`  // its own zone, and the host
	Admin    TrafficView `json:"admin"`
}

// TrafficView is both directions, as the guest sees them. Bytes are those of
// the link: whole Ethernet frames without their checksum.
type TrafficView struct {
	InBytes    uint64 `json:"in_bytes"`
	OutBytes   uint64 `json:"out_bytes"`
	InPackets  uint64 `json:"in_packets"`
	OutPackets uint64 `json:"out_packets"`
}

func viewTraffic(p meter.Pair) TrafficView {
	return TrafficView{InBytes: p.In.Bytes, OutBytes: p.Out.Bytes, InPackets: p.In.Packets, OutPackets: p.Out.Packets}
}

// usageRow is what rows are told apart by.
type usageRow struct {
	kind, ref, zone, tenant string
	from, to                time.Time
}

// Usage is what was used, by whom and when: VMs first, then zones, then
// addresses; each in time.
func (p *Provider) Usage(ctx context.Context, q UsageQuery) ([]UsageView, error) {
	usage, c, err := p.openUsage(ctx)
	if err != nil {
		return nil, err
	}
	now := p.Clock.Now()
	if q.Since.IsZero() {
		q.Since = c.Month(now, 1).From
	}
	if q.Until.IsZero() {
		q.Until = now
	}
	if !q.Since.Before(q.Until) {
		return nil, ispctl.Invalid("since", q.Since.UTC().Format(time.RFC3339), "is not before %s", q.Until.UTC().Format(time.RFC3339))
	}
	bucket, err := bucketOf(c, q)
	if err != nil {
		return nil, err
	}
	meters, err := usage.Meters(ctx)
	if err != nil {
		return nil, err
	}
	names := map[string]string{} // by ref: a VM's last name
	for _, m := range meters {
		names[string(m.Kind)+" "+m.Ref] = m.Name
	}
	if q.tenant != "" {
		meters = slices.DeleteFunc(meters, func(m state.Meter) bool {
			return m.Kind != state.VMMeter || m.Tenant != string(q.tenant) || q.uuid != "" && m.Ref != q.uuid
		})
	}
	rowsOf, err := p.usageRows(ctx, meters, q.Of)
	if err != nil {
		return nil, err
	}
	of := map[meter.ID]bool{}
	for id := range rowsOf {
		of[id] = true
	}
	sums := map[usageRow]meter.Counts{}
	add := func(id meter.ID, period meter.Period, counts meter.Counts) {
		for _, row := range rowsOf[id] {
			row.from, row.to = period.From, period.To
			sums[row] = sums[row].Plus(counts)
		}
	}
	span := state.SpanOf(meter.Period{From: q.Since, To: q.Until})
	if q.By == "" {
		all, err := usage.Sums(ctx, span, of)
		if err != nil {
			return nil, err
		}
		for id, counts := range all {
			add(id, meter.Period{From: q.Since, To: q.Until}, counts)
		}
	} else if err := usage.Each(ctx, span, of, func(id meter.ID, s meter.Slot, counts meter.Counts) { add(id, bucket(s), counts) }); err != nil {
		return nil, err
	}
	views := make([]UsageView, 0, len(sums))
	for _, row := range slices.SortedFunc(maps.Keys(sums), func(a, b usageRow) int {
		return cmp.Or(kindOrder(a.kind)-kindOrder(b.kind), cmp.Compare(names[a.kind+" "+a.ref], names[b.kind+" "+b.ref]), cmp.Compare(a.ref, b.ref),
			cmp.Compare(a.zone, b.zone), cmp.Compare(a.tenant, b.tenant), a.from.Compare(b.from))
	}) {
		v := UsageView{Kind: row.kind, Name: row.ref, From: row.from.UTC(), To: row.to.UTC()}
		if row.kind == usageVM {
			v.Name, v.UUID, v.Zone, v.Tenant = names[row.kind+" "+row.ref], row.ref, row.zone, row.tenant
		}
		counts := sums[row]
		v.Internet, v.Zones = viewTraffic(counts[meter.Internet]), viewTraffic(counts[meter.Zones])
		v.Near, v.Admin = viewTraffic(counts[meter.Near]), viewTraffic(counts[meter.Admin])
		views = append(views, v)
	}
	return views, nil
}

func kindOrder(kind string) int {
	return slices.Index([]string{usageVM, usageTenant, usageZone, usageAddress}, kind)
}

// openUsage opens usage, and says when its days begin.
func (p *Provider) openUsage(ctx context.Context) (*state.Usage, meter.Calendar, error) {
	m, err := p.Store.Model(ctx)
	if err != nil {
		return nil, meter.Calendar{}, err
	}
	c, err := meter.NewCalendar(m.Metering.TimeZone)
	if err != nil {
		return nil, c, err
	}
	usage, err := p.OpenUsage(ctx)
	return usage, c, err
}

// Intervals are what usage can be asked by.
func Intervals() []string { return []string{"hour", "day", "month"} }

// bucketOf says which row a slot belongs to.
func bucketOf(c meter.Calendar, q UsageQuery) (func(meter.Slot) meter.Period, error) {
	var last meter.Period // slots come in runs
	cached := func(of func(time.Time) meter.Period) func(meter.Slot) meter.Period {
		return func(s meter.Slot) meter.Period {
			if at := s.Start(); !last.Contains(at) {
				last = of(at)
			}
			return last
		}
	}
	switch q.By {
	case "":
		return nil, nil
	case "hour":
		return cached(func(t time.Time) meter.Period {
			from := t.Truncate(time.Hour)
			return meter.Period{From: from, To: from.Add(time.Hour)}
		}), nil
	case "day":
		return cached(c.Day), nil
	case "month":
		return cached(func(t time.Time) meter.Period { return c.Month(t, 1) }), nil
	}
	return nil, ispctl.Invalid("interval", q.By, "is not known; have: %s", strings.Join(Intervals(), ", "))
}

// usageRows are the rows that each meter counts in. Without a name that is a
// row for each VM and each address.
func (p *Provider) usageRows(ctx context.Context, meters []state.Meter, of string) (map[meter.ID][]usageRow, error) {
	kind, name, found := strings.Cut(of, "/")
	if !found {
		kind, name = "", of
	}
	rows := map[meter.ID][]usageRow{}
	kinds := map[string]bool{}
	for _, m := range meters {
		own := usageRow{kind: string(m.Kind), ref: m.Ref, zone: m.Zone, tenant: m.Tenant}
		switch {
		case of == "":
			rows[m.ID] = append(rows[m.ID], own)
			continue
		case m.Name == name || m.Ref == name:
			if kind == "" || kind == string(m.Kind) {
				rows[m.ID], kinds[string(m.Kind)] = append(rows[m.ID], own), true
			}
		}
		if m.Kind == state.VMMeter && m.Zone == name && (kind == "" || kind == usageZone) {
			rows[m.ID], kinds[usageZone] = append(rows[m.ID], usageRow{kind: usageZone, ref: m.Zone}), true
		}
		if m.Kind == state.VMMeter && m.Tenant == name && m.Tenant != "" && (kind == "" || kind == usageTenant) {
			rows[m.ID], kinds[usageTenant] = append(rows[m.ID], usageRow{kind: usageTenant, ref: m.Tenant}), true
		}
	}
	if len(kinds) > 1 {
		all := slices.Sorted(maps.Keys(kinds))
		return nil, &ispctl.Error{
			Kind: ispctl.Usage, Object: "usage of " + name, Cause: "is a " + strings.Join(all, " and a "),
			Next: "say which: " + all[0] + "/" + name + " or " + all[1] + "/" + name,
		}
	}
	if of != "" && len(rows) == 0 {
		return nil, p.neverMetered(ctx, name, meters)
	}
	return rows, nil
}

// neverMetered says whether there is no such thing, or nothing is known of it.
func (p *Provider) neverMetered(ctx context.Context, name string, meters []state.Meter) error {
	m, err := p.Store.Model(ctx)
	if err != nil {
		return err
	}
	_, errVM := m.VM(name)
	_, errZone := m.Zone(name)
	_, errTenant := m.Tenant(name)
	if errVM == nil || errZone == nil || errTenant == nil {
		return &ispctl.Error{
			Kind: ispctl.NotFound, Object: "usage of " + name, Cause: "not found (nothing has been metered yet)",
			Next: "see that serve runs: ispctl status",
		}
	}
	var have []string
	for _, one := range meters {
		if !slices.Contains(have, one.Name) {
			have = append(have, one.Name)
		}
	}
	err = ispctl.NotFoundError("vm, zone, tenant or address", name, have)
	if e, ok := err.(*ispctl.Error); ok { //nolint:errorlint // it was made a line above
		e.Next = "see: ispctl usage"
	}
	return err
}

// UsageNames are what usage can be asked of.
func (p *Provider) UsageNames(ctx context.Context) ([]string, error) {
	usage, _, err := p.openUsage(ctx)
	if err != nil {
		return nil, err
	}
	meters, err := usage.Meters(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, m := range meters {
		for _, n := range []string{m.Name, m.Zone, m.Tenant} {
			if n != "" && !slices.Contains(names, n) {
				names = append(names, n)
			}
		}
	}
	return names, nil
}
