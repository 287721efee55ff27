// Package zones is the address plan inside a zone: which address a new guest
// gets, and which it may ask for.
package zones

import (
	"net/netip"

	"ispctl"
)

// Allocator hands out the free addresses of a zone, lowest first. It is made
// from a model and knows what it has handed out since.
type Allocator struct {
	zone  ispctl.Zone
	taken map[netip.Addr]ispctl.Name
	next  netip.Addr
}

// NewAllocator looks up what is taken in the zone, by absent VMs too: their
// taps and domains may still be there.
func NewAllocator(m *ispctl.Model, zone ispctl.Zone) *Allocator {
	a := &Allocator{zone: zone, taken: map[netip.Addr]ispctl.Name{}, next: zone.Gateway().Next()}
	for _, vm := range m.VMs {
		for _, nic := range vm.NICs {
			if nic.Zone == zone.Name {
				a.taken[nic.Addr] = vm.Name
			}
		}
	}
	return a
}

// Next takes the lowest free address for vm.
func (a *Allocator) Next(vm ispctl.Name) (netip.Addr, error) {
	for ; a.zone.Prefix.Contains(a.next.Next()); a.next = a.next.Next() {
		if _, taken := a.taken[a.next]; !taken {
			a.taken[a.next] = vm
			return a.next, nil
		}
	}
	return netip.Addr{}, ispctl.Conflicting("zone", string(a.zone.Name), "prefix %s has no free address", a.zone.Prefix)
}

// Take takes that address for vm, if it is free. Whether it can be a guest's
// at all is for the model's validation to say.
func (a *Allocator) Take(vm ispctl.Name, addr netip.Addr) error {
	if holder, taken := a.taken[addr]; taken {
		return ispctl.Conflicting("address", addr.String(), "is vm %q's in zone %q", holder, a.zone.Name)
	}
	a.taken[addr] = vm
	return nil
}
