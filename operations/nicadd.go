package operations

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"ispctl"
	"ispctl/state"
)

// NICSpec is what is asked for when a VM gets one more NIC.
type NICSpec struct {
	Zone     string
	Address  netip.Addr // invalid: the lowest free one of the zone
	Address6 netip.Addr // the same for IPv6, where the zone has it
}

// AddNIC puts a VM into one more zone, at once if it runs.
func (p *Provider) AddNIC(ctx context.Context, name string, spec NICSpec, o Options) (Result, error) {
	return p.changeWalls(ctx, o, state.Entry{Operation: "nic add", Object: "vm " + name, Detail: "zone " + spec.Zone}, func(tx *state.Tx) ([]string, error) {
		m, err := tx.Model()
		if err != nil {
			return nil, err
		}
		vm, err := guestNamed(m, name)
		if err != nil {
			return nil, err
		}
		zone, err := m.Zone(spec.Zone)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(vm.ZoneNICs(), func(n ispctl.NIC) bool { return n.Zone == zone.Name }) {
			return nil, ispctl.Conflicting("vm", name, "has a NIC in zone %q already", zone.Name)
		}
		nic, err := newMaker(tx, m, p.Templates).zoneNIC(vm, zone, spec)
		if err != nil {
			return nil, err
		}
		return []string{nicLine(vm, nic)}, nil
	})
}

// nicLine says that a VM has one more NIC.
func nicLine(vm ispctl.VM, nic ispctl.NIC) string {
	return fmt.Sprintf("+ vm %s nic %d %s in zone %s; the guest sets it up at its next boot", vm.Name, nic.Index, nic.Addr, nic.Zone)
}

// zoneNIC reserves what a NIC in a zone is known by, and inserts it.
func (mk *maker) zoneNIC(vm ispctl.VM, zone ispctl.Zone, spec NICSpec) (ispctl.NIC, error) {
	addr, err := mk.address(pool{zone: zone.Name}, zone, vm.Name, spec.Address)
	if err != nil {
		return ispctl.NIC{}, err
	}
	addr6, err := mk.address6(zone, VMSpec{Name: vm.Name, Address6: spec.Address6})
	if err != nil {
		return ispctl.NIC{}, err
	}
	return mk.tx.AddNIC(vm, ispctl.NIC{Zone: zone.Name, MAC: newMAC(), Addr: addr, Addr6: addr6})
}

// RemoveNIC takes a VM out of a zone that it was put into later.
func (p *Provider) RemoveNIC(ctx context.Context, name string, index int, ifExists bool, o Options) (Result, error) {
	return p.changeWalls(ctx, o, state.Entry{Operation: "nic remove", Object: "vm " + name, Detail: fmt.Sprintf("nic %d", index)}, func(tx *state.Tx) ([]string, error) {
		m, err := tx.Model()
		if err != nil {
			return nil, err
		}
		vm, err := guestNamed(m, name)
		if err != nil {
			return nil, err
		}
		nic, err := nicOf(vm, index)
		if err != nil {
			return nil, missing(err, ifExists)
		}
		switch {
		case nic.Role == ispctl.WireNIC:
			return nil, &ispctl.Error{
				Kind: ispctl.Conflict, Object: fmt.Sprintf("vm %q", name), Cause: fmt.Sprintf("nic %d is for the address %s", index, nic.Addr),
				Next: "give that back: ispctl address release " + nic.Addr.String(),
			}
		case nic.Role == ispctl.AdminNIC:
			return nil, ispctl.Conflicting("vm", name, "nic %d is on the admin leg, by which it is managed", index)
		case nic.Index == vm.ZoneNICs()[0].Index:
			return nil, ispctl.Conflicting("vm", name, "nic %d is the one that it was made with", index)
		}
		return []string{fmt.Sprintf("- vm %s nic %d %s in zone %s", name, index, nic.Addr, nic.Zone)}, tx.DeleteNIC(vm.ID, index)
	})
}

// nicOf finds a NIC by its number, which is not its place once one was removed.
func nicOf(vm ispctl.VM, index int) (ispctl.NIC, error) {
	if i := slices.IndexFunc(vm.NICs, func(n ispctl.NIC) bool { return n.Index == index }); i >= 0 {
		return vm.NICs[i], nil
	}
	return ispctl.NIC{}, &ispctl.Error{
		Kind: ispctl.NotFound, Object: fmt.Sprintf("vm %q", vm.Name), Cause: fmt.Sprintf("has no nic %d (it has %d, counted from 0)", index, len(vm.NICs)),
		Next: "see: ispctl vm show " + string(vm.Name) + " -o json",
	}
}
