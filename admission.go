package ispctl

import "fmt"

// LimitsOf are the limits of a VM as they come to be: its plan's, with its own
// in their place, under what its quota has come to.
func (m *Model) LimitsOf(vm VM) Limits {
	limits := vm.Limits
	if plan, err := m.Plan(string(vm.Plan)); err == nil {
		limits = limits.Over(plan.Limits)
	}
	t, _ := m.ThrottleOf(vm.Name)
	return limits.Under(t)
}

// Promised is the sum of what the uplink is promised, in each direction, and to
// how many.
func (m *Model) Promised() (sum Rate, shares int) {
	all := m.Promises()
	for _, s := range all {
		sum += s.Rate
	}
	return sum, len(all)
}

// promisedTo says to whom the uplink is promised: guests, or guests and totals.
func (m *Model) promisedTo(shares int) string {
	if len(m.Totals) == 0 {
		return fmt.Sprintf("%d guests", shares)
	}
	return fmt.Sprintf("%d guests and totals", shares)
}

// validatePromises checks that what is promised is there. The arithmetic is in
// the error: it is what an operator would do next.
func (m *Model) validatePromises() error {
	plans := byName(m.Plans, func(p Plan) Name { return p.Name })
	for vm := range m.Guests() {
		plan := vm.PlanOf(plans[vm.Plan])
		limits := vm.Limits.Over(plan.Limits)
		if err := limits.Validate(); err != nil {
			return Invalid("vm", string(vm.Name), "with plan %q: %s", plan.Name, err)
		}
		if int64(limits.CPUGuarantee) > int64(plan.CPUs)*100 {
			return Invalid("vm", string(vm.Name), "cpu-guarantee %s is more than the %d CPUs of plan %q have", limits.CPUGuarantee, plan.CPUs, plan.Name)
		}
		if limits.MemoryGuarantee > plan.Memory {
			return Invalid("vm", string(vm.Name), "memory guarantee %s is more than the %s of plan %q", limits.MemoryGuarantee, plan.Memory, plan.Name)
		}
	}
	sum, guests := m.Promised()
	for _, side := range []struct {
		name string
		has  Rate
	}{{"up", m.Uplink.Up}, {"down", m.Uplink.Down}} {
		if side.has > 0 && sum > side.has {
			return &Error{
				Kind: Conflict, Object: object("uplink", m.Uplink.Interface),
				Cause: fmt.Sprintf("%s are promised %s together; its %s is %s: %s too much", m.promisedTo(guests), sum, side.name, side.has, sum-side.has),
				Next:  "see: ispctl qos capacity",
			}
		}
	}
	return nil
}
