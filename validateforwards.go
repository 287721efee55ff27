package ispctl

import (
	"cmp"
	"net/netip"
	"slices"
)

func (m *Model) validateForwards() error {
	if err := m.overlappingForwards(); err != nil {
		return err
	}
	for _, f := range m.Forwards {
		name := f.Outside()
		if _, _, err := ParseListenRange(name); err != nil {
			return err
		}
		if _, _, err := ParseForwardTarget(f.To()); err != nil {
			return err
		}
		if err := f.validateRange(); err != nil {
			return err
		}
		vm, err := m.VM(string(f.VM))
		if err != nil {
			return err
		}
		if f.Listen.Addr.Is6() {
			if err := f.validate6(vm); err != nil {
				return err
			}
		} else if _, err := m.Address(f.Listen.Addr); err != nil {
			return err
		}
		if vm.Wanted == Absent {
			return Conflicting("forward", name, "vm %q is being destroyed", vm.Name)
		}
		if vpn := (Forward{Listen: Listen{m.Uplink.Address.Addr(), m.VPN.Port, UDP}}); m.VPN.Configured() && f.Overlaps(vpn) {
			return Conflicting("forward", name, "would take port %d/udp away from the VPN", m.VPN.Port)
		}
		for _, service := range m.HostServices {
			if f.Overlaps(Forward{Listen: Listen{m.Uplink.Address.Addr(), service.Port, service.Proto}}) {
				return Conflicting("forward", name, "would take service %s away from the host itself", service)
			}
		}
	}
	return nil
}

// overlappingForwards finds two that would carry one port. Of forwards in the
// order of their ports, only the one that reaches farthest can overlap the next.
func (m *Model) overlappingForwards() error {
	type at struct {
		addr  netip.Addr
		proto Protocol
	}
	farthest := map[at]Forward{}
	sorted := slices.Clone(m.Forwards)
	slices.SortStableFunc(sorted, func(a, b Forward) int { return cmp.Compare(a.Listen.Port, b.Listen.Port) })
	for _, f := range sorted {
		where := at{f.Listen.Addr, f.Listen.Proto}
		before, there := farthest[where]
		switch {
		case there && f.Listen == before.Listen:
			return Conflicting("forward", f.Outside(), "is carried to %s already", before.To())
		case there && f.Overlaps(before):
			newer, older := f, before
			if before.ID > f.ID {
				newer, older = before, f
			}
			return Conflicting("forward", newer.Outside(), "overlaps %s, which is carried to %s", older.Outside(), older.To())
		}
		if f.End() >= before.End() {
			farthest[where] = f
		}
	}
	return nil
}
