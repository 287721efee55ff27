package track

import (
	"net/netip"
	"slices"

	"ispctl"
)

// Layer is the layer's name.
const Layer = "connections"

// Conn is an open connection, as its first packet was before anything
// translated it, and as the answer comes.
type Conn struct {
	Proto              uint8 // IANA's number
	Src, Dst           netip.AddrPort
	ReplySrc, ReplyDst netip.AddrPort
}

// The protocols that have ports.
var protocols = map[uint8]ispctl.Protocol{6: ispctl.TCP, 17: ispctl.UDP}

// State is the connections there are, or, as it is wanted, which of them may
// be.
type State struct {
	Conns  []Conn
	rights rights
}

// rights is what the model says of addresses.
type rights struct {
	model    *ispctl.Model
	taken    map[netip.Addr]bool       // by guests and gateways
	sources  map[netip.Addr]netip.Addr // of VMs with one to themselves
	oneToOne map[netip.Addr]netip.Addr
	inside   map[ispctl.Name]netip.Addr
	peers    map[netip.Addr]map[netip.Addr]bool // of the VPN that are let in: what a tenant's reaches; nil: all
}

// Desired says which connections may be.
func Desired(m *ispctl.Model) (State, error) {
	r := rights{
		model: m, taken: map[netip.Addr]bool{}, sources: map[netip.Addr]netip.Addr{},
		oneToOne: map[netip.Addr]netip.Addr{}, inside: map[ispctl.Name]netip.Addr{},
	}
	for _, z := range m.Zones {
		r.taken[z.Gateway()] = true
		if z.Prefix6.IsValid() {
			r.taken[z.Gateway6()] = true
		}
		if z.Leg.IsValid() {
			r.taken[z.LegGateway()] = true
		}
	}
	r.peers = peers(m)
	for vm := range m.Guests() {
		for _, nic := range vm.NICs {
			r.taken[nic.Addr], r.taken[nic.Addr6] = true, true
		}
		nics := vm.ZoneNICs()
		if len(nics) == 0 {
			continue
		}
		r.inside[vm.Name] = nics[0].Addr
		if source := m.SourceOfVM(vm.Name); source.IsValid() {
			r.sources[nics[0].Addr] = source
		}
		for _, a := range m.AddressesOf(vm.Name, ispctl.OneToOne) {
			r.oneToOne[a.Addr] = nics[0].Addr
		}
	}
	return State{rights: r}, nil
}

// stale is why a connection may be no longer; empty: it may.
func (r rights) stale(c Conn) string {
	for _, end := range []netip.AddrPort{c.Src, c.Dst, c.ReplySrc, c.ReplyDst} {
		if r.nobodys(end.Addr()) {
			return "nobody has " + end.Addr().String()
		}
	}
	if why := r.vpn(c); why != "" {
		return why
	}
	if c.ReplyDst.Addr() != c.Src.Addr() && r.ours(c.ReplyDst.Addr()) {
		if z, in := r.zoneOf(c.Src.Addr()); in && r.sourceOf(z, c.Src.Addr()) != c.ReplyDst.Addr() {
			return c.Src.Addr().String() + " does not go out as " + c.ReplyDst.Addr().String()
		}
	}
	if c.ReplySrc.Addr() != c.Dst.Addr() && r.ours(c.Dst.Addr()) {
		if _, in := r.zoneOf(c.ReplySrc.Addr()); in && !r.leads(c) {
			return c.Dst.String() + " does not lead to " + c.ReplySrc.String()
		}
	}
	return ""
}

// nobodys are addresses of zones and legs that no guest has. Where a guest may
// use what address it likes, or machines of others are on the VLAN, nobody
// knows.
func (r rights) nobodys(a netip.Addr) bool {
	if r.taken[a] {
		return false
	}
	z, in := r.zoneOf(a)
	if !in || z.Trunk != "" || r.free(z) {
		return false
	}
	for _, p := range []netip.Prefix{z.Prefix, z.Leg} {
		if p.IsValid() && p.Contains(a) && (a == p.Addr() || !p.Contains(a.Next())) {
			return false // its net and its broadcast address are no machine's
		}
	}
	return true
}

// free reports whether a guest of the zone is not held to its own addresses.
func (r rights) free(z ispctl.Zone) bool {
	for vm := range r.model.Guests() {
		if slices.ContainsFunc(vm.NICs, func(n ispctl.NIC) bool { return n.Zone == z.Name && len(n.Allow) > 0 }) {
			return true
		}
	}
	return false
}

func (r rights) zoneOf(a netip.Addr) (ispctl.Zone, bool) {
	for _, z := range r.model.Zones {
		for _, p := range []netip.Prefix{z.Prefix, z.Prefix6, z.Leg} {
			if p.IsValid() && p.Contains(a) {
				return z, true
			}
		}
	}
	return ispctl.Zone{}, false
}

// ours are external addresses: what is translated to others is others' doing.
func (r rights) ours(a netip.Addr) bool {
	return slices.ContainsFunc(r.model.Addresses, func(have ispctl.Address) bool { return have.Addr == a }) ||
		slices.ContainsFunc(r.model.Delivers, func(p netip.Prefix) bool { return p.Contains(a) && a != r.model.Uplink.Address.Addr() })
}

// sourceOf is the external address that an inside one goes out with.
func (r rights) sourceOf(z ispctl.Zone, a netip.Addr) netip.Addr {
	if own, has := r.sources[a]; has {
		return own
	}
	return r.model.SourceOf(z)
}

// leads reports whether a connection that was sent on is where a forward or an
// address of one VM sends it.
func (r rights) leads(c Conn) bool {
	if to, has := r.oneToOne[c.Dst.Addr()]; has && to == c.ReplySrc.Addr() {
		return true
	}
	return slices.ContainsFunc(r.model.Forwards, func(f ispctl.Forward) bool {
		to := f.Port
		if f.Last != 0 {
			to = c.Dst.Port()
		}
		return f.Listen.Addr == c.Dst.Addr() && f.Listen.Proto == protocols[c.Proto] &&
			f.Listen.Port <= c.Dst.Port() && c.Dst.Port() <= f.End() && netip.AddrPortFrom(r.inside[f.VM], to) == c.ReplySrc
	})
}
