package operations

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"ispctl"
	"ispctl/state"
)

// AssignAddress gives a VM an external address to itself. One that rests goes
// to whoever had it last, and to nobody else unless now.
func (p *Provider) AssignAddress(ctx context.Context, addr netip.Addr, vm string, mode ispctl.AddressMode, now bool, o Options) (Result, error) {
	entry := state.Entry{Operation: "address assign", Object: "address " + addr.String(), Detail: fmt.Sprintf("to vm %s as %s", vm, mode)}
	return p.changeWalls(ctx, o, entry, func(tx *state.Tx) ([]string, error) {
		m, err := tx.Model()
		if err != nil {
			return nil, err
		}
		a, err := m.Address(addr)
		if err != nil {
			return nil, err
		}
		to, err := m.VM(vm)
		if err != nil {
			return nil, err
		}
		return assign(tx, a, to, mode, now)
	})
}

// assign gives an address to a VM, and says so.
func assign(tx *state.Tx, a ispctl.Address, vm ispctl.VM, mode ispctl.AddressMode, now bool) ([]string, error) {
	name := a.Addr.String()
	switch {
	case vm.Wanted == ispctl.Absent:
		return nil, ispctl.Conflicting("vm", string(vm.Name), "is being destroyed")
	case a.Mode == mode && a.VM == vm.Name:
		return nil, nil
	case a.Mode != ispctl.Shared && a.VM != vm.Name:
		return nil, &ispctl.Error{
			Kind: ispctl.Conflict, Object: fmt.Sprintf("address %q", name), Cause: fmt.Sprintf("is vm %q's", a.VM),
			Next: "give it back first: ispctl address release " + name,
		}
	}
	rest, rests, err := tx.Rest(a.Addr)
	if err != nil {
		return nil, err
	}
	if rests && rest.VM != vm.Name && !now {
		return nil, &ispctl.Error{
			Kind: ispctl.Conflict, Object: fmt.Sprintf("address %q", name),
			Cause: fmt.Sprintf("was vm %q's and rests until %s", rest.VM, rest.Until.Format(time.RFC3339)),
			Next:  "wait, or give it away all the same: --now",
		}
	}
	if err := tx.DeleteRest(a.Addr); err != nil {
		return nil, err
	}
	if a.Mode == ispctl.Wire {
		if err := unwire(tx, a); err != nil {
			return nil, err
		}
	}
	a.Mode, a.VM = mode, vm.Name
	if mode == ispctl.Wire {
		if _, err := tx.AddNIC(vm, ispctl.NIC{Role: ispctl.WireNIC, MAC: a.MAC, Addr: a.Addr}); err != nil {
			return nil, err
		}
	}
	return []string{fmt.Sprintf("~ address %s %s vm %s", name, mode, vm.Name)}, tx.PutAddress(a)
}

// ReleaseAddress takes an address back from the VM that has it to itself. It
// rests then.
func (p *Provider) ReleaseAddress(ctx context.Context, addr netip.Addr, o Options) (Result, error) {
	return p.changeWalls(ctx, o, state.Entry{Operation: "address release", Object: "address " + addr.String()}, func(tx *state.Tx) ([]string, error) {
		m, err := tx.Model()
		if err != nil {
			return nil, err
		}
		a, err := m.Address(addr)
		if err != nil || a.Mode == ispctl.Shared {
			return nil, err
		}
		return release(tx, m, a)
	})
}

// release takes an address back, and says so.
func release(tx *state.Tx, m *ispctl.Model, a ispctl.Address) ([]string, error) {
	if a.Mode == ispctl.Wire {
		if err := unwire(tx, a); err != nil {
			return nil, err
		}
	}
	until := tx.Now.Add(m.Uplink.AddressRest())
	said := fmt.Sprintf("~ address %s released by vm %s, rests until %s", a.Addr, a.VM, until.Format(time.RFC3339))
	if err := tx.PutRest(ispctl.Rest{Addr: a.Addr, VM: a.VM, Until: until}); err != nil {
		return nil, err
	}
	a.Mode, a.VM = ispctl.Shared, ""
	return []string{said}, tx.PutAddress(a)
}

// unwire takes the NIC of an address away.
func unwire(tx *state.Tx, a ispctl.Address) error {
	m, err := tx.Model()
	if err != nil {
		return err
	}
	vm, err := m.VM(string(a.VM))
	if err != nil {
		return err
	}
	for _, nic := range vm.NICs {
		if nic.Role == ispctl.WireNIC && nic.Addr == a.Addr {
			return tx.DeleteNIC(vm.ID, nic.Index)
		}
	}
	return nil
}

// SetAddressMAC says which MAC the provider issued for an address; empty: the
// host's own.
func (p *Provider) SetAddressMAC(ctx context.Context, addr netip.Addr, mac string, o Options) (Result, error) {
	return p.changeWalls(ctx, o, state.Entry{Operation: "address set", Object: "address " + addr.String(), Detail: "mac " + mac}, func(tx *state.Tx) ([]string, error) {
		m, err := tx.Model()
		if err != nil {
			return nil, err
		}
		a, err := m.Address(addr)
		if err != nil {
			return nil, err
		}
		return setMAC(tx, a, mac)
	})
}

func setMAC(tx *state.Tx, a ispctl.Address, mac string) ([]string, error) {
	if a.MAC == mac {
		return nil, nil
	}
	if a.Mode == ispctl.Wire {
		return nil, &ispctl.Error{
			Kind: ispctl.Conflict, Object: fmt.Sprintf("address %q", a.Addr), Cause: fmt.Sprintf("its MAC is that of a NIC of vm %q", a.VM),
			Next: "give it back first: ispctl address release " + a.Addr.String(),
		}
	}
	said := fmt.Sprintf("~ address %s %s", a.Addr, changes(field{"mac", orNone(a.MAC), orNone(mac)}))
	a.MAC = mac
	return []string{said}, tx.PutAddress(a)
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
