package operations

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"ispctl"
	"ispctl/state"
)

// keepRates keeps what is known of the uplink's rates, where they are not
// mentioned: they are facts about the host, not wishes.
func keepRates(u, have ispctl.Uplink) ispctl.Uplink {
	if u.Interface == have.Interface {
		u.Down, u.Up = cmp.Or(u.Down, have.Down), cmp.Or(u.Up, have.Up)
	}
	return u
}

// SetUplinkRates says what the provider delivers; 0: it is as before, -1: it is
// not known any more.
func (p *Provider) SetUplinkRates(ctx context.Context, down, up ispctl.Rate, o Options) (Result, error) {
	return p.change(ctx, o, state.Entry{Operation: "qos uplink", Object: "uplink"}, func(tx *state.Tx) ([]string, error) {
		m, err := tx.Model()
		if err != nil {
			return nil, err
		}
		have := m.Uplink
		if !have.Configured() {
			return nil, &ispctl.Error{Kind: ispctl.NotFound, Object: "uplink", Cause: "none is declared", Next: "run: ispctl init --uplink INTERFACE"}
		}
		want := have
		for _, one := range []struct {
			rate ispctl.Rate
			into *ispctl.Rate
		}{{down, &want.Down}, {up, &want.Up}} {
			switch one.rate {
			case 0:
			case ispctl.NoLimit:
				*one.into = 0
			default:
				*one.into = one.rate
			}
		}
		if want == have {
			return nil, nil
		}
		return []string{fmt.Sprintf("~ uplink %s %s", want.Interface, changes(field{"down", have.Down, want.Down}, field{"up", have.Up, want.Up}))}, tx.PutUplink(want)
	})
}

// SetQoS puts limits of its own on a VM, by the names of limits.
func (p *Provider) SetQoS(ctx context.Context, name string, limits map[string]string, o Options) (Result, error) {
	return p.change(ctx, o, state.Entry{Operation: "qos set", Object: "vm " + name}, func(tx *state.Tx) ([]string, error) {
		m, err := tx.Model()
		if err != nil {
			return nil, err
		}
		vm, err := guestNamed(m, name)
		if err != nil {
			return nil, err
		}
		have := vm.Limits
		if err := setLimits(&vm.Limits, limits, ispctl.Limit.Override); err != nil {
			return nil, err
		}
		if vm.Limits == have {
			return nil, nil
		}
		return []string{"~ vm " + name + " " + changes(field{"limits", limitsText(have), limitsText(vm.Limits)})}, tx.UpdateVM(vm)
	})
}

// guestNamed is a VM that is not on its way out.
func guestNamed(m *ispctl.Model, name string) (ispctl.VM, error) {
	vm, err := m.VM(name)
	if err != nil {
		return vm, err
	}
	if vm.Wanted == ispctl.Absent {
		return vm, ispctl.Conflicting("vm", name, "is being destroyed")
	}
	return vm, nil
}

// AddFlow limits some of a VM's traffic with the Internet, or changes the limit
// that there is.
func (p *Provider) AddFlow(ctx context.Context, f ispctl.Flow, o Options) (Result, error) {
	return p.change(ctx, o, state.Entry{Operation: "qos flow add", Object: "flow " + f.Name()}, func(tx *state.Tx) ([]string, error) {
		m, err := tx.Model()
		if err != nil {
			return nil, err
		}
		if _, err := guestNamed(m, string(f.VM)); err != nil {
			return nil, err
		}
		have, there := findFlow(m, f)
		if there && have.Says() == f.Says() {
			return nil, nil
		}
		sign := "~"
		f.Slot, f.Applied = have.Slot, have.Applied
		if !there {
			sign = "+"
			if f.Slot, err = freeSlot(m, f); err != nil {
				return nil, err
			}
		}
		return []string{fmt.Sprintf("%s flow %s %s", sign, f.Name(), f.Says())}, tx.PutFlow(f)
	})
}

// RemoveFlow takes a flow limit away.
func (p *Provider) RemoveFlow(ctx context.Context, f ispctl.Flow, ifExists bool, o Options) (Result, error) {
	return p.change(ctx, o, state.Entry{Operation: "qos flow remove", Object: "flow " + f.Name()}, func(tx *state.Tx) ([]string, error) {
		m, err := tx.Model()
		if err != nil {
			return nil, err
		}
		have, there := findFlow(m, f)
		if !there {
			var names []string
			for _, one := range m.FlowsOf(f.VM) {
				names = append(names, one.Name())
			}
			return nil, missing(ispctl.NotFoundError("flow", f.Name(), names), ifExists)
		}
		return []string{"- flow " + have.Name()}, tx.DeleteFlow(have)
	})
}

func findFlow(m *ispctl.Model, f ispctl.Flow) (ispctl.Flow, bool) {
	i := slices.IndexFunc(m.Flows, func(have ispctl.Flow) bool { return have.Name() == f.Name() })
	if i < 0 {
		return ispctl.Flow{}, false
	}
	return m.Flows[i], true
}

// freeSlot is the lowest that no flow limit of the VM has.
func freeSlot(m *ispctl.Model, f ispctl.Flow) (int, error) {
	flows := m.FlowsOf(f.VM)
	for slot := range ispctl.MaxFlows {
		if !slices.ContainsFunc(flows, func(have ispctl.Flow) bool { return have.Slot == slot }) {
			return slot, nil
		}
	}
	return 0, ispctl.Conflicting("flow", f.Name(), "vm %q has %d flow limits already, which is all it may have", f.VM, len(flows))
}
