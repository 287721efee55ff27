package operations

import (
	"context"
	"fmt"

	"ispctl"
	"ispctl/state"
)

// SetTariff says what the traffic of VMs on a plan costs.
func (p *Provider) SetTariff(ctx context.Context, t ispctl.Tariff, o Options) (Result, error) {
	return p.change(ctx, o, state.Entry{Operation: "tariff set", Object: "plan " + string(t.Plan)}, func(tx *state.Tx) ([]string, error) {
		m, err := tx.Model()
		if err != nil {
			return nil, err
		}
		if _, err := m.Plan(string(t.Plan)); err != nil {
			return nil, err
		}
		if have, there := m.TariffOf(t.Plan); there && have == t {
			return nil, nil
		}
		return []string{fmt.Sprintf("~ tariff of plan %s in %s", t.Plan, t.Currency)}, tx.PutTariff(t)
	})
}

// RemoveTariff makes the traffic of VMs on a plan cost nothing.
func (p *Provider) RemoveTariff(ctx context.Context, plan string, ifExists bool, o Options) (Result, error) {
	return p.change(ctx, o, state.Entry{Operation: "tariff remove", Object: "plan " + plan}, func(tx *state.Tx) ([]string, error) {
		m, err := tx.Model()
		if err != nil {
			return nil, err
		}
		if _, there := m.TariffOf(ispctl.Name(plan)); !there {
			return nil, missing(&ispctl.Error{Kind: ispctl.NotFound, Object: fmt.Sprintf("tariff of plan %q", plan), Cause: "not found", Next: "see: ispctl tariff list"}, ifExists)
		}
		return []string{"- tariff of plan " + plan}, tx.DeleteTariff(ispctl.Name(plan))
	})
}

// TariffView is a tariff as scripts see it. Prices are decimal.
type TariffView struct {
	Plan       ispctl.Name      `json:"plan"`
	Currency   string           `json:"currency"`
	Volume     ispctl.Direction `json:"volume"` // empty: volume is not billed
	Included   int64            `json:"included_bytes"`
	PerGB      string           `json:"per_gb"`
	Percentile ispctl.Direction `json:"percentile95"` // empty: it is not billed
	Committed  int64            `json:"committed_bits_per_second"`
	PerMbit    string           `json:"per_mbit"`
}

// Tariffs lists the tariffs, by plan.
func (p *Provider) Tariffs(ctx context.Context) ([]TariffView, error) {
	m, err := p.Store.Model(ctx)
	if err != nil {
		return nil, err
	}
	views := make([]TariffView, len(m.Tariffs))
	for i, t := range m.Tariffs {
		views[i] = TariffView{t.Plan, t.Currency, t.Volume, int64(t.Included), t.PerGB.String(), t.Percentile, int64(t.Committed), t.PerMbit.String()}
	}
	return views, nil
}
