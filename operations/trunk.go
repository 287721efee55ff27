package operations

import (
	"context"
	"slices"

	"ispctl"
	"ispctl/state"
)

// TrunkCheck reports whether zones with that MTU can go on by an interface of
// this host, and, where aware, whether its bridges can keep VLANs apart.
type TrunkCheck func(trunk string, mtu int, aware bool) error

// admitTrunks refuses zones on trunks that this host has not, before anything of
// them is made. What stands already is left to the pass: a trunk that has gone
// keeps nobody from changing something else.
func (p *Provider) admitTrunks(ctx context.Context, tx *state.Tx) error {
	if p.CheckTrunk == nil {
		return nil
	}
	m, err := tx.Model()
	if err != nil {
		return err
	}
	var before *ispctl.Model
	for _, z := range m.Zones {
		if z.Trunk == "" {
			continue
		}
		if before == nil {
			if before, err = p.Store.Model(ctx); err != nil {
				return err
			}
		}
		same := func(was ispctl.Zone) bool {
			return was.Name == z.Name && was.Trunk == z.Trunk && was.VLANAware() == z.VLANAware() && was.LinkMTU() == z.LinkMTU()
		}
		if slices.ContainsFunc(before.Zones, same) {
			continue
		}
		if err := p.CheckTrunk(z.Trunk, z.LinkMTU(), z.VLANAware()); err != nil {
			return err
		}
	}
	return nil
}
