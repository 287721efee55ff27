package ispctl

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Validate checks the model as a whole: each object by itself, then what
// objects claim of each other. It runs inside every transaction that changes
// intent, so that no command, document or later interface can commit a model
// that no layer could build.
func (m *Model) Validate() error {
	for _, check := range []func() error{
		m.Installation.Validate, m.validateAdmin, m.validateUplink, m.validateHostServices, m.validateHostSources, m.validateAddresses, m.validateZones,
		m.validatePlans, m.validateVMs, m.validateTenants, m.validateGateway, m.validateTrunks, m.validateForwards, m.validatePolicies,
		m.validateFlows, m.validateTotals, m.Sharing.Validate, m.validatePromises, m.validateUsage, m.validateVPN,
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (m *Model) validateUplink() error {
	if err := m.Uplink.Validate(); err != nil {
		return err
	}
	for _, z := range m.Zones {
		if m.Uplink.Interface == m.Installation.Bridge(z.Name) {
			return Invalid("uplink", m.Uplink.Interface, "is the bridge of zone %q", z.Name)
		}
	}
	return nil
}

func (m *Model) validateAdmin() error {
	if err := m.Admin.Validate(); err != nil {
		return err
	}
	for _, link := range m.Admin.Links {
		switch {
		case link == m.Uplink.Interface:
			return Invalid("admin link", link, "is the uplink: whoever is on the Internet would come in by it")
		case strings.HasPrefix(link, m.Installation.Prefix+"-"):
			return Invalid("admin link", link, "is named as the links of guests and zones are")
		}
	}
	if !m.Admin.Configured() {
		return nil
	}
	return m.clashes("admin network", m.Admin.Prefix.String(), m.Admin.Prefix)
}

func (m *Model) validateHostServices() error {
	for _, s := range m.HostServices {
		if _, err := ParseService(s.String()); err != nil {
			return err
		}
	}
	return nil
}

func (m *Model) validateAddresses() error {
	for _, p := range m.Delivers {
		if !p.IsValid() || p != p.Masked() {
			return Invalid("uplink", m.Uplink.Interface, "what it delivers, %s, has host bits set; did you mean %s?", p, p.Masked())
		}
	}
	seen := map[netip.Addr]bool{}
	macs := map[string]netip.Addr{}
	for _, a := range m.Addresses {
		if err := a.Validate(); err != nil {
			return err
		}
		if seen[a.Addr] {
			return Conflicting("address", a.Addr.String(), "is there already")
		}
		seen[a.Addr] = true
		if a.Addr == m.Uplink.Gateway || a.Addr == m.Uplink.Gateway6 {
			return Conflicting("address", a.Addr.String(), "is the uplink's gateway")
		}
		if err := m.validateAddress(a); err != nil {
			return err
		}
		if other, taken := macs[a.MAC]; taken && a.MAC != "" {
			return Conflicting("address", a.Addr.String(), "MAC %s is that of address %s", a.MAC, other)
		}
		macs[a.MAC] = a.Addr
	}
	return nil
}

// validateAddress holds an address to what the uplink can do, and to the VM it
// is for.
func (m *Model) validateAddress(a Address) error {
	name := a.Addr.String()
	if len(m.Delivers) > 0 && !slices.ContainsFunc(m.Delivers, func(p netip.Prefix) bool { return p.Contains(a.Addr) }) {
		return &Error{
			Kind: Conflict, Object: fmt.Sprintf("address %q", name), Cause: fmt.Sprintf("the uplink delivers %v and not this one", m.Delivers),
			Next: "if the provider routes it here, say so: ispctl init --delivers",
		}
	}
	kind := m.Uplink.Kind
	switch {
	case a.MAC != "" && kind != VMAC && kind != Bridged:
		return Conflicting("address", name, "a MAC of its own needs an uplink of kind %s or %s; this one is %s", VMAC, Bridged, kind)
	case a.MAC != "" && !a.Addr.Is4():
		return Conflicting("address", name, "a MAC of its own is for IPv4")
	case a.MAC != "" && kind == VMAC && !m.Uplink.Gateway.IsValid():
		return Conflicting("address", name, "a MAC of its own needs the uplink's gateway: ispctl init --gateway")
	case a.Mode == Wire && kind != Bridged:
		return Conflicting("address", name, "mode %s needs an uplink of kind %s; this one is %s", Wire, Bridged, kind)
	case a.Mode == Wire && a.MAC == "":
		return Conflicting("address", name, "mode %s needs the MAC that the provider issued for it: ispctl address set %s --mac MAC", Wire, name)
	case a.Mode != Wire && a.MAC != "" && kind == Bridged && a.Mode != Shared:
		return Conflicting("address", name, "with its own MAC it can be used in mode %s only", Wire)
	case a.Mode != Shared && a.Addr == m.Uplink.Address.Addr():
		return Conflicting("address", name, "is the host's own, and cannot be one VM's")
	case a.Mode == Shared:
		return nil
	}
	vm, err := m.VM(string(a.VM))
	if err != nil {
		return err
	}
	if vm.Wanted == Absent {
		return Conflicting("address", name, "vm %q is being destroyed", vm.Name)
	}
	if a.Mode == RoutedIn && a.Addr.Is6() && len(vm.ZoneNICs()) > 0 && !vm.ZoneNICs()[0].Addr6.IsValid() {
		return Conflicting("address", name, "vm %q has no IPv6: its zone needs a prefix for it", vm.Name)
	}
	if its := m.AddressesOf(a.VM, SourceNAT, OneToOne); len(its) > 1 {
		return Conflicting("address", its[1].Addr.String(), "vm %q goes out with %s already", a.VM, its[0].Addr)
	}
	for _, z := range m.Zones {
		if z.SNAT == a.Addr {
			return Conflicting("address", name, "zone %q goes out with it; give that zone another snat first", z.Name)
		}
	}
	if a.Mode == Wire && !slices.ContainsFunc(vm.NICs, func(n NIC) bool { return n.Role == WireNIC && n.Addr == a.Addr && n.MAC == a.MAC }) {
		return Conflicting("address", name, "vm %q has no NIC on the wire for it", vm.Name)
	}
	if a.Mode == SourceNAT {
		return nil
	}
	for _, f := range m.Forwards {
		if f.Listen.Addr == a.Addr {
			return Conflicting("address", name, "forward %s listens at it; remove that first, or use mode %s", f.Outside(), SourceNAT)
		}
	}
	return nil
}

func (m *Model) validateZones() error {
	owners := map[netip.Addr]bool{}
	for _, a := range m.Addresses {
		owners[a.Addr] = true
	}
	type vlan struct {
		trunk string
		id    int
	}
	vlans := map[vlan]Name{}
	for i, z := range m.Zones {
		name := string(z.Name)
		if _, err := ParseName("zone", name); err != nil {
			return err
		}
		if err := z.Validate(); err != nil {
			return err
		}
		if End(z.Name) == Internet || End(z.Name) == Host {
			return Invalid("zone", name, "the name stands for an end of policies that is no zone")
		}
		if bridge := m.Installation.Bridge(z.Name); len(bridge) > MaxInterfaceName {
			return Invalid("zone", name, "its bridge %s would have %d bytes; the kernel takes %d, so the zone's name %d",
				bridge, len(bridge), MaxInterfaceName, MaxInterfaceName-len(bridge)+len(name))
		}
		for _, other := range m.Zones[:i] {
			newer, older := z, other
			if z.ID < other.ID {
				newer, older = other, z
			}
			if err := newer.overlaps(older); err != nil {
				return err
			}
		}
		for _, p := range z.prefixes() {
			if err := m.clashes("zone", name, p); err != nil {
				return err
			}
		}
		if err := m.validateLeg(z); err != nil {
			return err
		}
		if z.SNAT.IsValid() && !owners[z.SNAT] {
			_, err := m.Address(z.SNAT)
			return err
		}
		if z.Egress && private(z.Prefix) && !m.SourceOf(z).IsValid() {
			return Invalid("zone", name, "egress from the private prefix %s needs an address to go out with: set snat", z.Prefix)
		}
		if other, taken := vlans[vlan{z.Trunk, z.VLAN}]; taken && z.VLAN != 0 {
			return Conflicting("zone", name, "vlan %d is zone %q's", z.VLAN, other)
		}
		vlans[vlan{z.Trunk, z.VLAN}] = z.Name
	}
	return nil
}

func (m *Model) validatePlans() error {
	for _, p := range m.Plans {
		if _, err := ParseName("plan", string(p.Name)); err != nil {
			return err
		}
		if err := p.Validate(); err != nil {
			return err
		}
	}
	return nil
}

func (m *Model) validateVMs() error {
	zones := byName(m.Zones, func(z Zone) Name { return z.Name })
	plans := byName(m.Plans, func(p Plan) Name { return p.Name })
	images := byName(m.Images, func(i Image) string { return i.Digest })
	type inZone struct {
		zone Name
		addr netip.Addr
	}
	holders := map[inZone]Name{}
	for _, vm := range m.VMs {
		if vm.Wanted == Absent {
			// It needs nothing any more, and still holds its addresses.
			for _, nic := range vm.NICs {
				for _, addr := range nic.addrs() {
					holders[inZone{nic.Zone, addr}] = vm.Name
				}
			}
		}
	}
	for vm := range m.Guests() {
		name := string(vm.Name)
		if _, err := ParseName("vm", name); err != nil {
			return err
		}
		plan, ok := plans[vm.Plan]
		if !ok {
			_, err := m.Plan(string(vm.Plan))
			return err
		}
		image, ok := images[vm.Image]
		if !ok {
			return Conflicting("vm", name, "its image %s is gone from the store", short(vm.Image))
		}
		if size := vm.PlanOf(plan).Disk; size < image.Size {
			return Conflicting("vm", name, "plan %q has a disk of %s; image %q needs %s", plan.Name, size, image.Name, image.Size)
		}
		if err := vm.validateDisks(plan); err != nil {
			return err
		}
		if err := m.validateRescue(vm); err != nil {
			return err
		}
		for _, nic := range vm.NICs {
			if nic.Role == WireNIC {
				if a, err := m.Address(nic.Addr); err != nil || a.Mode != Wire || a.VM != vm.Name || a.MAC != nic.MAC {
					return Conflicting("vm", name, "nic %d is on the wire with %s, which is not its own", nic.Index, nic.Addr)
				}
				continue
			}
			zone, ok := zones[nic.Zone]
			if !ok {
				_, err := m.Zone(string(nic.Zone))
				return err
			}
			if err := nic.validateAllow(vm.Name); err != nil {
				return err
			}
			for _, addr := range nic.addrs() {
				if err := zone.guestAddr(name, nic.Role, addr); err != nil {
					return err
				}
				at := inZone{nic.Zone, addr}
				if other, taken := holders[at]; taken {
					return Conflicting("vm", name, "address %s is vm %q's", addr, other)
				}
				holders[at] = vm.Name
			}
		}
	}
	return nil
}

// clashes holds a prefix of a zone, or the admin network, to be none of the
// uplink's.
func (m *Model) clashes(kind, name string, p netip.Prefix) error {
	u := m.Uplink
	for _, own := range []netip.Prefix{u.Address, u.Address6} {
		// A provider may route a part of the on-link IPv6 net to the host, which
		// then answers for the guests' addresses there.
		if own.IsValid() && (p.Overlaps(own.Masked()) && own.Addr().Is4() || p.Contains(own.Addr())) {
			return Conflicting(kind, name, "prefix %s overlaps %s of uplink %s", p, own.Masked(), u.Interface)
		}
	}
	for _, gateway := range []netip.Addr{u.Gateway, u.Gateway6} {
		if p.Contains(gateway) {
			return Conflicting(kind, name, "prefix %s holds the uplink's gateway %s", p, gateway)
		}
	}
	for _, a := range m.Addresses {
		if p.Contains(a.Addr) {
			return Conflicting(kind, name, "prefix %s holds the external address %s", p, a.Addr)
		}
	}
	return nil
}

// validateLeg holds a zone's leg to be a part of the admin network, and no zone
// to lie in it.
func (m *Model) validateLeg(z Zone) error {
	name := string(z.Name)
	if m.Admin.Configured() && m.Admin.Prefix.Overlaps(z.Prefix) {
		return Conflicting("zone", name, "prefix %s overlaps %s of the admin network", z.Prefix, m.Admin.Prefix)
	}
	if !z.Leg.IsValid() {
		return nil
	}
	if bridge := m.Installation.LegBridge(z.Name); len(bridge) > MaxInterfaceName {
		return Invalid("zone", name, "the bridge %s of its admin leg would have %d bytes; the kernel takes %d, so the zone's name %d",
			bridge, len(bridge), MaxInterfaceName, MaxInterfaceName-len(bridge)+len(name))
	}
	if a := m.Admin.Prefix; !m.Admin.Configured() || z.Leg != z.Leg.Masked() || !a.Overlaps(z.Leg) || a.Bits() > z.Leg.Bits() || z.Leg.Bits() > maxZoneBits {
		return Conflicting("zone", name, "its leg %s is no part of the admin network %s", z.Leg, a)
	}
	return nil
}

func byName[T any, K comparable](all []T, key func(T) K) map[K]T {
	m := make(map[K]T, len(all))
	for _, one := range all {
		m[key(one)] = one
	}
	return m
}

// short is the head of a digest, enough to tell it from others at a glance.
func short(digest string) string {
	if len(digest) > 12 {
		return digest[:12]
	}
	return digest
}
