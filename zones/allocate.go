// Package zones is the address plan inside a zone: which address a new guest
// gets, and which it may ask for.
package zones

import (
	"net/netip"

	"ispctl"
)

// Allocator hands out the free addresses of a pool, lowest first. It is made
// from a model and knows what it has handed out since.
type Allocator struct {
	zone   ispctl.Name
	prefix netip.Prefix
	taken  map[netip.Addr]ispctl.Name
	next   netip.Addr
}

// NewAllocator looks up which IPv4 addresses of the zone are taken, by absent
// VMs too: their taps and domains may still be there.
func NewAllocator(m *ispctl.Model, zone ispctl.Zone) *Allocator {
	return newAllocator(m, zone.Name, zone.Prefix, zone.Gateway(), ispctl.ZoneNIC, func(n ispctl.NIC) netip.Addr { return n.Addr })
}

// NewAllocator6 is the same for IPv6.
func NewAllocator6(m *ispctl.Model, zone ispctl.Zone) *Allocator {
	return newAllocator(m, zone.Name, zone.Prefix6, zone.Gateway6(), ispctl.ZoneNIC, func(n ispctl.NIC) netip.Addr { return n.Addr6 })
}

// NewLegAllocator is the same for the zone's admin leg.
func NewLegAllocator(m *ispctl.Model, zone ispctl.Zone) *Allocator {
	return newAllocator(m, zone.Name, zone.Leg, zone.LegGateway(), ispctl.AdminNIC, func(n ispctl.NIC) netip.Addr { return n.Addr })
}

func newAllocator(m *ispctl.Model, zone ispctl.Name, prefix netip.Prefix, gateway netip.Addr, role ispctl.NICRole, addr func(ispctl.NIC) netip.Addr) *Allocator {
	a := &Allocator{zone: zone, prefix: prefix, taken: map[netip.Addr]ispctl.Name{}, next: gateway.Next()}
	for _, vm := range m.VMs {
		for _, nic := range vm.NICs {
			if nic.Zone == zone && nic.Role == role {
				a.taken[addr(nic)] = vm.Name
			}
		}
	}
	return a
}

// Next takes the lowest free address for vm.
func (a *Allocator) Next(vm ispctl.Name) (netip.Addr, error) {
	for ; a.prefix.Contains(a.next.Next()); a.next = a.next.Next() {
		if _, taken := a.taken[a.next]; !taken {
			a.taken[a.next] = vm
			return a.next, nil
		}
	}
	return netip.Addr{}, ispctl.Conflicting("zone", string(a.zone), "prefix %s has no free address", a.prefix)
}

// Take takes that address for vm, if it is free. Whether it can be a guest's
// at all is for the model's validation to say.
func (a *Allocator) Take(vm ispctl.Name, addr netip.Addr) error {
	if holder, taken := a.taken[addr]; taken {
		return ispctl.Conflicting("address", addr.String(), "is vm %q's in zone %q", holder, a.zone)
	}
	a.taken[addr] = vm
	return nil
}
