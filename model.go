package ispctl

import (
	"cmp"
	"iter"
	"net/netip"
	"slices"
	"sort"
	"strings"
)

// Model is one snapshot of intent. Whoever holds one may read it from several
// goroutines and must not change it. Every slice is sorted by name or address,
// so that what is derived from it comes in a stable order.
type Model struct {
	Installation Installation
	Paths        Paths
	Uplink       Uplink
	Admin        AdminNet
	VPN          VPN
	Sharing      Sharing
	HostServices []Service      // what the host itself answers on the uplink
	Delivers     []netip.Prefix // what the provider delivers to the uplink; none: not said
	HostSources  []netip.Prefix // who may ask; empty: everybody
	Addresses    []Address
	Zones        []Zone
	Plans        []Plan
	Images       []Image
	VMs          []VM // absent ones included, see [Model.Guests]
	Forwards     []Forward
	Policies     []Policy
	Flows        []Flow
	Totals       []Total
	Metering     Metering
	Quotas       []Quota
	Tariffs      []Tariff
	Tenants      []Tenant
	Gateway      Gateway    // of the tenants
	Throttles    []Throttle // what quotas that are used up have come to

	CutOff []string // VMs that are ended at once when they are to stop, and not asked to: for one command, and not kept
}

// Guests are the VMs that are to exist: all but the absent ones.
func (m *Model) Guests() iter.Seq[VM] {
	return func(yield func(VM) bool) {
		for _, vm := range m.VMs {
			if vm.Wanted != Absent && !yield(vm) {
				return
			}
		}
	}
}

// Zone finds a zone by name; the error lists the zones there are.
func (m *Model) Zone(name string) (Zone, error) {
	return find("zone", name, m.Zones, func(z *Zone) Name { return z.Name })
}

// Plan finds a plan by name.
func (m *Model) Plan(name string) (Plan, error) {
	return find("plan", name, m.Plans, func(p *Plan) Name { return p.Name })
}

// VM finds a VM by name, absent ones included.
func (m *Model) VM(name string) (VM, error) {
	return find("vm", name, m.VMs, func(v *VM) Name { return v.Name })
}

// Image finds the newest image of that name.
func (m *Model) Image(name string) (Image, error) {
	var newest Image
	for _, i := range m.Images {
		if string(i.Name) == name && (newest.Digest == "" || i.Built.After(newest.Built)) {
			newest = i
		}
	}
	if newest.Digest != "" {
		return newest, nil
	}
	_, err := find("image", name, m.Images, func(i *Image) Name { return i.Name })
	return Image{}, err
}

// ImageByDigest finds an image by what it contains.
func (m *Model) ImageByDigest(digest string) (Image, bool) {
	i := slices.IndexFunc(m.Images, func(i Image) bool { return i.Digest == digest })
	if i < 0 {
		return Image{}, false
	}
	return m.Images[i], true
}

// Address finds an external address.
func (m *Model) Address(addr netip.Addr) (Address, error) {
	if i := slices.IndexFunc(m.Addresses, func(a Address) bool { return a.Addr == addr }); i >= 0 {
		return m.Addresses[i], nil
	}
	return find("address", addr.String(), m.Addresses, func(a *Address) string { return a.Addr.String() })
}

// Forward finds a forward by its outside end.
func (m *Model) Forward(l Listen) (Forward, error) {
	if i := slices.IndexFunc(m.Forwards, func(f Forward) bool { return f.Listen == l }); i >= 0 {
		return m.Forwards[i], nil
	}
	return find("forward", l.String(), m.Forwards, func(f *Forward) string { return f.Outside() })
}

// find looks where the name is if all is sorted, as the Model promises, and
// then everywhere, for the sake of models made by hand.
func find[T any, N ~string](kind, name string, all []T, nameOf func(*T) N) (T, error) {
	i := sort.Search(len(all), func(i int) bool { return string(nameOf(&all[i])) >= name })
	if i < len(all) && string(nameOf(&all[i])) == name {
		return all[i], nil
	}
	have := make([]N, 0, len(all))
	for i := range all {
		n := nameOf(&all[i])
		if string(n) == name {
			return all[i], nil
		}
		if len(have) == 0 || have[len(have)-1] != n {
			have = append(have, n)
		}
	}
	var none T
	return none, NotFoundError(kind, name, have)
}

// Sort brings every slice into the order the Model promises.
func (m *Model) Sort() {
	slices.SortFunc(m.HostServices, func(a, b Service) int {
		return cmp.Or(cmp.Compare(a.Proto, b.Proto), cmp.Compare(a.Port, b.Port))
	})
	slices.SortFunc(m.Delivers, netip.Prefix.Compare)
	m.HostSources = SortHostSources(m.HostSources)
	slices.SortFunc(m.Addresses, func(a, b Address) int { return a.Addr.Compare(b.Addr) })
	slices.SortFunc(m.Zones, func(a, b Zone) int { return strings.Compare(string(a.Name), string(b.Name)) })
	slices.SortFunc(m.Plans, func(a, b Plan) int { return strings.Compare(string(a.Name), string(b.Name)) })
	slices.SortFunc(m.Images, func(a, b Image) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), a.Built.Compare(b.Built), cmp.Compare(a.Digest, b.Digest))
	})
	slices.SortFunc(m.VMs, func(a, b VM) int { return strings.Compare(string(a.Name), string(b.Name)) })
	slices.SortFunc(m.VPN.Peers, func(a, b Peer) int { return strings.Compare(string(a.Name), string(b.Name)) })
	slices.SortFunc(m.Policies, ComparePolicies)
	slices.SortFunc(m.Totals, func(a, b Total) int { return cmp.Compare(a.Of(), b.Of()) })
	slices.SortFunc(m.Flows, func(a, b Flow) int { return cmp.Or(cmp.Compare(a.VM, b.VM), cmp.Compare(a.Slot, b.Slot)) })
	slices.SortFunc(m.Quotas, func(a, b Quota) int {
		return cmp.Or(cmp.Compare(a.VM, b.VM), cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Plan, b.Plan))
	})
	slices.SortFunc(m.Tariffs, func(a, b Tariff) int { return cmp.Compare(a.Plan, b.Plan) })
	slices.SortFunc(m.Tenants, func(a, b Tenant) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(m.Throttles, func(a, b Throttle) int { return cmp.Compare(a.VM, b.VM) })
	slices.SortFunc(m.Forwards, func(a, b Forward) int {
		return cmp.Or(a.Listen.Addr.Compare(b.Listen.Addr), cmp.Compare(a.Listen.Port, b.Listen.Port), cmp.Compare(a.Listen.Proto, b.Listen.Proto))
	})
}

// LegBridge is the bridge of a zone's leg; empty where it has none.
func (m *Model) LegBridge(z Zone) string {
	if !z.Leg.IsValid() {
		return ""
	}
	return m.Installation.LegBridge(z.Name)
}

// VMsIn are the names of the VMs with a NIC in a zone; absent ones do not
// count.
func (m *Model) VMsIn(zone Name) []Name {
	return m.namesOf(func(vm VM) bool {
		return vm.Wanted != Absent && slices.ContainsFunc(vm.NICs, func(n NIC) bool { return n.Zone == zone })
	})
}

// VMsOn are the names of the VMs on a plan; absent ones do not count.
func (m *Model) VMsOn(plan Name) []Name {
	return m.namesOf(func(vm VM) bool { return vm.Plan == plan && vm.Wanted != Absent })
}

// VMsFrom are the names of the VMs made from an image, absent ones included:
// their disks may still be there.
func (m *Model) VMsFrom(digest string) []Name {
	return m.namesOf(func(vm VM) bool { return vm.Image == digest || vm.Rescue == digest })
}

func (m *Model) namesOf(match func(VM) bool) []Name {
	var names []Name
	for _, vm := range m.VMs {
		if match(vm) {
			names = append(names, vm.Name)
		}
	}
	return names
}

// ImagesCalled are the images with that name, or the one with that digest.
func (m *Model) ImagesCalled(name string) []Image {
	var some []Image
	for _, i := range m.Images {
		if string(i.Name) == name || i.Digest == name {
			some = append(some, i)
		}
	}
	return some
}
