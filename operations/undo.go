package operations

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"

	"ispctl"
)

// Undo is what a change of walls is taken back with. Walls and addresses are
// kept whole, for nothing else may change them meanwhile; of plans and VMs only
// what the change did to them is, for they go on living.
type Undo struct {
	Uplink       ispctl.Uplink
	Admin        ispctl.AdminNet
	HostServices []ispctl.Service
	HostSources  []netip.Prefix
	Addresses    []ispctl.Address
	Zones        []ispctl.Zone
	Forwards     []ispctl.Forward
	Policies     []ispctl.Policy

	Plans    []ispctl.Plan // as they were, of those it changed or removed
	NewPlans []ispctl.Name
	VMs      []ispctl.VM // as they were, of those it changed
	NewVMs   []string    // by UUID
}

// newUndo compares the models before and after a change. A change that destroys
// a VM cannot be taken back.
func newUndo(before, after *ispctl.Model) (Undo, error) {
	u := Undo{
		Uplink: before.Uplink, Admin: before.Admin, HostServices: before.HostServices, HostSources: before.HostSources, Addresses: before.Addresses,
		Zones: before.Zones, Forwards: before.Forwards, Policies: before.Policies,
	}
	for _, was := range before.Plans {
		if is, err := after.Plan(string(was.Name)); err != nil || is != was {
			u.Plans = append(u.Plans, was)
		}
	}
	for _, is := range after.Plans {
		if _, err := before.Plan(string(is.Name)); err != nil {
			u.NewPlans = append(u.NewPlans, is.Name)
		}
	}
	for _, is := range after.VMs {
		was, err := before.VM(string(is.Name))
		switch {
		case err != nil:
			u.NewVMs = append(u.NewVMs, is.UUID)
		case is.Wanted == ispctl.Absent && was.Wanted != ispctl.Absent:
			return Undo{}, &ispctl.Error{
				Kind: ispctl.Conflict, Object: fmt.Sprintf("vm %q", is.Name), Cause: "would be destroyed, which no revert brings back",
				Next: "destroy it by itself first (ispctl vm destroy " + string(is.Name) + "), or leave --confirm out",
			}
		case !reflect.DeepEqual(is, was):
			u.VMs = append(u.VMs, was)
		}
	}
	return u, nil
}

// over is the model that taking the change back leads to from m. A forward to a
// VM that was destroyed meanwhile stays away.
func (u Undo) over(m *ispctl.Model) *ispctl.Model {
	r := *m
	r.HostSources = u.HostSources
	r.Uplink, r.Admin, r.HostServices, r.Addresses, r.Zones, r.Policies = u.Uplink, u.Admin, u.HostServices, u.Addresses, u.Zones, u.Policies

	r.Plans = slices.DeleteFunc(slices.Clone(m.Plans), func(p ispctl.Plan) bool {
		return slices.Contains(u.NewPlans, p.Name) ||
			slices.ContainsFunc(u.Plans, func(was ispctl.Plan) bool { return was.Name == p.Name })
	})
	r.Plans = append(r.Plans, u.Plans...)

	r.VMs = slices.Clone(m.VMs)
	for i := range r.VMs {
		vm := &r.VMs[i]
		if vm.Wanted == ispctl.Absent {
			continue
		}
		if slices.Contains(u.NewVMs, vm.UUID) {
			vm.Wanted = ispctl.Absent
		}
		for _, was := range u.VMs {
			if was.ID == vm.ID {
				vm.Plan, vm.Wanted, vm.Paused, vm.SSHKeys, vm.Applied = was.Plan, was.Wanted, was.Paused, was.SSHKeys, was.Applied
			}
		}
	}
	r.Forwards = slices.DeleteFunc(slices.Clone(u.Forwards), func(f ispctl.Forward) bool {
		vm, err := r.VM(string(f.VM))
		return err != nil || vm.Wanted == ispctl.Absent
	})
	r.Sort()
	return &r
}
