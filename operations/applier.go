package operations

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"ispctl"
	"ispctl/operations/document"
	"ispctl/state"
	"ispctl/templates"
	"ispctl/vpn/keys"
)

// applier brings intent to a document within one transaction, and says what it
// changed: + made, ~ changed, - removed.
type applier struct {
	tx        *state.Tx
	doc       *document.Document
	templates templates.Set
	prune     bool
	keys      *keys.Store // of the VPN

	have *ispctl.Model // before
	said []string
}

// run goes through the document so that what is referred to comes first: made
// in this order, removed in the reverse.
func (a *applier) run() error {
	var err error
	if a.have, err = a.tx.Model(); err != nil {
		return err
	}
	if err := a.dangling(); err != nil {
		return err
	}
	steps := []func() error{a.uplink, a.hostServices, a.sharing, a.addresses, a.zones, a.admin, a.plans, a.tenants, a.vpn, a.gateway, a.vms, a.assignments, a.forwards, a.policies, a.flows, a.totals, a.metering, a.quotas, a.tariffs}
	if a.prune {
		// A forward in the way of another's VM goes first of all.
		steps = append([]func() error{a.pruneForwards, a.pruneFlows, a.pruneTotals, a.pruneUsage, a.prunePeers}, steps...)
		steps = append(steps, a.pruneVMs, a.pruneTenants, a.prunePlans, a.prunePolicies, a.pruneZones, a.pruneAddresses)
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (a *applier) say(format string, args ...any) {
	a.said = append(a.said, fmt.Sprintf(format, args...))
}

// dangling finds names that neither the document nor the database has.
func (a *applier) dangling() error {
	d, m := a.doc, a.have
	var errs []error
	check := func(at document.At, err error) {
		if err != nil {
			errs = append(errs, d.Error(at, err))
		}
	}
	addresses := names(d.Addresses, func(x document.Address) string { return x.Addr.String() }, m.Addresses, func(x ispctl.Address) string { return x.Addr.String() })
	zones := names(d.Zones, func(x document.Zone) string { return string(x.Name) }, m.Zones, func(x ispctl.Zone) string { return string(x.Name) })
	plans := names(d.Plans, func(x document.Plan) string { return string(x.Name) }, m.Plans, func(x ispctl.Plan) string { return string(x.Name) })
	tenants := names(d.Tenants, func(x document.Tenant) string { return string(x.Name) }, m.Tenants, func(x ispctl.Tenant) string { return string(x.Name) })
	// What is about to be pruned is nothing a forward can lead to.
	guests := slices.DeleteFunc(slices.Collect(m.Guests()), func(x ispctl.VM) bool { return a.prune && x.Applied })
	vms := names(d.VMs, func(x document.VM) string { return string(x.Name) }, guests, func(x ispctl.VM) string { return string(x.Name) })
	a.danglingPeers(check, tenants)
	for _, z := range d.Zones {
		if z.SNAT.IsValid() {
			check(z.SNATAt, known("address", z.SNAT.String(), addresses))
		}
	}
	for _, vm := range d.VMs {
		_, err := a.templates.Get(vm.Template)
		check(vm.TemplateAt, err)
		check(vm.ZoneAt, known("zone", vm.Zone, zones))
		check(vm.PlanAt, known("plan", vm.Plan, plans))
		for _, nic := range vm.NICs {
			check(nic.ZoneAt, known("zone", string(nic.Zone), zones))
		}
		if vm.Tenant != nil && *vm.Tenant != "" {
			check(vm.TenantAt, known("tenant", string(*vm.Tenant), tenants))
		}
	}
	a.danglingUsage(check, vms, tenants, plans)
	for _, f := range d.Flows {
		check(f.VMAt, known("vm", string(f.VM), vms))
	}
	for _, one := range d.Totals {
		have := zones
		if one.Kind == ispctl.TenantTotal {
			have = tenants
		}
		check(one.NameAt, known(string(one.Kind), string(one.Name), have))
	}
	for _, one := range d.Addresses {
		if one.VM != "" {
			check(one.VMAt, known("vm", string(one.VM), vms))
		}
	}
	for _, f := range d.Forwards {
		if f.Listen.Addr.Is4() { // IPv6 is opened at the VM's own address
			check(f.ListenAt, known("address", f.Listen.Addr.String(), addresses))
		}
		check(f.ToAt, known("vm", string(f.VM), vms))
	}
	ends := append(zones, string(ispctl.Host), string(ispctl.Internet))
	for _, p := range d.Policies {
		check(p.FromAt, known("zone", string(p.From), ends))
		check(p.ToAt, known("zone", string(p.To), ends))
	}
	return errors.Join(errs...)
}

// names are those in the document and those in the database, sorted.
func names[D, M any](doc []D, docName func(D) string, have []M, haveName func(M) string) []string {
	var all []string
	for _, one := range doc {
		all = append(all, docName(one))
	}
	for _, one := range have {
		all = append(all, haveName(one))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func known(kind, name string, have []string) error {
	if slices.Contains(have, name) {
		return nil
	}
	return ispctl.NotFoundError(kind, name, have)
}

func (a *applier) uplink() error {
	want := a.doc.Uplink
	if want == nil {
		return nil
	}
	u := *want
	if !u.Address.IsValid() && u.Interface == a.have.Uplink.Interface {
		u.Address = a.have.Uplink.Address // a fact about the host; init was told it
	}
	if !u.Gateway.IsValid() && u.Interface == a.have.Uplink.Interface {
		u.Gateway = a.have.Uplink.Gateway
	}
	if !u.Address6.IsValid() && u.Interface == a.have.Uplink.Interface {
		u.Address6 = a.have.Uplink.Address6
	}
	if !u.Gateway6.IsValid() && u.Interface == a.have.Uplink.Interface {
		u.Gateway6 = a.have.Uplink.Gateway6
	}
	u = keepHooks(keepRates(u, a.have.Uplink), a.have.Uplink)
	if d := a.doc.Delivers; d != nil && !slices.Equal(*d, a.have.Delivers) {
		a.say("~ uplink %s delivers %v", u.Interface, *d)
		if err := a.tx.SetDelivered(*d); err != nil {
			return err
		}
	}
	if u == a.have.Uplink {
		return nil
	}
	if a.have.Uplink.Configured() && u.Interface == a.have.Uplink.Interface {
		if said := changes(field{"down", a.have.Uplink.Down, u.Down}, field{"up", a.have.Uplink.Up, u.Up}); said != "" {
			a.say("~ uplink %s %s", u.Interface, said)
			return a.tx.PutUplink(u)
		}
	}
	sign := "~"
	if !a.have.Uplink.Configured() {
		sign = "+"
	}
	a.say("%s uplink %s %s", sign, u.Interface, u.Kind)
	return a.tx.PutUplink(u)
}

func (a *applier) hostServices() error {
	if err := a.hostSources(); err != nil || a.doc.HostServices == nil {
		return err
	}
	want := slices.Clone(*a.doc.HostServices)
	slices.SortFunc(want, compareServices)
	want = slices.Compact(want)
	if slices.Equal(want, a.have.HostServices) {
		return nil
	}
	a.say("~ host services %v", want)
	return a.tx.SetHostServices(want)
}

func (a *applier) hostSources() error {
	if a.doc.HostSources == nil {
		return nil
	}
	want := ispctl.SortHostSources(*a.doc.HostSources)
	if slices.Equal(want, a.have.HostSources) {
		return nil
	}
	a.say("~ host sources %v", want)
	return a.tx.SetHostSources(want)
}

func (a *applier) addresses() error {
	for _, want := range a.doc.Addresses {
		have, err := a.have.Address(want.Addr)
		if err != nil {
			a.say("+ address %s", want.Addr)
			have = ispctl.Address{Addr: want.Addr, MAC: want.MAC, Applied: true}
			if err := a.tx.PutAddress(have); err != nil {
				return err
			}
		}
		if want.Listed && have.Mode != want.Mode && have.Mode != ispctl.Shared && (want.VM != have.VM || want.MAC != have.MAC) {
			// Before anybody else gets it, and before its MAC changes.
			said, err := release(a.tx, a.have, have)
			if err != nil {
				return a.doc.At(want.At, err)
			}
			a.said = append(a.said, said...)
			have.Mode, have.VM = ispctl.Shared, ""
		}
		if want.Listed {
			said, err := setMAC(a.tx, have, want.MAC)
			if err != nil {
				return a.doc.At(want.At, err)
			}
			a.said = append(a.said, said...)
		}
	}
	return nil
}

// assignments gives addresses to the VMs that the document gives them to, once
// those are there.
func (a *applier) assignments() error {
	m, err := a.tx.Model()
	if err != nil {
		return err
	}
	for _, want := range a.doc.Addresses {
		if want.Mode == ispctl.Shared {
			continue
		}
		have, err := m.Address(want.Addr)
		if err != nil {
			return err
		}
		vm, err := m.VM(string(want.VM))
		if err != nil {
			return a.doc.At(want.VMAt, err)
		}
		said, err := assign(a.tx, have, vm, want.Mode, false)
		if err != nil {
			return a.doc.At(want.At, err)
		}
		a.said = append(a.said, said...)
	}
	return nil
}

func (a *applier) zones() error {
	for _, one := range a.doc.Zones {
		want := one.Zone
		have, err := a.have.Zone(string(want.Name))
		want.ID, want.Applied, want.Leg = have.ID, err != nil || have.Applied, have.Leg
		switch {
		case err != nil:
			a.say("+ zone %s %s", want.Name, want.Prefix)
		case want == have:
			continue
		default:
			a.say("~ zone %s %s", want.Name, zoneChanges(have, want))
		}
		if err := a.tx.PutZone(want); err != nil {
			return err
		}
		if have.ID != 0 && want.Prefix6 != have.Prefix6 {
			said, err := renumber6(a.tx, a.have, want, a.asked6(want.Name))
			a.said = append(a.said, said...)
			if err != nil {
				return a.doc.At(one.At, err)
			}
		}
	}
	return nil
}

// admin comes after the zones, each of which it gives a leg.
func (a *applier) admin() error {
	var spec AdminSpec
	if want := a.doc.Admin; want != nil {
		spec = AdminSpec{Prefix: want.Prefix, Links: want.Links, Services: want.Services}
	}
	said, err := putAdmin(a.tx, spec)
	a.said = append(a.said, said...)
	if err != nil && a.doc.Admin != nil {
		return a.doc.At(a.doc.Admin.At, err)
	}
	return err
}

// asked6 are the IPv6 addresses that the document gives guests of a zone.
func (a *applier) asked6(zone ispctl.Name) map[ispctl.Name]netip.Addr {
	asked := map[ispctl.Name]netip.Addr{}
	for _, vm := range a.doc.VMs {
		if vm.Zone == string(zone) && vm.Address6.IsValid() {
			asked[vm.Name] = vm.Address6
		}
	}
	return asked
}

func (a *applier) plans() error {
	for _, one := range a.doc.Plans {
		want := one.Plan
		have, err := a.have.Plan(string(want.Name))
		want.Applied = err != nil || have.Applied
		switch {
		case err != nil:
			a.say("+ plan %s", planText(want))
		case want == have:
			continue
		default:
			a.say("~ plan %s %s", want.Name, changes(
				field{"cpus", have.CPUs, want.CPUs}, field{"memory", have.Memory, want.Memory}, field{"disk", have.Disk, want.Disk},
				field{"limits", limitsText(have.Limits), limitsText(want.Limits)}))
			for _, line := range needRestart(a.have, have, want) {
				a.say("%s", line)
			}
		}
		if err := a.tx.PutPlan(want); err != nil {
			return err
		}
	}
	return nil
}

func (a *applier) forwards() error {
	for _, one := range a.doc.Forwards {
		want := one.Forward
		have, err := a.have.Forward(want.Listen)
		want.ID, want.Applied = have.ID, err != nil || have.Applied
		switch {
		case err != nil:
			a.say("+ forward %s to %s", want.Outside(), want.To())
		case want == have:
			continue
		default:
			a.say("~ forward %s %s", want.Listen, changes(field{"to", have.To(), want.To()}, field{"last port", have.End(), want.End()}))
		}
		if err := a.tx.PutForward(want); err != nil {
			return err
		}
	}
	return nil
}

func (a *applier) policies() error {
	for _, one := range a.doc.Policies {
		want := one.Policy
		have, there := findPolicy(a.have, want)
		want.Applied = !there || have.Applied
		if there && want == have {
			continue
		}
		a.say("+ policy %s", want)
		if err := a.tx.PutPolicy(want); err != nil {
			return err
		}
	}
	return nil
}

func addrOrNone(a netip.Addr) string {
	if !a.IsValid() {
		return "none"
	}
	return a.String()
}
