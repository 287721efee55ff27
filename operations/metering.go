package operations

import (
	"context"
	"fmt"
	"time"

	"ispctl"
	"ispctl/meter"
	"ispctl/state"
)

// SetMetering says how usage is kept.
func (p *Provider) SetMetering(ctx context.Context, change func(*ispctl.Metering), o Options) (Result, error) {
	return p.change(ctx, o, state.Entry{Operation: "usage settings", Object: "metering"}, func(tx *state.Tx) ([]string, error) {
		m, err := tx.Model()
		if err != nil {
			return nil, err
		}
		next := m.Metering
		if change(&next); next == m.Metering {
			return nil, nil
		}
		return []string{fmt.Sprintf("~ metering time zone %s, samples kept for %d days, flows for %d", orUTC(next.TimeZone), int(next.Keep().Hours()/24), int(next.KeepFlows().Hours()/24))}, tx.PutMetering(next)
	})
}

func orUTC(zone string) string {
	if zone == "" {
		return "UTC"
	}
	return zone
}

// CorrectUsage books a difference, so that what was metered wrongly is set
// right. It is the traffic with the Internet of the zone that the VM is in, or
// was last.
func (p *Provider) CorrectUsage(ctx context.Context, name string, in, out int64, at time.Time, reason string) error {
	usage, _, err := p.openUsage(ctx)
	if err != nil {
		return err
	}
	meters, err := usage.Meters(ctx)
	if err != nil {
		return err
	}
	now := p.Clock.Now()
	if at.IsZero() {
		at = now
	}
	switch {
	case at.After(now):
		return ispctl.Invalid("correction", name, "%s is in the future", at.UTC().Format(time.RFC3339))
	case in == 0 && out == 0:
		return ispctl.Invalid("correction", name, "corrects nothing: give --in or --out")
	case reason == "":
		return ispctl.Invalid("correction", name, "needs a reason: it stands in the report")
	}
	for i := len(meters) - 1; i >= 0; i-- {
		if m := meters[i]; m.Name == name || m.Ref == name {
			return usage.Correct(ctx, state.Correction{Meter: m.ID, Slot: meter.SlotAt(at), In: in, Out: out, Reason: reason, Actor: p.Actor, At: now})
		}
	}
	return p.neverMetered(ctx, name, meters)
}
