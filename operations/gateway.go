package operations

import (
	"context"
	"fmt"
	"net/netip"

	"ispctl"
	"ispctl/state"
)

// DefaultGateway is at the host's address in the VPN.
func (p *Provider) DefaultGateway(ctx context.Context) (ispctl.Gateway, error) {
	m, err := p.Store.Model(ctx)
	if err != nil {
		return ispctl.Gateway{}, err
	}
	if !m.VPN.Configured() {
		return ispctl.Gateway{}, &ispctl.Error{
			Kind: ispctl.Usage, Object: "gateway", Cause: "no address is named, and there is no VPN to take its",
			Next: "give --listen ADDRESS:PORT, or make one: ispctl vpn init",
		}
	}
	return ispctl.Gateway{Listen: netip.AddrPortFrom(m.VPN.Gateway(), ispctl.DefaultGatewayPort)}, nil
}

// SetGateway says where the gateway is; the zero value: nowhere.
func (p *Provider) SetGateway(ctx context.Context, g ispctl.Gateway, o Options) (Result, error) {
	return p.changeWalls(ctx, o, state.Entry{Operation: "gateway set", Object: "gateway", Detail: gatewayText(g)}, func(tx *state.Tx) ([]string, error) {
		m, err := tx.Model()
		if err != nil {
			return nil, err
		}
		if m.Gateway == g {
			return nil, nil
		}
		return []string{fmt.Sprintf("~ gateway listen %s -> %s", gatewayText(m.Gateway), gatewayText(g))}, tx.PutGateway(g)
	})
}

func gatewayText(g ispctl.Gateway) string {
	if !g.Configured() {
		return ispctl.NoTenant
	}
	return g.Listen.String()
}
