package ispctl

import (
	"slices"
	"strings"
	"time"
)

// Direction is which way traffic is measured, as the guest sees it. The larger
// and the sum are of the whole period for volumes, and of each five minutes for
// percentiles.
type Direction string

// The directions.
const (
	DirectionIn  Direction = "in"
	DirectionOut Direction = "out"
	DirectionSum Direction = "sum"
	DirectionMax Direction = "max"
)

// Directions are all of them.
func Directions() []Direction {
	return []Direction{DirectionIn, DirectionOut, DirectionSum, DirectionMax}
}

// ParseDirection reads in, out, sum or max.
func ParseDirection(s string) (Direction, error) {
	return oneOf("direction", s, Directions())
}

// Action is what is done when a quota is used up. Notice is given in any case.
type Action string

// The actions.
const (
	ActionNotify   Action = "notify"
	ActionThrottle Action = "throttle"
	ActionBlock    Action = "block"
)

// Actions are all of them.
func Actions() []Action { return []Action{ActionNotify, ActionThrottle, ActionBlock} }

// ParseAction reads notify, throttle or block.
func ParseAction(s string) (Action, error) { return oneOf("action", s, Actions()) }

func oneOf[T ~string](kind, s string, all []T) (T, error) {
	if slices.Contains(all, T(s)) {
		return T(s), nil
	}
	names := make([]string, len(all))
	for i, one := range all {
		names[i] = string(one)
	}
	return "", Invalid(kind, s, "is not known; have: %s", strings.Join(names, ", "))
}

// Quota is how much may pass between a VM and the Internet in a month. One of a
// tenant is of all its VMs together, while they are its own, and holds those that
// have none of their own; one of a plan is that of each VM on it that has neither.
type Quota struct {
	VM, Plan  Name // one of them,
	Tenant    Name // or this
	Volume    Size
	Direction Direction
	Day       int // of the month that a period begins on; 1: the calendar's months
	Action    Action
	Rate      Rate // of what is throttled
	Applied   bool
}

// Object is whom the quota is of: `vm "web1"`, `tenant "acme"`, or `plan "small"`.
func (q Quota) Object() string {
	switch {
	case q.VM != "":
		return object("vm", string(q.VM))
	case q.Tenant != "":
		return object("tenant", string(q.Tenant))
	}
	return object("plan", string(q.Plan))
}

// maxDay is a day that all months but one have; in that one, a period begins
// on its last day.
const maxDay = 31

// Validate checks the quota by itself.
func (q Quota) Validate() error {
	name := string(q.VM) + string(q.Tenant) + string(q.Plan)
	owners := 0
	for _, n := range []Name{q.VM, q.Tenant, q.Plan} {
		if n != "" {
			owners++
		}
	}
	_, errDirection := ParseDirection(string(q.Direction))
	_, errAction := ParseAction(string(q.Action))
	switch {
	case owners != 1:
		return Invalid("quota", name, "is of a VM, of a tenant or of a plan, one of them")
	case errDirection != nil:
		return errDirection
	case errAction != nil:
		return errAction
	case q.Volume <= 0:
		return Invalid("quota", name, "volume %s is not above zero", q.Volume)
	case q.Day < 1 || q.Day > maxDay:
		return Invalid("quota", name, "day %d is no day of a month", q.Day)
	case q.Action == ActionThrottle && (q.Rate < MinRate || q.Rate > MaxRate):
		return Invalid("quota", name, "to throttle takes a rate of %s to %s", MinRate, MaxRate)
	case q.Action != ActionThrottle && q.Rate != 0:
		return Invalid("quota", name, "a rate is of use only to throttle")
	}
	return nil
}

// Throttle is what has become of a VM whose quota is used up: what is done to
// it until the period ends, or somebody lifts it.
type Throttle struct {
	VM     Name
	Action Action // throttle or block
	Rate   Rate   // in each direction, with everybody
	Until  time.Time
}

// Same reports whether both are quotas of the same VM, tenant or plan.
func (q Quota) Same(o Quota) bool { return q.VM == o.VM && q.Tenant == o.Tenant && q.Plan == o.Plan }

// QuotaOf is a VM's own quota, or its tenant's, or its plan's.
func (m *Model) QuotaOf(vm VM) (Quota, bool) {
	for _, holds := range []func(Quota) bool{
		func(q Quota) bool { return q.VM != "" && q.VM == vm.Name },
		func(q Quota) bool { return q.Tenant != "" && q.Tenant == vm.Tenant },
		func(q Quota) bool { return q.Plan != "" && q.Plan == vm.Plan },
	} {
		if i := slices.IndexFunc(m.Quotas, holds); i >= 0 {
			return m.Quotas[i], true
		}
	}
	return Quota{}, false
}

// ThrottleOf is what is done to a VM for its quota, if anything is.
func (m *Model) ThrottleOf(vm Name) (Throttle, bool) {
	i := slices.IndexFunc(m.Throttles, func(t Throttle) bool { return t.VM == vm })
	if i < 0 {
		return Throttle{}, false
	}
	return m.Throttles[i], true
}

// Under are the limits of a VM that is throttled, if t throttles: no more than
// the rate from and to the Internet, and no guarantee beyond it.
func (l Limits) Under(t Throttle) Limits {
	if t.Action != ActionThrottle {
		return l
	}
	for _, ceiling := range []*Rate{&l.Down, &l.Up} {
		if *ceiling <= 0 || *ceiling > t.Rate {
			*ceiling = t.Rate
		}
	}
	l.Guarantee = min(l.Guarantee, t.Rate)
	return l
}

// validateUsage checks quotas, tariffs and what is metered by.
func (m *Model) validateUsage() error {
	if err := m.Metering.Validate(); err != nil {
		return err
	}
	for _, q := range m.Quotas {
		if err := q.Validate(); err != nil {
			return err
		}
		var err error
		switch {
		case q.Plan != "":
			_, err = m.Plan(string(q.Plan))
		case q.Tenant != "":
			_, err = m.Tenant(string(q.Tenant))
		default:
			_, err = m.VM(string(q.VM))
		}
		if err != nil {
			return err
		}
	}
	for _, t := range m.Tariffs {
		if err := t.Validate(); err != nil {
			return err
		}
		if _, err := m.Plan(string(t.Plan)); err != nil {
			return err
		}
	}
	return nil
}
