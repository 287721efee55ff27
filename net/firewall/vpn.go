package firewall

import (
	"time"

	"ispctl"
	"ispctl/net/nft"
)

// The sets of the VPN.
const (
	vpnLinks     = "vpn"           // its device
	vpnPorts     = "vpn_ports"     // what peers find it by on the uplink
	vpnPeers     = "vpn_peers"     // addresses of peers that never expire
	vpnUntil     = "vpn_until"     // (address . time) of those that do
	vpnOperators = "vpn_operators" // addresses of operators' peers
	vpnReach     = "vpn_reach"     // (address of a tenant's peer . address on a leg of a VM of its)
	vpnServices  = "vpn_services"  // what the host answers tenants
)

// The chains that packets of the VPN go through.
const (
	vpnIn   = "vpn_in"   // from a peer, to be sent on
	vpnOut  = "vpn_out"  // to a peer
	vpnHost = "vpn_host" // from a peer, to the host
)

func vpnSets() []nft.Set {
	return []nft.Set{
		{Name: vpnLinks, Key: []nft.Type{nft.TypeIfname}},
		{Name: vpnPorts, Key: []nft.Type{nft.TypeProto, nft.TypeService}},
		{Name: vpnPeers, Key: []nft.Type{nft.TypeIPv4}},
		{Name: vpnUntil, Key: []nft.Type{nft.TypeIPv4, nft.TypeTime}, Interval: true},
		{Name: vpnOperators, Key: []nft.Type{nft.TypeIPv4}},
		{Name: vpnReach, Key: []nft.Type{nft.TypeIPv4, nft.TypeIPv4}},
		{Name: vpnServices, Key: []nft.Type{nft.TypeIPv4, nft.TypeProto, nft.TypeService}},
	}
}

// addVPN puts the peers in. One that is disabled is in no set. One that expires
// is in its set for ever, and in the time of the packet until then: so the kernel
// shuts it out by its own clock, whether or not anything of ours runs.
func addVPN(t nft.Table, m *ispctl.Model) {
	if !m.VPN.Configured() {
		return
	}
	link := nft.Elem{Key: nft.Join(nft.Ifname(m.Installation.VPNLink()))}
	t.Add(vpnLinks, link)
	t.Add(operators, link) // who may come by it to a leg at all is judged before
	t.Add(vpnPorts, nft.Elem{Key: nft.Join(nft.Proto(ispctl.UDP), nft.Service(m.VPN.Port))})
	for _, s := range m.VPN.Services {
		t.Add(vpnServices, nft.Elem{Key: nft.Join(nft.Addr(m.VPN.Gateway()), nft.Proto(s.Proto), nft.Service(s.Port))})
	}
	reach := m.ReachOfTenants()
	for _, p := range m.VPN.Peers {
		if p.Disabled {
			continue
		}
		peer := nft.Elem{Key: nft.Join(nft.Addr(p.Addr))}
		if p.Expires.IsZero() {
			t.Add(vpnPeers, peer)
		} else {
			t.Add(vpnUntil, nft.Elem{
				Key: nft.Join(nft.Addr(p.Addr), nft.Time(time.Unix(0, 0))),
				End: nft.Join(nft.Addr(p.Addr), nft.Time(p.Expires)),
			})
		}
		if p.Role == ispctl.OperatorPeer {
			t.Add(vpnOperators, peer)
			continue
		}
		for _, a := range reach[p.Tenant] {
			t.Add(vpnReach, nft.Elem{Key: nft.Join(nft.Addr(p.Addr), nft.Addr(a))})
		}
	}
}

// vpnForwardRules judge every packet of the VPN that is sent on, those of
// connections that are open too: so what a peer may no longer do ends at once.
func vpnForwardRules() []nft.Rule {
	return []nft.Rule{
		nft.NewRule("from a peer of the VPN", nft.IIFIn(vpnLinks), nft.Jump(vpnIn)),
		nft.NewRule("to a peer of the VPN", nft.OIFIn(vpnLinks), nft.Jump(vpnOut)),
	}
}

func vpnInputRules() []nft.Rule {
	return []nft.Rule{
		nft.NewRule("from a peer of the VPN", nft.IIFIn(vpnLinks), nft.Jump(vpnHost)),
		nft.NewRule("the VPN itself", nft.IIFIn(uplinks), nft.ServiceIn(vpnPorts), nft.Accept()),
	}
}

func vpnChains() []nft.Chain {
	shut := func(peer nft.Operand) []nft.Rule {
		return []nft.Rule{
			nft.NewRule("the VPN carries IPv4", nft.FromIPv6(), nft.Count(), nft.Drop()),
			nft.NewRule("a peer that is unknown, disabled or expired", nft.FromIPv4(),
				nft.NotIn(vpnPeers, peer), nft.NotIn(vpnUntil, peer, nft.Now), nft.Count(), nft.Drop()),
		}
	}
	between := func(peer, guest nft.Operand) []nft.Rule {
		return append(shut(peer),
			nft.NewRule("an operator's", nft.FromIPv4(), nft.In(vpnOperators, peer), nft.Return()),
			nft.NewRule("a tenant's, and a VM of that tenant", nft.FromIPv4(), nft.In(vpnReach, peer, guest), nft.Return()),
			nft.NewRule("closed: what is not the tenant's", nft.Count(), nft.Drop()))
	}
	return []nft.Chain{
		{Name: vpnIn, Rules: between(nft.IPSource, nft.IPDest)},
		{Name: vpnOut, Rules: between(nft.IPDest, nft.IPSource)},
		{Name: vpnHost, Rules: append(shut(nft.IPSource),
			nft.NewRule("an operator's", nft.FromIPv4(), nft.In(vpnOperators, nft.IPSource), nft.Accept()),
			nft.NewRule("what the host answers tenants", nft.FromIPv4(), nft.In(vpnServices, nft.IPDest, nft.L4, nft.DestPort), nft.Accept()),
			nft.NewRule("closed: tenants to the host", nft.Count(), nft.Drop()))},
	}
}
