package operations

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"ispctl"
	"ispctl/operations/document"
)

// vms makes the VMs that are not there and changes those that are, as far as a
// VM can be changed.
func (a *applier) vms() error {
	m, err := a.tx.Model() // with the document's zones and plans
	if err != nil {
		return err
	}
	mk := newMaker(a.tx, m, a.templates)
	// Who asks for an address goes first, or it would be given to who does not.
	asked := slices.Clone(a.doc.VMs)
	slices.SortStableFunc(asked, func(x, y document.VM) int { return cmp.Compare(later(x), later(y)) })
	for _, want := range asked {
		have, err := a.have.VM(string(want.Name))
		if err == nil {
			if now, err := m.VM(string(want.Name)); err == nil {
				have.NICs = now.NICs // the zone's IPv6 prefix may be another by now
			}
			if err := a.changeVM(mk, want, have); err != nil {
				return a.doc.At(want.At, err)
			}
			continue
		}
		spec := VMSpec{Name: want.Name, Template: want.Template, Zone: want.Zone, Plan: want.Plan, Address: want.Address, Address6: want.Address6, Applied: true}
		if want.Tenant != nil {
			spec.Tenant = string(*want.Tenant)
		}
		if want.Admin != nil {
			spec.NoAdmin, spec.NeedAdmin = !*want.Admin, *want.Admin
		}
		if want.Limits != nil {
			spec.Limits = *want.Limits
		}
		if want.Allow != nil {
			spec.Allow = *want.Allow
		}
		if want.Tags != nil {
			spec.Tags = *want.Tags
		}
		if want.SSHKeys != nil {
			spec.SSHKeys = *want.SSHKeys
		}
		giveParts(&spec, want.VMParts)
		vm, err := mk.create(spec)
		if err != nil {
			return a.doc.At(want.At, err)
		}
		a.say("+ vm %s %s in zone %s", vm.Name, vm.NICs[0].Addr, vm.Zone)
		if want.State == ispctl.Stopped {
			vm.Wanted = ispctl.Stopped
			if err := a.tx.UpdateVM(vm); err != nil {
				return err
			}
		}
		if err := a.parts(mk, want, vm); err != nil {
			return a.doc.At(want.At, err)
		}
	}
	return nil
}

// later is 1 for a VM that takes the address it is given, and 0 for the others.
func later(vm document.VM) int {
	if vm.Address.IsValid() || vm.Address6.IsValid() {
		return 0
	}
	return 1
}

// changeVM changes a VM's plan, run state and keys, and its parts. What a VM was
// made with stays for its life: zone, template and addresses.
func (a *applier) changeVM(mk *maker, want document.VM, have ispctl.VM) error {
	name := string(want.Name)
	fixed := func(what string, is, asked any) error { return fixedOf(want.Name, what, is, asked) }
	onLeg := len(have.AdminNICs()) > 0
	switch {
	case have.Wanted == ispctl.Absent:
		return ispctl.Conflicting("vm", name, "is being destroyed; finish it: ispctl converge")
	case want.Zone != string(have.Zone):
		return fixed("zone", have.Zone, want.Zone)
	case want.Template != string(have.Template):
		return fixed("template", have.Template, want.Template)
	case want.Address.IsValid() && len(have.NICs) > 0 && want.Address != have.NICs[0].Addr:
		return fixed("address", have.NICs[0].Addr, want.Address)
	case want.Address6.IsValid() && len(have.NICs) > 0 && want.Address6 != have.NICs[0].Addr6:
		return fixed("address6", addrOrNone(have.NICs[0].Addr6), want.Address6)
	case want.Admin != nil && *want.Admin != onLeg:
		return fixed("admin", onLeg, *want.Admin)
	}
	next := have
	next.Wanted = cmp.Or(want.State, have.Wanted)
	if want.Limits != nil {
		next.Limits = *want.Limits
	}
	said := changes(giveVM(want, &have, &next), field{"state", have.Wanted, next.Wanted},
		field{"limits", limitsText(have.Limits), limitsText(next.Limits)})
	if want.SSHKeys != nil && !slices.Equal(*want.SSHKeys, have.SSHKeys) {
		said = strings.TrimSpace(said + " ssh_keys (at its next first boot)")
		if err := a.tx.SetKeys(have.ID, *want.SSHKeys); err != nil {
			return err
		}
	}
	if len(have.NICs) > 0 {
		nic := have.NICs[0]
		if want.Allow != nil {
			nic.Allow = *want.Allow
		}
		if want.Tags != nil {
			nic.Tags = *want.Tags
		}
		more, err := putNIC(a.tx, have, have.NICs[0], nic)
		if err != nil {
			return err
		}
		a.said = append(a.said, more...)
	}
	if said != "" {
		a.say("~ vm %s %s", name, said)
		if err := a.tx.UpdateVM(next); err != nil {
			return err
		}
	}
	return a.parts(mk, want, next)
}

// The prunes remove what an earlier apply made and the document has no more.

func (a *applier) pruneForwards() error {
	return pruneEach(a.have.Forwards, func(f ispctl.Forward) bool {
		return f.Applied && !slices.ContainsFunc(a.doc.Forwards, func(d document.Forward) bool { return d.Listen == f.Listen })
	}, func(f ispctl.Forward) error {
		a.say("- forward %s to %s", f.Outside(), f.To())
		return a.tx.DeleteForward(f.Listen)
	})
}

func (a *applier) pruneVMs() error {
	m, err := a.tx.Model()
	if err != nil {
		return err
	}
	return pruneEach(slices.Collect(m.Guests()), func(vm ispctl.VM) bool {
		return vm.Applied && !slices.ContainsFunc(a.doc.VMs, func(d document.VM) bool { return d.Name == vm.Name })
	}, func(vm ispctl.VM) error {
		said, err := destroy(a.tx, m, vm)
		a.said = append(a.said, said...)
		return err
	})
}

func (a *applier) prunePlans() error {
	return pruneEach(a.have.Plans, func(p ispctl.Plan) bool {
		return p.Applied && !slices.ContainsFunc(a.doc.Plans, func(d document.Plan) bool { return d.Name == p.Name })
	}, func(p ispctl.Plan) error {
		return a.drop("plan", string(p.Name), func(m *ispctl.Model) []ispctl.Name { return m.VMsOn(p.Name) }, func() error { return a.tx.DeletePlan(p.Name) })
	})
}

func (a *applier) prunePolicies() error {
	return pruneEach(a.have.Policies, func(p ispctl.Policy) bool {
		return p.Applied && !slices.ContainsFunc(a.doc.Policies, func(d document.Policy) bool { return d.Policy.Key() == p.Key() })
	}, func(p ispctl.Policy) error {
		a.say("- policy %s", p)
		return a.tx.DeletePolicy(p)
	})
}

func (a *applier) pruneZones() error {
	return pruneEach(a.have.Zones, func(z ispctl.Zone) bool {
		return z.Applied && !slices.ContainsFunc(a.doc.Zones, func(d document.Zone) bool { return d.Name == z.Name })
	}, func(z ispctl.Zone) error {
		return a.drop("zone", string(z.Name), func(m *ispctl.Model) []ispctl.Name { return m.VMsIn(z.Name) }, func() error { return a.tx.DeleteZone(z.Name) })
	})
}

// drop deletes what no VM is on any more.
func (a *applier) drop(kind, name string, users func(*ispctl.Model) []ispctl.Name, del func() error) error {
	m, err := a.tx.Model()
	if err != nil {
		return err
	}
	if holders := users(m); len(holders) > 0 {
		return inUse(kind, name, "vm", holders, "the VMs were not made by apply, or the document has them")
	}
	a.say("- %s %s", kind, name)
	return del()
}

func (a *applier) pruneAddresses() error {
	m, err := a.tx.Model()
	if err != nil {
		return err
	}
	return pruneEach(a.have.Addresses, func(have ispctl.Address) bool {
		return have.Applied && !slices.ContainsFunc(a.doc.Addresses, func(d document.Address) bool { return d.Addr == have.Addr })
	}, func(have ispctl.Address) error {
		have, err := m.Address(have.Addr) // as the VMs that went have left it
		if err != nil {
			return err
		}
		v := viewAddress(m, have, nil)
		if v.VM != "" {
			return inUse("address", v.Address, "vm", []ispctl.Name{v.VM}, "give it back first: ispctl address release "+v.Address)
		}
		if len(v.Zones) > 0 {
			return inUse("address", v.Address, "zone", v.Zones, "give those zones another snat")
		}
		if len(v.Forwards) > 0 {
			return inUse("address", v.Address, "forward", v.Forwards, "remove those forwards")
		}
		a.say("- address %s", have.Addr)
		return a.tx.DeleteAddress(have)
	})
}

func pruneEach[T any](all []T, gone func(T) bool, remove func(T) error) error {
	for _, one := range all {
		if gone(one) {
			if err := remove(one); err != nil {
				return err
			}
		}
	}
	return nil
}

// field is a value before and after.
type field struct {
	name       string
	have, want any
}

// changes lists the fields that differ, as `prefix A -> B`.
func changes(all ...field) string {
	var said []string
	for _, f := range all {
		if f.have != f.want {
			said = append(said, fmt.Sprintf("%s %v -> %v", f.name, f.have, f.want))
		}
	}
	return strings.Join(said, ", ")
}

func compareServices(x, y ispctl.Service) int {
	return cmp.Or(cmp.Compare(x.Proto, y.Proto), cmp.Compare(x.Port, y.Port))
}
