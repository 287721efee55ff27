package state

import (
	"errors"
	"slices"

	"ispctl"
)

// Rewind replaces the walls, the addresses and the plans by those of m, with
// the ids they have there, and brings what can change of its VMs to what m says
// of them. VMs that are not in m stay as they are.
func (t *Tx) Rewind(m *ispctl.Model) error {
	have, err := t.Model()
	if err != nil {
		return err
	}
	for _, step := range []func(have, m *ispctl.Model) error{
		t.dropWalls, t.rewindUplink, t.rewindZones, t.rewindPlans, t.rewindTenants, t.rewindVMs, t.dropTenants, t.rewindGateway, t.rewindWires, t.rewindForwards, t.rewindUsage,
		t.rewindVPN, t.rewindSharing,
	} {
		if err := step(have, m); err != nil {
			return err
		}
	}
	return nil
}

// dropWalls deletes all that nothing refers to and that has no memory of its
// own.
func (t *Tx) dropWalls(have, _ *ispctl.Model) error {
	var errs []error
	for _, f := range have.Forwards {
		errs = append(errs, t.DeleteForward(f.Listen))
	}
	for _, p := range have.Policies {
		errs = append(errs, t.DeletePolicy(p))
	}
	for _, f := range have.Flows {
		errs = append(errs, t.DeleteFlow(f))
	}
	for _, one := range have.Totals {
		errs = append(errs, t.DeleteTotal(one))
	}
	for _, a := range have.Addresses {
		errs = append(errs, t.DeleteAddress(a))
	}
	return errors.Join(errs...)
}

func (t *Tx) rewindUplink(_, m *ispctl.Model) error {
	if !m.Uplink.Configured() {
		return errors.Join(t.exec(`DELETE FROM uplink`), t.PutAdmin(m.Admin), t.SetDelivered(m.Delivers), t.SetHostServices(m.HostServices), t.SetHostSources(m.HostSources))
	}
	return errors.Join(t.PutUplink(m.Uplink), t.PutAdmin(m.Admin), t.SetDelivered(m.Delivers), t.SetHostServices(m.HostServices), t.SetHostSources(m.HostSources))
}

func (t *Tx) rewindZones(have, m *ispctl.Model) error {
	var errs []error
	for _, z := range have.Zones {
		if !slices.ContainsFunc(m.Zones, func(want ispctl.Zone) bool { return want.Name == z.Name }) {
			errs = append(errs, t.DeleteZone(z.Name))
		}
	}
	for _, z := range m.Zones {
		errs = append(errs, t.PutZone(z), t.exec(`UPDATE zone SET id = ? WHERE name = ?`, z.ID, z.Name))
	}
	for _, p := range m.Policies {
		errs = append(errs, t.PutPolicy(p))
	}
	return errors.Join(errs...)
}

func (t *Tx) rewindPlans(have, m *ispctl.Model) error {
	var errs []error
	for _, p := range have.Plans {
		if !slices.ContainsFunc(m.Plans, func(want ispctl.Plan) bool { return want.Name == p.Name }) {
			errs = append(errs, t.DeletePlan(p.Name))
		}
	}
	for _, p := range m.Plans {
		errs = append(errs, t.PutPlan(p))
	}
	return errors.Join(errs...)
}

// rewindTenants frees all keys first: one may have moved.
func (t *Tx) rewindTenants(_, m *ispctl.Model) error {
	errs := []error{t.exec(`DELETE FROM tenant_key`)}
	for _, one := range m.Tenants {
		errs = append(errs, t.PutTenant(one))
	}
	return errors.Join(errs...)
}

func (t *Tx) rewindGateway(_, m *ispctl.Model) error { return t.PutGateway(m.Gateway) }

// dropTenants deletes those that are not in m, unless they have got a VM since;
// these have their keys again.
func (t *Tx) dropTenants(have, m *ispctl.Model) error {
	now, err := t.Model()
	if err != nil {
		return err
	}
	errs := []error{}
	for _, one := range have.Tenants {
		switch _, err := m.Tenant(string(one.Name)); {
		case err == nil:
		case len(now.VMsOf(one.Name)) > 0:
			one.Keys = slices.DeleteFunc(slices.Clone(one.Keys), func(key string) bool {
				_, taken := m.TenantOfKey(ispctl.KeyFingerprint(key))
				return taken
			})
			errs = append(errs, t.PutTenant(one))
		default:
			errs = append(errs, t.DeleteTenant(one.Name))
		}
	}
	return errors.Join(errs...)
}

func (t *Tx) rewindVMs(have, m *ispctl.Model) error {
	var errs []error
	for _, vm := range m.VMs {
		if slices.ContainsFunc(have.VMs, func(h ispctl.VM) bool { return h.ID == vm.ID }) {
			errs = append(errs, t.UpdateVM(vm), t.SetKeys(vm.ID, vm.SSHKeys))
		}
	}
	return errors.Join(errs...)
}

// rewindWires gives the VMs that are there the NICs on the wire that they have
// in m, and no other.
func (t *Tx) rewindWires(have, m *ispctl.Model) error {
	var errs []error
	for _, vm := range have.VMs {
		i := slices.IndexFunc(m.VMs, func(was ispctl.VM) bool { return was.ID == vm.ID })
		if i < 0 {
			continue
		}
		for _, nic := range vm.NICs {
			if nic.Role == ispctl.WireNIC {
				errs = append(errs, t.DeleteNIC(vm.ID, nic.Index))
			}
		}
		for _, nic := range m.VMs[i].NICs {
			if nic.Role == ispctl.WireNIC {
				errs = append(errs, t.insertNIC(vm.ID, nic))
			}
		}
	}
	return errors.Join(errs...)
}

// rewindForwards comes last: a forward names an address and a VM.
func (t *Tx) rewindForwards(_, m *ispctl.Model) error {
	var errs []error
	for _, a := range m.Addresses {
		errs = append(errs, t.PutAddress(a))
	}
	for _, f := range m.Flows {
		errs = append(errs, t.PutFlow(f))
	}
	for _, one := range m.Totals {
		errs = append(errs, t.PutTotal(one))
	}
	for _, f := range m.Forwards {
		l := f.Listen
		errs = append(errs, t.PutForward(f),
			t.exec(`UPDATE forward SET id = ? WHERE addr = ? AND port = ? AND proto = ?`, f.ID, marshal(l.Addr), l.Port, l.Proto))
	}
	return errors.Join(errs...)
}

// rewindUsage leaves the quotas of VMs alone that m does not know.
func (t *Tx) rewindUsage(have, m *ispctl.Model) error {
	errs := []error{t.PutMetering(m.Metering)}
	for _, q := range have.Quotas {
		if _, err := m.VM(string(q.VM)); q.VM == "" || err == nil {
			errs = append(errs, t.DeleteQuota(q))
		}
	}
	for _, q := range m.Quotas {
		errs = append(errs, t.PutQuota(q))
	}
	for _, one := range have.Tariffs {
		errs = append(errs, t.DeleteTariff(one.Plan))
	}
	for _, one := range m.Tariffs {
		errs = append(errs, t.PutTariff(one))
	}
	return errors.Join(errs...)
}
