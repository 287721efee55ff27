package ispctl

import (
	"net/netip"
	"slices"
	"strings"
)

// Flow is a ceiling for some of the traffic between a VM and the Internet, in
// each direction, inside the VM's own ceiling, or the priority that it has there.
type Flow struct {
	VM      Name
	Slot    int     // tells the flows of a VM apart, and chooses their class
	Match   Opening // the port is that of either end
	Remote  netip.Prefix
	Rate    Rate     // 0: only a priority
	Each    bool     // the rate is each connection's, not that of all of them together
	Urgency Priority // empty: normal
	Applied bool
}

// MaxFlows is how many flow limits a VM may have: every packet is held against
// all of them.
const MaxFlows = 32

// Name is what a flow limit is known by: VM and match, as `web1 tcp/80` or
// `web1 tcp/80 198.51.100.0/24`.
func (f Flow) Name() string {
	name := string(f.VM) + " " + f.Match.String()
	if f.Remote.IsValid() {
		name += " " + f.Remote.String()
	}
	return name
}

// Says is what the flow limit does, in words: "5mbit each, bulk".
func (f Flow) Says() string {
	var parts []string
	switch {
	case f.Each:
		parts = append(parts, f.Rate.String()+" each")
	case f.Rate > 0:
		parts = append(parts, f.Rate.String())
	}
	if f.Urgency != "" {
		parts = append(parts, string(f.Urgency))
	}
	return strings.Join(parts, ", ")
}

// Validate checks the flow by itself.
func (f Flow) Validate() error {
	bad := func(format string, args ...any) error { return Invalid("flow", f.Name(), format, args...) }
	if _, err := ParseOpening(f.Match.String()); err != nil {
		return err
	}
	if f.Rate != 0 {
		if err := f.Rate.validate(); err != nil {
			return bad("rate %s", err)
		}
	}
	if f.Urgency != "" {
		if _, err := ParsePriority(string(f.Urgency)); err != nil {
			return bad("priority %q is none of %v", string(f.Urgency), Priorities())
		}
	}
	switch {
	case f.Rate == 0 && f.Each:
		return bad("each connection needs a rate; write --rate RATE")
	case f.Rate == 0 && f.Urgency == "":
		return bad("neither has a rate nor a priority; write --rate RATE or --priority bulk")
	case f.Each && f.Match.Transport != TransportTCP && f.Match.Transport != TransportUDP:
		return bad("only tcp and udp have connections that can be told apart; match tcp/PORT or udp/PORT")

	case f.Match.Transport == AnyTransport && !f.Remote.IsValid():
		return bad("matches everything; that is the VM's own ceiling: ispctl qos set %s --down RATE --up RATE", f.VM)
	case f.Remote.IsValid() && f.Remote != f.Remote.Masked():
		return bad("remote %s has host bits set; did you mean %s?", f.Remote, f.Remote.Masked())
	case f.Slot < 0 || f.Slot >= MaxFlows:
		return bad("a VM has at most %d flow limits", MaxFlows)
	}
	return nil
}

// Overlaps reports whether a packet can match both.
func (f Flow) Overlaps(o Flow) bool {
	return f.VM == o.VM &&
		(f.Match.Transport == o.Match.Transport || f.Match.Transport == AnyTransport || o.Match.Transport == AnyTransport) &&
		(f.Match.Port == o.Match.Port || f.Match.Port == 0 || o.Match.Port == 0) &&
		(!f.Remote.IsValid() || !o.Remote.IsValid() || f.Remote.Overlaps(o.Remote))
}

// FlowsOf are the flow limits of a VM, in the order of their slots.
func (m *Model) FlowsOf(vm Name) []Flow {
	var some []Flow
	for _, f := range m.Flows {
		if f.VM == vm {
			some = append(some, f)
		}
	}
	slices.SortFunc(some, func(a, b Flow) int { return a.Slot - b.Slot })
	return some
}

func (m *Model) validateFlows() error {
	of := map[Name][]Flow{}
	for _, f := range m.Flows {
		if err := f.Validate(); err != nil {
			return err
		}
		vm, err := m.VM(string(f.VM))
		if err != nil {
			return err
		}
		limits := m.LimitsOf(vm)
		for _, ceiling := range []Rate{limits.Down, limits.Up} {
			if ceiling != 0 && f.Rate > ceiling {
				return Invalid("flow", f.Name(), "rate %s is above the VM's own ceiling of %s", f.Rate, ceiling)
			}
		}
		if f.Urgency != "" && limits.Down == 0 && limits.Up == 0 {
			return Invalid("flow", f.Name(), "a priority says nothing in a VM without a ceiling, for nothing waits; set one: ispctl qos set %s --down RATE --up RATE", f.VM)
		}
		for _, other := range of[f.VM] {
			if f.Overlaps(other) {
				return Conflicting("flow", f.Name(), "overlaps %s: a packet could match both", other.Name())
			}
			if f.Slot == other.Slot {
				return Conflicting("flow", f.Name(), "has the slot of %s", other.Name())
			}
		}
		of[f.VM] = append(of[f.VM], f)
	}
	return nil
}
