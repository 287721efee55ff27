package track

import (
	"net/netip"

	"ispctl"
)

// peers are the addresses of the VPN's peers that are let in, and what each may
// reach.
func peers(m *ispctl.Model) map[netip.Addr]map[netip.Addr]bool {
	all := map[netip.Addr]map[netip.Addr]bool{}
	reach := m.ReachOfTenants()
	for _, p := range m.VPN.Peers {
		switch {
		case !p.Active():
		case p.Role == ispctl.OperatorPeer:
			all[p.Addr] = nil
		default:
			all[p.Addr] = map[netip.Addr]bool{m.VPN.Gateway(): true}
			for _, a := range reach[p.Tenant] {
				all[p.Addr][a] = true
			}
		}
	}
	return all
}

// vpn is why a connection of a peer may be no longer.
func (r rights) vpn(c Conn) string {
	v := r.model.VPN
	if !v.Configured() {
		return ""
	}
	for _, end := range []netip.Addr{c.Src.Addr(), c.ReplySrc.Addr()} {
		if !v.Holds(end) {
			continue
		}
		if _, in := r.peers[end]; !in {
			return "no peer is let in as " + end.String()
		}
	}
	if reach := r.peers[c.Src.Addr()]; v.Holds(c.Src.Addr()) && reach != nil && !reach[c.ReplySrc.Addr()] {
		return c.Src.Addr().String() + " may not reach " + c.ReplySrc.Addr().String()
	}
	return ""
}
