package firewall

import (
	"ispctl"
	"ispctl/net/nft"
)

// The sets of the tenants' gateway: its address and port, whichever family it is
// of.
const (
	gateway4 = "gateway4"
	gateway6 = "gateway6"
)

func gatewaySets() []nft.Set {
	return []nft.Set{
		{Name: gateway4, Key: []nft.Type{nft.TypeIPv4, nft.TypeProto, nft.TypeService}},
		{Name: gateway6, Key: []nft.Type{nft.TypeIPv6, nft.TypeProto, nft.TypeService}},
	}
}

// addGateway opens the one port at the one address, to tenants' peers where it is
// that of the VPN. Guests are none of those that reach it: they come by links of
// zones.
func addGateway(t nft.Table, m *ispctl.Model) {
	if !m.Gateway.Configured() {
		return
	}
	at, set := m.Gateway.Listen, gateway4
	if at.Addr().Is6() {
		set = gateway6
	}
	if m.VPN.Configured() && at.Addr() == m.VPN.Gateway() {
		set = vpnServices
	}
	t.Add(set, element(nft.Addr(at.Addr()), nft.Proto(ispctl.TCP), nft.Service(at.Port())))
}

func gatewayRules() []nft.Rule {
	return []nft.Rule{
		nft.NewRule("the tenants' gateway", nft.FromIPv4(), nft.IIFIn(uplinks), nft.In(gateway4, nft.IPDest, nft.L4, nft.DestPort), nft.Accept()),
		nft.NewRule("the same by IPv6", nft.FromIPv6(), nft.IIFIn(uplinks), nft.In(gateway6, nft.IP6Dest, nft.L4, nft.DestPort), nft.Accept()),
	}
}
