package operations

import (
	"context"
	"fmt"
	"slices"

	"ispctl"
	"ispctl/operations/document"
	"ispctl/state"
)

// TotalView is what all guests of a zone or a tenant may have of the uplink together; 0:
// nothing is said of it.
type TotalView struct {
	Kind      string      `json:"kind"` // zone or tenant
	Name      ispctl.Name `json:"name"`
	Down      int64       `json:"down_bits_per_second"`
	Up        int64       `json:"up_bits_per_second"`
	Guarantee int64       `json:"guarantee_bits_per_second"`
	Promised  int64       `json:"promised_bits_per_second"` // to its guests, one by one
	VMs       int         `json:"vms"`
}

// SetTotal gives a zone or a tenant a total, or changes the one that it has: the limits down,
// up and guarantee by their names, and "none" takes one away.
func (p *Provider) SetTotal(ctx context.Context, kind ispctl.TotalKind, name string, texts map[string]string, o Options) (Result, error) {
	want := ispctl.Total{Kind: kind, Name: ispctl.Name(name)}
	return p.change(ctx, o, state.Entry{Operation: "qos total set", Object: want.Of()}, func(tx *state.Tx) ([]string, error) {
		m, err := tx.Model()
		if err != nil {
			return nil, err
		}
		if err := totalKind(kind); err != nil {
			return nil, err
		}
		if kind == ispctl.TenantTotal {
			_, err = m.Tenant(name)
		} else {
			_, err = m.Zone(name)
		}
		if err != nil {
			return nil, err
		}
		have, there := findTotal(m, want)
		limits := ispctl.Limits{Down: have.Down, Up: have.Up, Guarantee: have.Guarantee}
		if err := setLimits(&limits, texts, ispctl.Limit.Set); err != nil {
			return nil, err
		}
		want.Down, want.Up, want.Guarantee = limits.Down, limits.Up, limits.Guarantee
		want.Slot, want.Applied = have.Slot, have.Applied
		if want == have {
			return nil, nil
		}
		if there {
			return []string{"~ total " + want.Of() + " " + changes(field{"limits", have.Says(), want.Says()})}, tx.PutTotal(want)
		}
		if want.Slot, err = freeTotal(m, want); err != nil {
			return nil, err
		}
		if err := want.Validate(); err != nil {
			return nil, err
		}
		return []string{"+ total " + want.Of() + " " + want.Says()}, tx.PutTotal(want)
	})
}

func totalKind(kind ispctl.TotalKind) error {
	if slices.Contains(ispctl.TotalKinds(), kind) {
		return nil
	}
	return ispctl.Invalid("total", string(kind), "is of none of %v", ispctl.TotalKinds())
}

// RemoveTotal takes a total away.
func (p *Provider) RemoveTotal(ctx context.Context, kind ispctl.TotalKind, name string, ifExists bool, o Options) (Result, error) {
	gone := ispctl.Total{Kind: kind, Name: ispctl.Name(name)}
	return p.change(ctx, o, state.Entry{Operation: "qos total remove", Object: gone.Of()}, func(tx *state.Tx) ([]string, error) {
		m, err := tx.Model()
		if err != nil {
			return nil, err
		}
		have, there := findTotal(m, gone)
		if !there {
			var names []string
			for _, t := range m.Totals {
				names = append(names, t.Of())
			}
			return nil, missing(ispctl.NotFoundError("total", gone.Of(), names), ifExists)
		}
		return []string{"- total " + have.Of()}, tx.DeleteTotal(have)
	})
}

func findTotal(m *ispctl.Model, t ispctl.Total) (ispctl.Total, bool) {
	i := slices.IndexFunc(m.Totals, func(have ispctl.Total) bool { return have.Of() == t.Of() })
	if i < 0 {
		return ispctl.Total{}, false
	}
	return m.Totals[i], true
}

// freeTotal is the lowest slot that no total has.
func freeTotal(m *ispctl.Model, t ispctl.Total) (int, error) {
	for slot := range ispctl.MaxTotals {
		if !slices.ContainsFunc(m.Totals, func(have ispctl.Total) bool { return have.Slot == slot }) {
			return slot, nil
		}
	}
	return 0, ispctl.Conflicting("total", t.Of(), "there are %d totals already, which is all a host may have", ispctl.MaxTotals)
}

// Totals lists the totals.
func (p *Provider) Totals(ctx context.Context) ([]TotalView, error) {
	m, err := p.Store.Model(ctx)
	if err != nil {
		return nil, err
	}
	views := make([]TotalView, len(m.Totals))
	for i, t := range m.Totals {
		v := TotalView{Kind: string(t.Kind), Name: t.Name, Down: int64(t.Down), Up: int64(t.Up), Guarantee: int64(t.Guarantee)}
		for vm := range m.Guests() {
			if t.Holds(vm) {
				v.VMs++
				v.Promised += int64(m.LimitsOf(vm).Guarantee)
			}
		}
		views[i] = v
	}
	return views, nil
}

// totals makes the totals that are not there and changes those that are.
func (a *applier) totals() error {
	for _, one := range a.doc.Totals {
		m, err := a.tx.Model()
		if err != nil {
			return err
		}
		want := one.Total
		have, there := findTotal(m, want)
		want.Slot, want.Applied = have.Slot, !there || have.Applied
		switch {
		case !there:
			if want.Slot, err = freeTotal(m, want); err != nil {
				return a.doc.At(one.At, err)
			}
			a.say("+ total %s %s", want.Of(), want.Says())
		case want == have:
			continue
		default:
			a.say("~ total %s %s", want.Of(), changes(field{"limits", have.Says(), want.Says()}))
		}
		if err := a.tx.PutTotal(want); err != nil {
			return fmt.Errorf("total %s: %w", want.Of(), err)
		}
	}
	return nil
}

func (a *applier) pruneTotals() error {
	return pruneEach(a.have.Totals, func(t ispctl.Total) bool {
		return t.Applied && !slices.ContainsFunc(a.doc.Totals, func(d document.Total) bool { return d.Of() == t.Of() })
	}, func(t ispctl.Total) error {
		a.say("- total %s", t.Of())
		return a.tx.DeleteTotal(t)
	})
}
