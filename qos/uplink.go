package qos

import (
	"cmp"
	"slices"

	"ispctl"
)

// The classes of the trees on the uplink, beside the outermost one. All but the
// first are above all numbers that a tap's tree has, which looks at the same
// priority.
const (
	othersClass = 0x2   // of the host itself, and of guests that are promised nothing
	firstTotal  = 0x120 // and on: of totals, by their slots
	firstRest   = 0x160 // and on: in them, of their guests that are promised nothing
	firstGuest  = 0x200 // and on: of guests
	guestRange  = 0xfe00
)

// guestClass is where a guest's packets wait on the uplink.
type guestClass struct {
	vm     ispctl.VM
	limits ispctl.Limits
	own    bool // the class is its own: it is promised something
	minor  uint16
	total  int // index of the total it is in; -1: none
}

// guestClasses are the guests that are promised something or that are in a
// total, in the order of their ids. A class follows from the id, so that guests
// which come and go leave the others' as they are; where two meet the younger
// takes the next.
func guestClasses(m *ispctl.Model) []guestClass {
	if !m.Uplink.Configured() {
		return nil
	}
	plans := map[ispctl.Name]ispctl.Limits{}
	for _, p := range m.Plans {
		plans[p.Name] = p.Limits
	}
	known := m.Uplink.Up > 0 || m.Uplink.Down > 0
	var all []guestClass
	for vm := range m.Guests() {
		g := guestClass{vm: vm, limits: vm.Limits.Over(plans[vm.Plan])}
		g.own = g.limits.Guarantee > 0 && known
		g.total = slices.IndexFunc(m.Totals, func(t ispctl.Total) bool { return t.Holds(vm) })
		if g.own || g.total >= 0 {
			all = append(all, g)
		}
	}
	slices.SortFunc(all, func(a, b guestClass) int { return cmp.Compare(a.vm.ID, b.vm.ID) })
	taken := map[int64]bool{}
	for i := range all {
		if !all[i].own {
			all[i].minor = restOf(m.Totals[all[i].total])
			continue
		}
		n := all[i].vm.ID % guestRange
		for taken[n] {
			n = (n + 1) % guestRange
		}
		taken[n] = true
		all[i].minor = uint16(firstGuest + n)
	}
	return all
}

func totalClass(t ispctl.Total) uint16 { return firstTotal + uint16(t.Slot) }

func restOf(t ispctl.Total) uint16 { return firstRest + uint16(t.Slot) }

// side is one direction of the uplink.
type side struct {
	rate    ispctl.Rate // 0: not known, and nothing of it is shared out
	ceiling func(ispctl.Limits) ispctl.Rate
	total   func(ispctl.Total) ispctl.Rate
}

func outward(m *ispctl.Model) side {
	return side{m.Uplink.Up, func(l ispctl.Limits) ispctl.Rate { return l.Up }, func(t ispctl.Total) ispctl.Rate { return t.Up }}
}

func inward(m *ispctl.Model) side {
	return side{m.Uplink.Down, func(l ispctl.Limits) ispctl.Rate { return l.Down }, func(t ispctl.Total) ispctl.Rate { return t.Down }}
}

// needed says whether a direction needs a tree: something is shared out, or
// some total has a ceiling.
func (s side) needed(m *ispctl.Model, guests []guestClass) bool {
	return slices.ContainsFunc(guests, func(g guestClass) bool {
		return s.rate > 0 && g.own || g.total >= 0 && (s.total(m.Totals[g.total]) > 0 || s.rate > 0 && m.Totals[g.total].Guarantee > 0)
	})
}

// tree is what a direction of the uplink waits in: what each guest and each
// total is promised first, then what is left in proportion to it. The rest of
// the world has what nobody is promised. Where nobody said what the uplink
// carries only the totals hold.
func (s side) tree(m *ispctl.Model, guests []guestClass, leaf func() Kind) Tree {
	up := s.rate
	if up == 0 {
		up = ispctl.MaxRate
	}
	rest, least := up, up
	inside := make([]ispctl.Rate, len(m.Totals))
	held := make([]bool, len(m.Totals))
	for _, g := range guests {
		if g.own {
			least = min(least, g.limits.Guarantee)
		}
		switch {
		case g.total >= 0:
			held[g.total] = true
			if g.own {
				inside[g.total] += g.limits.Guarantee
			}
		default:
			rest -= g.limits.Guarantee
		}
	}
	share := func(r ispctl.Rate) uint32 {
		return uint32(min(float64(leastQuantum)*float64(r)/float64(least), mostQuantum))
	}
	classes := []Class{class(internetClass, 0, up, up, defaultBurst(up))}
	add := func(minor, in uint16, rate, ceil ispctl.Rate) {
		rate = min(rate, ceil)
		c := leafClass(minor, in, rate, ceil, defaultBurst(ceil), leaf)
		c.Quantum = max(share(rate), leastQuantum)
		classes = append(classes, c)
	}
	within := func(ceiling, outer ispctl.Rate) ispctl.Rate {
		if ceiling > 0 {
			return min(ceiling, outer)
		}
		return outer
	}
	ceils := make([]ispctl.Rate, len(m.Totals))
	for i, t := range m.Totals {
		if !held[i] {
			continue
		}
		ceils[i] = within(s.total(t), up)
		promised := max(t.Guarantee, inside[i])
		rest -= promised
		// A class that is promised nothing has something nevertheless.
		assured := min(max(promised, inside[i]+ispctl.MinRate), ceils[i])
		classes = append(classes, class(totalClass(t), internetClass, assured, ceils[i], defaultBurst(ceils[i])))
		add(restOf(t), totalClass(t), max(assured-inside[i], ispctl.MinRate), ceils[i])
	}
	add(othersClass, internetClass, max(rest, ispctl.MinRate), up)
	for _, g := range guests {
		switch {
		case !g.own:
		case g.total < 0:
			add(g.minor, internetClass, g.limits.Guarantee, within(s.ceiling(g.limits), up))
		default:
			add(g.minor, totalClass(m.Totals[g.total]), g.limits.Guarantee, within(s.ceiling(g.limits), ceils[g.total]))
		}
	}
	slices.SortFunc(classes, func(a, b Class) int { return cmp.Compare(a.Minor, b.Minor) })
	return Tree{Rooted: true, Default: othersClass, Classes: classes}
}
