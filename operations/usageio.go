package operations

import (
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"ispctl"
	"ispctl/meter"
	"ispctl/state"
)

// usageHead is the first line of exported samples: whose, when, and for each
// class bytes and packets in and out.
func usageHead() []string {
	head := []string{"kind", "ref", "name", "zone", "tenant", "plan", "from"}
	for _, c := range meter.Classes() {
		for _, what := range []string{"in_bytes", "out_bytes", "in_packets", "out_packets"} {
			head = append(head, c.String()+"_"+what)
		}
	}
	return head
}

const usageNamed = 7 // columns before the numbers

// ExportUsage writes the five-minute samples of a time as CSV, for ImportUsage
// on another host.
func (p *Provider) ExportUsage(ctx context.Context, out io.Writer, since, until time.Time) error {
	usage, c, err := p.openUsage(ctx)
	if err != nil {
		return err
	}
	now := p.Clock.Now()
	if since.IsZero() {
		since = c.Month(now, 1).From
	}
	if until.IsZero() {
		until = now
	}
	meters, err := usage.Meters(ctx)
	if err != nil {
		return err
	}
	byID := map[meter.ID]state.Meter{}
	for _, m := range meters {
		byID[m.ID] = m
	}
	var all []meter.Sample
	span := state.SpanOf(meter.Period{From: since, To: until})
	if err := usage.Each(ctx, span, nil, func(id meter.ID, s meter.Slot, c meter.Counts) {
		all = append(all, meter.Sample{Slot: s, Meter: id, Counts: c})
	}); err != nil {
		return err
	}
	slices.SortStableFunc(all, func(a, b meter.Sample) int { return cmp.Or(cmp.Compare(a.Slot, b.Slot), cmp.Compare(a.Meter, b.Meter)) })
	w := csv.NewWriter(out)
	if err := w.Write(usageHead()); err != nil {
		return err
	}
	for _, s := range all {
		m := byID[s.Meter]
		row := []string{string(m.Kind), m.Ref, m.Name, m.Zone, m.Tenant, m.Plan, s.Slot.Start().Format(time.RFC3339)}
		for _, pair := range s.Counts {
			for _, n := range []uint64{pair.In.Bytes, pair.Out.Bytes, pair.In.Packets, pair.Out.Packets} {
				row = append(row, strconv.FormatUint(n, 10))
			}
		}
		if err := w.Write(row); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

// ImportUsage books what ExportUsage wrote, all of it or nothing, and reports
// how many samples that were. Where something has been metered of the same VM or
// address at the same time, it is refused: nothing is to be counted twice.
func (p *Provider) ImportUsage(ctx context.Context, file string, in io.Reader) (int, error) {
	usage, _, err := p.openUsage(ctx)
	if err != nil {
		return 0, err
	}
	meters, samples, err := p.readUsage(file, in)
	if err != nil || len(samples) == 0 {
		return 0, err
	}
	known, err := usage.Meters(ctx)
	if err != nil {
		return 0, err
	}
	span := state.Span{First: samples[0].Slot, End: samples[0].Slot + 1}
	for _, s := range samples {
		span.First, span.End = min(span.First, s.Slot), max(span.End, s.Slot+1)
	}
	for _, m := range known {
		clash := slices.ContainsFunc(meters, func(o state.Meter) bool { return o.Kind == m.Kind && o.Ref == m.Ref })
		if !clash {
			continue
		}
		sums, err := usage.Sums(ctx, span, map[meter.ID]bool{m.ID: true})
		if err != nil {
			return 0, err
		}
		if !sums[m.ID].IsZero() {
			return 0, ispctl.Conflicting("usage of", m.Name, "has been metered here between %s and %s", span.First.Start().Format(time.RFC3339), span.End.Start().Format(time.RFC3339))
		}
	}
	note := meter.Note(fmt.Sprintf("%d samples of %d meters were imported from %s", len(samples), len(meters), file))
	err = usage.Add(ctx, p.Clock.Now(), meters, func(ids []meter.ID) []meter.Sample {
		for i := range samples {
			samples[i].Meter = ids[samples[i].Meter]
		}
		slices.SortFunc(samples, func(a, b meter.Sample) int { return cmp.Or(cmp.Compare(a.Slot, b.Slot), cmp.Compare(a.Meter, b.Meter)) })
		return samples
	}, note)
	return len(samples), err
}

// readUsage reads samples; their meters are places in the list of meters.
func (p *Provider) readUsage(file string, in io.Reader) ([]state.Meter, []meter.Sample, error) {
	r := csv.NewReader(in)
	head, err := r.Read()
	if err != nil && !errors.Is(err, io.EOF) || !slices.Equal(head, usageHead()) {
		return nil, nil, ispctl.Invalid("file", file, "is not what `ispctl usage export` writes")
	}
	var meters []state.Meter
	var samples []meter.Sample
	now := meter.SlotAt(p.Clock.Now())
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return meters, samples, nil
		}
		line, _ := r.FieldPos(0)
		bad := func(format string, args ...any) error {
			return ispctl.Invalid("file", file, "line %d: %s", line, fmt.Sprintf(format, args...))
		}
		if err != nil {
			return nil, nil, ispctl.Invalid("file", file, "%v", err)
		}
		at, err := time.Parse(time.RFC3339, row[usageNamed-1])
		s := meter.Sample{Slot: meter.SlotAt(at)}
		if err != nil || !s.Slot.Start().Equal(at) {
			return nil, nil, bad("%q is not the beginning of five minutes", row[usageNamed-1])
		}
		if s.Slot >= now {
			return nil, nil, bad("%s is not over yet", row[usageNamed-1])
		}
		m := state.Meter{Kind: state.MeterKind(row[0]), Ref: row[1], Name: row[2], Zone: row[3], Tenant: row[4], Plan: row[5], Since: at}
		if m.Kind != state.VMMeter && m.Kind != state.AddressMeter || m.Ref == "" || strings.ContainsFunc(strings.Join(row[:usageNamed], ""), func(c rune) bool { return c < ' ' }) {
			return nil, nil, bad("names no VM or address")
		}
		if s.Counts, err = parseCounts(row[usageNamed:]); err != nil {
			return nil, nil, bad("%v", err)
		}
		i := slices.IndexFunc(meters, func(o state.Meter) bool {
			return o.Kind == m.Kind && o.Ref == m.Ref && o.Zone == m.Zone && o.Tenant == m.Tenant
		})
		if i < 0 {
			i = len(meters)
			meters = append(meters, m)
		}
		s.Meter = meter.ID(i)
		samples = append(samples, s)
	}
}

func parseCounts(fields []string) (c meter.Counts, err error) {
	for i := range c {
		for j, n := range []*uint64{&c[i].In.Bytes, &c[i].Out.Bytes, &c[i].In.Packets, &c[i].Out.Packets} {
			if *n, err = strconv.ParseUint(fields[4*i+j], 10, 63); err != nil {
				return c, fmt.Errorf("%q is no number of bytes or packets", fields[4*i+j])
			}
		}
	}
	return c, nil
}
