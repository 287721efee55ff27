package qos

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"ispctl"
)

// Layer is the layer's name.
const Layer = "qos"

// LegRate is the ceiling of a NIC on the admin leg, each way, where the plan says
// nothing of local rates. Its other rates are for the Internet, which no leg
// reaches.
const LegRate = 100 * ispctl.Mbit

// State is every shaped tap by name, and the uplink's tree.
type State struct {
	Ports  map[string]Port
	Uplink map[string]Tree // by interface: the uplink, and what comes in by it

	Inbound Inbound

	Crowds map[string]Crowd          // by interface
	Sends  map[string]map[int]string // by who sends and the crowd's number, the crowd's interface
}

// NewState is a state of nothing.
func NewState() State {
	return State{
		Ports: map[string]Port{}, Uplink: map[string]Tree{}, Inbound: Inbound{Bridges: map[string]Program{}},
		Crowds: map[string]Crowd{}, Sends: map[string]map[int]string{},
	}
}

// Len is the number of shaped taps.
func (s State) Len() int { return len(s.Ports) }

// Port is the shaping of one tap.
type Port struct {
	Tap    string
	Alias  string // for people, on the shaper: "vm web1 nic 0"
	Shaper string // the interface beside the tap; empty: it is not there
	Up     bool   // the shaper is up

	Redirected bool // what comes out of the tap goes to the shaper first
	ToGuest    Tree // on the tap
	FromGuest  Tree // on the shaper
}

// Object is the VM, as errors and the journal name it.
func (p Port) Object() string {
	object, _, _ := strings.Cut(p.Alias, " nic ")
	return object
}

// Means is what the kernel has to shape with. It is asked when it is needed.
type Means struct {
	Leaf   func() Kind // how packets wait
	Crowds func() bool // whether guests can have queues in one interface; nil: they cannot
}

// Desired is a port for each NIC that has a limit, but for guests that wait in
// crowds, with what the kernel has.
func Desired(means Means) func(*ispctl.Model) (State, error) {
	leaf := means.Leaf
	return func(m *ispctl.Model) (State, error) {
		s := NewState()
		crowded := map[int64]bool{}
		if all := members(m); len(all) > 0 && means.Crowds != nil && means.Crowds() {
			for _, g := range all {
				crowded[g.vm.ID] = true
			}
			s.crowds(m, all, leaf)
		}
		var local []netip.Prefix
		for _, z := range m.Zones {
			local = append(local, z.Prefix)
			if z.Prefix6.IsValid() {
				local = append(local, z.Prefix6)
			}
		}
		throttles := map[ispctl.Name]ispctl.Throttle{}
		for _, t := range m.Throttles {
			throttles[t.VM] = t
		}
		plans := map[ispctl.Name]ispctl.Limits{}
		for _, p := range m.Plans {
			plans[p.Name] = p.Limits
		}
		flows := map[ispctl.Name][]ispctl.Flow{}
		for _, f := range m.Flows {
			flows[f.VM] = append(flows[f.VM], f)
		}
		for vm := range m.Guests() {
			limits := vm.Limits.Over(plans[vm.Plan]).Under(throttles[vm.Name])
			for _, nic := range vm.NICs {
				p := Port{
					Tap: nic.Tap, Alias: fmt.Sprintf("vm %s nic %d", vm.Name, nic.Index), Shaper: m.Installation.Shaper(nic.Tap),
					Up: true, Redirected: true,
				}
				if nic.Role == ispctl.AdminNIC {
					p.ToGuest, p.FromGuest = leg(limits, leaf), leg(limits, leaf)
				} else if crowded[vm.ID] {
					continue
				} else {
					down := wish{limits.Down, limits.Local, limits.Burst, limits.DSCP, flows[vm.Name], local, toGuest}
					up := wish{limits.Up, limits.Local, limits.Burst, limits.DSCP, flows[vm.Name], local, fromGuest}
					if down.nothing() && up.nothing() {
						continue
					}
					p.ToGuest, p.FromGuest = down.tree(leaf), up.tree(leaf)
				}
				s.Ports[p.Tap] = p
			}
		}
		guests := guestClasses(m)
		if up := outward(m); up.needed(m, guests) {
			s.Uplink[m.Uplink.Interface] = up.tree(m, guests, leaf)
		}
		s.inbound(m, guests, local, leaf)
		return s, nil
	}
}

// wish is what one direction of a NIC is limited to.
type wish struct {
	internet, local ispctl.Rate
	burst           ispctl.Size
	dscp            ispctl.DSCP
	flows           []ispctl.Flow
	zones           []netip.Prefix
	direction       direction
}

func (w wish) nothing() bool { return !w.shaped() && w.local == 0 }

// shaped says whether anything with the Internet waits in a class.
func (w wish) shaped() bool {
	return w.internet > 0 || slices.ContainsFunc(w.flows, ownClass) || w.prioritised()
}

// leg is the tree of a NIC that is no way to the Internet: one class for all.
func leg(l ispctl.Limits, leaf func() Kind) Tree {
	rate := LegRate
	if l.Local > 0 {
		rate = l.Local
	}
	return Tree{Classes: []Class{leafClass(localClass, 0, rate, rate, defaultBurst(rate), leaf)}, Program: constant(localClass)}.rooted()
}

func (w wish) tree(leaf func() Kind) Tree {
	if w.nothing() {
		// The other direction has limits: an empty tree lets all pass, and
		// a limit that is added later is added in place.
		return Tree{}.rooted()
	}
	var classes []Class
	if w.shaped() {
		classes = append(classes, w.internetClasses(leaf)...)
	}
	if w.local > 0 {
		classes = append(classes, leafClass(localClass, 0, w.local, w.local, defaultBurst(w.local), leaf))
	}
	slices.SortFunc(classes, func(a, b Class) int { return cmp.Compare(a.Minor, b.Minor) })
	return Tree{Classes: classes, Program: w.program()}.rooted()
}

// internetClasses are a class for all that is exchanged with the Internet, and
// in it one for each flow limit and one for the rest. A class may use what its
// rate says whatever its parent's, so the rates of those inside sum up to their
// parent's; what one does not use the others borrow, up to their ceilings.
func (w wish) internetClasses(leaf func() Kind) []Class {
	total, burst := w.internet, int64(w.burst)
	if total == 0 {
		total = ispctl.MaxRate
	}
	if burst == 0 {
		burst = defaultBurst(total)
	}
	outer := class(internetClass, 0, total, total, burst)
	var inside []Class
	rest := total
	add := func(minor uint16, assured, ceil ispctl.Rate, burst int64, p ispctl.Priority) {
		assured = assured / 8 * 8
		rest -= assured
		c := leafClass(minor, internetClass, assured, ceil, burst, leaf)
		c.Prio = w.prio(p)
		inside = append(inside, c)
	}
	for _, f := range w.flows {
		if ownClass(f) {
			// Together they are assured of half at most.
			add(flowClass(f), min(f.Rate, total/ispctl.Rate(2*len(w.flows))), f.Rate, defaultBurst(f.Rate), f.Urgency)
		}
	}
	if w.prioritised() {
		add(urgentClass, total/4, total, burst, ispctl.Interactive)
		add(bulkClass, total/20, total, burst, ispctl.Bulk)
	}
	add(restClass, rest, total, burst, ispctl.Normal)
	return append(inside, outer)
}

// ownClass says whether a flow limit is one of all that matches it, together.
func ownClass(f ispctl.Flow) bool { return f.Rate > 0 && !f.Each }

// prioritised says whether anything asks for what is more urgent, or less.
func (w wish) prioritised() bool {
	return w.internet > 0 && w.dscp == ispctl.TrustDSCP ||
		slices.ContainsFunc(w.flows, func(f ispctl.Flow) bool { return f.Urgency != "" })
}

// prio is a priority in HTB's words; where nobody asks all have one.
func (w wish) prio(p ispctl.Priority) uint32 {
	if !w.prioritised() {
		return 0
	}
	return uint32(max(slices.Index(ispctl.Priorities(), cmp.Or(p, ispctl.Normal)), 0))
}
