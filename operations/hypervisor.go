package operations

import (
	"context"

	"ispctl/state"
)

// admitGuests refuses what the hypervisor cannot give to a guest, before anything
// of it is made. What stands already is left to the pass: it must not keep anybody
// from mending it.
func (p *Provider) admitGuests(ctx context.Context, tx *state.Tx) error {
	if p.CheckGuests == nil {
		return nil
	}
	m, err := tx.Model()
	if err != nil {
		return err
	}
	refused := p.CheckGuests(m)
	if refused == nil {
		return nil
	}
	before, err := p.Store.Model(ctx)
	if err != nil {
		return err
	}
	if p.CheckGuests(before) != nil {
		return nil
	}
	return refused
}
