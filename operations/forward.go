package operations

import (
	"context"

	"ispctl"
	"ispctl/state"
)

// AddForward carries a port of an external address to a port of a VM. A port
// that is carried elsewhere is a conflict; the same forward again is, unless
// ifNotExists.
func (p *Provider) AddForward(ctx context.Context, f ispctl.Forward, ifNotExists bool, o Options) (Result, error) {
	return p.changeWalls(ctx, o, state.Entry{Operation: "forward add", Object: "forward " + f.Outside(), Detail: f.To()},
		func(tx *state.Tx) ([]string, error) {
			m, err := tx.Model()
			if err != nil {
				return nil, err
			}
			if _, err := m.VM(string(f.VM)); err != nil {
				return nil, err
			}
			if f.Listen.Addr.Is4() { // IPv6 is opened at the VM's own address
				if _, err := m.Address(f.Listen.Addr); err != nil {
					return nil, err
				}
			}
			if have, err := m.Forward(f.Listen); err == nil {
				if have.To() != f.To() || have.Last != f.Last {
					return nil, ispctl.Conflicting("forward", have.Outside(), "is carried to %s already", have.To())
				}
				return nil, exists("forward", f.Outside(), ifNotExists)
			}
			return []string{"+ forward " + f.Outside() + " to " + f.To()}, tx.PutForward(f)
		})
}

// RemoveForward ends a forward, of a range of ports up to last unless that is 0.
// Connections that are up go on until they end.
func (p *Provider) RemoveForward(ctx context.Context, l ispctl.Listen, last uint16, ifExists bool, o Options) (Result, error) {
	asked := ispctl.Forward{Listen: l, Last: last}.Outside()
	return p.changeWalls(ctx, o, state.Entry{Operation: "forward remove", Object: "forward " + asked},
		func(tx *state.Tx) ([]string, error) {
			m, err := tx.Model()
			if err != nil {
				return nil, err
			}
			have, err := m.Forward(l)
			if err != nil {
				return nil, missing(err, ifExists)
			}
			if have.Last != last {
				return nil, ispctl.Conflicting("forward", asked, "what begins there is %s", have.Outside())
			}
			return []string{"- forward " + asked}, tx.DeleteForward(l)
		})
}

// Forwards lists the forwards.
func (p *Provider) Forwards(ctx context.Context) ([]ForwardView, error) {
	m, err := p.Store.Model(ctx)
	if err != nil {
		return nil, err
	}
	views := make([]ForwardView, len(m.Forwards))
	for i, f := range m.Forwards {
		views[i] = viewForward(m, f)
	}
	return views, nil
}
