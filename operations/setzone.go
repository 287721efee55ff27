package operations

import (
	"cmp"
	"context"
	"net/netip"

	"ispctl"
	"ispctl/state"
	"ispctl/zones"
)

// ZoneChange is what is to become of a zone; what is nil stays.
type ZoneChange struct {
	Prefix6          *netip.Prefix // invalid: none
	SNAT             *netip.Addr   // invalid: none
	Egress, Isolated *bool
	KSM              *bool
	Trunk            *string // empty: none
	VLAN             *int
	MTU              *int
	DHCP, DNS        *bool
	Flows            *bool
}

func (c ZoneChange) apply(z ispctl.Zone) ispctl.Zone {
	set(&z.Prefix6, c.Prefix6)
	set(&z.SNAT, c.SNAT)
	set(&z.Trunk, c.Trunk)
	set(&z.VLAN, c.VLAN)
	set(&z.Egress, c.Egress)
	set(&z.Isolated, c.Isolated)
	set(&z.KSM, c.KSM)
	set(&z.MTU, c.MTU)
	set(&z.DHCP, c.DHCP)
	set(&z.DNS, c.DNS)
	set(&z.Flows, c.Flows)
	return z
}

func set[T any](field, value *T) {
	if value != nil {
		*field = *value
	}
}

// zoneChanges says what sets two zones apart.
func zoneChanges(have, want ispctl.Zone) string {
	return changes(
		field{"prefix", have.Prefix, want.Prefix}, field{"prefix6", cmp.Or(prefixText(have.Prefix6), "none"), cmp.Or(prefixText(want.Prefix6), "none")},
		field{"trunk", cmp.Or(have.Trunk, "none"), cmp.Or(want.Trunk, "none")}, field{"vlan", have.VLAN, want.VLAN},
		field{"snat", addrOrNone(have.SNAT), addrOrNone(want.SNAT)}, field{"egress", have.Egress, want.Egress},
		field{"ksm", have.KSM, want.KSM}, field{"isolated", have.Isolated, want.Isolated}, field{"mtu", have.MTU, want.MTU},
		field{"dhcp", have.DHCP, want.DHCP}, field{"dns", have.DNS, want.DNS}, field{"flows", have.Flows, want.Flows})
}

// SetZone changes a zone. Guests that are there get addresses of an IPv6 prefix
// that is new, and lose those of one that goes.
func (p *Provider) SetZone(ctx context.Context, name string, c ZoneChange, o Options) (Result, error) {
	return p.changeWalls(ctx, o, state.Entry{Operation: "zone set", Object: "zone " + name},
		func(tx *state.Tx) ([]string, error) {
			m, err := tx.Model()
			if err != nil {
				return nil, err
			}
			have, err := m.Zone(name)
			if err != nil {
				return nil, err
			}
			want := c.apply(have)
			if want == have {
				return nil, nil
			}
			if err := tx.PutZone(want); err != nil {
				return nil, err
			}
			said, err := renumber6(tx, m, want, nil)
			return append([]string{"~ zone " + name + " " + zoneChanges(have, want)}, said...), err
		})
}

// renumber6 gives the guests of a zone addresses of its IPv6 prefix, where
// theirs are of another or where they have none: those asked for, by name, and
// otherwise the lowest that are free. The model is the one before.
func renumber6(tx *state.Tx, m *ispctl.Model, z ispctl.Zone, asked map[ispctl.Name]netip.Addr) ([]string, error) {
	type place struct {
		vm  ispctl.VM
		nic ispctl.NIC
	}
	var places []place
	for _, vm := range m.VMs {
		for _, nic := range vm.ZoneNICs() {
			if nic.Zone != z.Name || z.Prefix6.IsValid() && z.Prefix6.Contains(nic.Addr6) || !z.Prefix6.IsValid() && !nic.Addr6.IsValid() {
				continue
			}
			places = append(places, place{vm, nic})
			if err := tx.SetAddr6(vm.ID, nic.Index, netip.Addr{}); err != nil {
				return nil, err
			}
		}
	}
	var said []string
	tell := func(p place, addr netip.Addr) error {
		if p.vm.Wanted != ispctl.Absent {
			said = append(said, "~ vm "+string(p.vm.Name)+" "+changes(field{"address6", addrOrNone(p.nic.Addr6), addrOrNone(addr)}))
		}
		return tx.SetAddr6(p.vm.ID, p.nic.Index, addr)
	}
	free := zones.NewAllocator6(m, z)
	for _, wish := range []bool{true, false} { // who asks goes first
		for _, p := range places {
			addr, wishes := asked[p.vm.Name]
			if wishes != wish {
				continue
			}
			var err error
			switch {
			case !z.Prefix6.IsValid() || p.vm.Wanted == ispctl.Absent:
				addr = netip.Addr{}
			case wishes:
				err = free.Take(p.vm.Name, addr)
			default:
				addr, err = free.Next(p.vm.Name)
			}
			if err != nil {
				return nil, err
			}
			if err := tell(p, addr); err != nil {
				return nil, err
			}
		}
	}
	return said, nil
}
