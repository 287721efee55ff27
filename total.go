package ispctl

import (
	"fmt"
	"slices"
	"strings"
)

// Total is what all guests of a zone, or of a tenant, may exchange with the
// Internet together, and what they are promised of the uplink together.
type Total struct {
	Kind      TotalKind
	Name      Name
	Slot      int // chooses its classes on the uplink
	Down, Up  Rate
	Guarantee Rate
	Applied   bool
}

// TotalKind says what the guests of a total have in common.
type TotalKind string

// The kinds.
const (
	ZoneTotal   TotalKind = "zone"
	TenantTotal TotalKind = "tenant"
)

// TotalKinds are all there are.
func TotalKinds() []TotalKind { return []TotalKind{ZoneTotal, TenantTotal} }

// MaxTotals is how many totals a host may have.
const MaxTotals = 64

// Of is what a total is known by: "zone dmz".
func (t Total) Of() string { return string(t.Kind) + " " + string(t.Name) }

// Says is what the total says, in words.
func (t Total) Says() string {
	return Limits{Down: t.Down, Up: t.Up, Guarantee: t.Guarantee}.String()
}

// Validate checks the total by itself.
func (t Total) Validate() error {
	bad := func(format string, args ...any) error { return Invalid("total", t.Of(), format, args...) }
	if !slices.Contains(TotalKinds(), t.Kind) {
		return bad("%q is none of %v", string(t.Kind), TotalKinds())
	}
	if t.Slot < 0 || t.Slot >= MaxTotals {
		return bad("a host has at most %d totals", MaxTotals)
	}
	if t.Down == 0 && t.Up == 0 && t.Guarantee == 0 {
		return bad("says nothing; set down, up or guarantee")
	}
	if err := (Limits{Down: t.Down, Up: t.Up, Guarantee: t.Guarantee}).Validate(); err != nil {
		return bad("%s", err)
	}
	return nil
}

// Holds reports whether the total is one for the VM.
func (t Total) Holds(vm VM) bool {
	if t.Kind == TenantTotal {
		return t.Name == vm.Tenant
	}
	return t.Name == vm.Zone
}

// TotalOf is the total that a VM is in; false: none.
func (m *Model) TotalOf(vm VM) (Total, bool) {
	i := slices.IndexFunc(m.Totals, func(t Total) bool { return t.Holds(vm) })
	if i < 0 {
		return Total{}, false
	}
	return m.Totals[i], true
}

// Promise is one of those the uplink is promised to: a guest, or all of a total.
type Promise struct {
	Object string // "vm web1", "zone dmz"
	Rate   Rate
}

// Promises are what the uplink is promised to. What the guests of a total are
// promised is part of what the total is, unless it comes to more.
func (m *Model) Promises() []Promise {
	plans := byName(m.Plans, func(p Plan) Name { return p.Name })
	var all []Promise
	inside := make([]Rate, len(m.Totals))
	for vm := range m.Guests() {
		g := vm.Limits.Over(plans[vm.Plan].Limits).Guarantee
		if i := slices.IndexFunc(m.Totals, func(t Total) bool { return t.Holds(vm) }); i >= 0 {
			inside[i] += g
		} else if g > 0 {
			all = append(all, Promise{"vm " + string(vm.Name), g})
		}
	}
	for i, t := range m.Totals {
		if g := max(t.Guarantee, inside[i]); g > 0 {
			all = append(all, Promise{t.Of(), g})
		}
	}
	return all
}

// totalNamed says what is wrong with whom the total is for.
func (m *Model) totalNamed(t Total) error {
	var err error
	if t.Kind == TenantTotal {
		_, err = m.Tenant(string(t.Name))
	} else {
		_, err = m.Zone(string(t.Name))
	}
	return err
}

// validateOneTotal refuses a guest in two totals: its packets wait in one place.
func (m *Model) validateOneTotal() error {
	for vm := range m.Guests() {
		var in []string
		for _, t := range m.Totals {
			if t.Holds(vm) {
				in = append(in, t.Of())
			}
		}
		if len(in) > 1 {
			return &Error{
				Kind: Conflict, Object: object("vm", string(vm.Name)), Cause: "would be in two totals: " + strings.Join(in, ", "),
				Next: "take one away: ispctl qos total remove " + in[1],
			}
		}
	}
	return nil
}

func (m *Model) validateTotals() error {
	if err := m.validateOneTotal(); err != nil {
		return err
	}
	plans := byName(m.Plans, func(p Plan) Name { return p.Name })
	for i, t := range m.Totals {
		if err := t.Validate(); err != nil {
			return err
		}
		if err := m.totalNamed(t); err != nil {
			return err
		}
		for _, other := range m.Totals[:i] {
			if other.Of() == t.Of() || other.Slot == t.Slot {
				return Conflicting("total", t.Of(), "is there twice, or has the slot of another")
			}
		}
		var inside Rate
		guests := 0
		for vm := range m.Guests() {
			if g := vm.Limits.Over(plans[vm.Plan].Limits).Guarantee; g > 0 && t.Holds(vm) {
				inside += g
				guests++
			}
		}
		for _, one := range []struct {
			name string
			rate Rate
		}{{"guarantee", t.Guarantee}, {"down", t.Down}, {"up", t.Up}} {
			if one.rate > 0 && inside > one.rate {
				return &Error{
					Kind: Conflict, Object: object("total", t.Of()),
					Cause: fmt.Sprintf("%d guests in it are promised %s together; its %s is %s: %s too much", guests, inside, one.name, one.rate, inside-one.rate),
					Next:  "see: ispctl qos show " + string(t.Name),
				}
			}
		}
	}
	return nil
}
