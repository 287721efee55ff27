package operations

import (
	"context"
	"fmt"

	"ispctl"
	"ispctl/state"
)

// CreateZone makes a zone. One of that name is a conflict, unless ifNotExists.
func (p *Provider) CreateZone(ctx context.Context, z ispctl.Zone, ifNotExists bool, o Options) (Result, error) {
	return p.changeWalls(ctx, o, state.Entry{Operation: "zone create", Object: "zone " + string(z.Name), Detail: z.Prefix.String()},
		func(tx *state.Tx) ([]string, error) {
			m, err := tx.Model()
			if err != nil {
				return nil, err
			}
			if _, err := m.Zone(string(z.Name)); err == nil {
				return nil, exists("zone", string(z.Name), ifNotExists)
			}
			if err := tx.PutZone(z); err != nil {
				return nil, err
			}
			said := []string{fmt.Sprintf("+ zone %s %s", z.Name, z.Prefix)}
			more, err := giveLegs(tx)
			return append(said, more...), err
		})
}

// DeleteZone removes a zone that has no VMs. One that is not there is an
// error, unless ifExists.
func (p *Provider) DeleteZone(ctx context.Context, name string, ifExists bool, o Options) (Result, error) {
	return p.changeWalls(ctx, o, state.Entry{Operation: "zone delete", Object: "zone " + name},
		func(tx *state.Tx) ([]string, error) {
			m, err := tx.Model()
			if err != nil {
				return nil, err
			}
			z, err := m.Zone(name)
			if err != nil {
				return nil, missing(err, ifExists)
			}
			if vms := m.VMsIn(z.Name); len(vms) > 0 {
				return nil, inUse("zone", name, "vm", vms, "destroy them first: ispctl vm destroy")
			}
			if policies := policiesOf(m, z); len(policies) > 0 {
				return nil, inUse("zone", name, "policy", policies, "take them back first: ispctl zone policy deny")
			}
			return []string{"- zone " + name}, tx.DeleteZone(z.Name)
		})
}

// Zones lists the zones.
func (p *Provider) Zones(ctx context.Context) ([]ZoneView, error) {
	m, err := p.Store.Model(ctx)
	if err != nil {
		return nil, err
	}
	views := make([]ZoneView, len(m.Zones))
	for i, z := range m.Zones {
		views[i] = viewZone(m, z)
	}
	return views, nil
}

// Zone shows one zone.
func (p *Provider) Zone(ctx context.Context, name string) (ZoneView, error) {
	m, err := p.Store.Model(ctx)
	if err != nil {
		return ZoneView{}, err
	}
	z, err := m.Zone(name)
	if err != nil {
		return ZoneView{}, err
	}
	return viewZone(m, z), nil
}

// policiesOf are the policies that name a zone, in words.
func policiesOf(m *ispctl.Model, z ispctl.Zone) []string {
	var all []string
	for _, p := range m.Policies {
		if p.From == ispctl.End(z.Name) || p.To == ispctl.End(z.Name) {
			all = append(all, p.String())
		}
	}
	return all
}
