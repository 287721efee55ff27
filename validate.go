package ispctl

import (
	"net/netip"
	"slices"
)

// Validate checks the model as a whole: each object by itself, then what
// objects claim of each other. It runs inside every transaction that changes
// intent, so that no command, document or later interface can commit a model
// that no layer could build.
func (m *Model) Validate() error {
	for _, check := range []func() error{
		m.Installation.Validate, m.validateUplink, m.validateHostServices, m.validateAddresses, m.validateZones,
		m.validatePlans, m.validateVMs, m.validateForwards, m.validatePolicies,
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

func (m *Model) validateHostServices() error {
	for _, s := range m.HostServices {
		if _, err := ParseService(s.String()); err != nil {
			return err
		}
	}
	return nil
}

func (m *Model) validateAddresses() error {
	seen := map[netip.Addr]bool{}
	for _, a := range m.Addresses {
		if err := a.Validate(); err != nil {
			return err
		}
		if seen[a.Addr] {
			return Conflicting("address", a.Addr.String(), "is there already")
		}
		seen[a.Addr] = true
		if a.Addr == m.Uplink.Gateway {
			return Conflicting("address", a.Addr.String(), "is the uplink's gateway")
		}
	}
	return nil
}

func (m *Model) validateZones() error {
	owners := map[netip.Addr]bool{}
	for _, a := range m.Addresses {
		owners[a.Addr] = true
	}
	vlans := map[int]Name{}
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
			if z.Prefix.Overlaps(other.Prefix) {
				newer, older := z, other
				if z.ID < other.ID {
					newer, older = other, z
				}
				return Conflicting("zone", string(newer.Name), "prefix %s overlaps %s of zone %q", newer.Prefix, older.Prefix, older.Name)
			}
		}
		if u := m.Uplink; u.Address.IsValid() && z.Prefix.Overlaps(u.Address.Masked()) {
			return Conflicting("zone", name, "prefix %s overlaps %s of uplink %s", z.Prefix, u.Address.Masked(), u.Interface)
		}
		if u := m.Uplink; u.Gateway.IsValid() && z.Prefix.Contains(u.Gateway) {
			return Conflicting("zone", name, "prefix %s holds the uplink's gateway %s", z.Prefix, u.Gateway)
		}
		for _, a := range m.Addresses {
			if z.Prefix.Contains(a.Addr) {
				return Conflicting("zone", name, "prefix %s holds the external address %s", z.Prefix, a.Addr)
			}
		}
		if z.SNAT.IsValid() && !owners[z.SNAT] {
			_, err := m.Address(z.SNAT)
			return err
		}
		if z.Egress && private(z.Prefix) && !m.SourceOf(z).IsValid() {
			return Invalid("zone", name, "egress from the private prefix %s needs an address to go out with: set snat", z.Prefix)
		}
		if other, taken := vlans[z.VLAN]; taken && z.VLAN != 0 {
			return Conflicting("zone", name, "vlan %d is zone %q's", z.VLAN, other)
		}
		vlans[z.VLAN] = z.Name
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
				holders[inZone{nic.Zone, nic.Addr}] = vm.Name
			}
		}
	}
	for _, vm := range m.Guests() {
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
		if plan.Disk < image.Size {
			return Conflicting("vm", name, "plan %q has a disk of %s; image %q needs %s", plan.Name, plan.Disk, image.Name, image.Size)
		}
		for _, nic := range vm.NICs {
			zone, ok := zones[nic.Zone]
			if !ok {
				_, err := m.Zone(string(nic.Zone))
				return err
			}
			if !zone.Prefix.Contains(nic.Addr) || nic.Addr == zone.Prefix.Addr() || nic.Addr == lastAddr(zone.Prefix) {
				return Conflicting("vm", name, "address %s is no guest's in %s of zone %q", nic.Addr, zone.Prefix, zone.Name)
			}
			if nic.Addr == zone.Gateway() {
				return Conflicting("vm", name, "address %s is the gateway of zone %q", nic.Addr, zone.Name)
			}
			at := inZone{nic.Zone, nic.Addr}
			if other, taken := holders[at]; taken {
				return Conflicting("vm", name, "address %s is vm %q's", nic.Addr, other)
			}
			holders[at] = vm.Name
		}
	}
	return nil
}

func (m *Model) validateForwards() error {
	seen := map[Listen]Forward{}
	for _, f := range m.Forwards {
		name := f.Listen.String()
		if _, err := ParseListen(name); err != nil {
			return err
		}
		if _, _, err := ParseForwardTarget(f.To()); err != nil {
			return err
		}
		if other, taken := seen[f.Listen]; taken {
			return Conflicting("forward", name, "is carried to %s already", other.To())
		}
		seen[f.Listen] = f
		if _, err := m.Address(f.Listen.Addr); err != nil {
			return err
		}
		vm, err := m.VM(string(f.VM))
		if err != nil {
			return err
		}
		if vm.Wanted == Absent {
			return Conflicting("forward", name, "vm %q is being destroyed", vm.Name)
		}
		service := Service{Port: f.Listen.Port, Proto: f.Listen.Proto}
		if f.Listen.Addr == m.Uplink.Address.Addr() && slices.Contains(m.HostServices, service) {
			return Conflicting("forward", name, "would take service %s away from the host itself", service)
		}
	}
	return nil
}

// lastAddr is the broadcast address of an IPv4 prefix.
func lastAddr(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().As4()
	for bit := p.Bits(); bit < 32; bit++ {
		b[bit/8] |= 0x80 >> (bit % 8)
	}
	return netip.AddrFrom4(b)
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
