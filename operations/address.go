package operations

import (
	"context"
	"net/netip"
	"time"

	"ispctl"
	"ispctl/state"
)

// AddAddress takes an external address into use.
func (p *Provider) AddAddress(ctx context.Context, addr netip.Addr, ifNotExists bool, o Options) (Result, error) {
	return p.changeWalls(ctx, o, state.Entry{Operation: "address add", Object: "address " + addr.String()},
		func(tx *state.Tx) ([]string, error) {
			m, err := tx.Model()
			if err != nil {
				return nil, err
			}
			if _, err := m.Address(addr); err == nil {
				return nil, exists("address", addr.String(), ifNotExists)
			}
			return []string{"+ address " + addr.String()}, tx.PutAddress(ispctl.Address{Addr: addr})
		})
}

// RemoveAddress gives an external address up that nothing uses.
func (p *Provider) RemoveAddress(ctx context.Context, addr netip.Addr, ifExists bool, o Options) (Result, error) {
	return p.changeWalls(ctx, o, state.Entry{Operation: "address remove", Object: "address " + addr.String()},
		func(tx *state.Tx) ([]string, error) {
			m, err := tx.Model()
			if err != nil {
				return nil, err
			}
			a, err := m.Address(addr)
			if err != nil {
				return nil, missing(err, ifExists)
			}
			view := viewAddress(m, a, nil)
			if a.VM != "" {
				return nil, inUse("address", addr.String(), "vm", []ispctl.Name{a.VM}, "give it back first: ispctl address release "+addr.String())
			}
			if len(view.Zones) > 0 {
				return nil, inUse("address", addr.String(), "zone", view.Zones, "give those zones another snat first")
			}
			if len(view.Forwards) > 0 {
				return nil, inUse("address", addr.String(), "forward", view.Forwards, "remove them first: ispctl forward remove")
			}
			return []string{"- address " + addr.String()}, tx.DeleteAddress(a)
		})
}

// Addresses lists the external addresses and who uses them.
func (p *Provider) Addresses(ctx context.Context) ([]AddressView, error) {
	m, err := p.Store.Model(ctx)
	if err != nil {
		return nil, err
	}
	rests, err := p.Store.Rests(ctx, time.Now())
	if err != nil {
		return nil, err
	}
	views := make([]AddressView, len(m.Addresses))
	for i, a := range m.Addresses {
		views[i] = viewAddress(m, a, rests)
	}
	return views, nil
}
