package qos

import (
	"cmp"
	"slices"

	"ispctl"
	"ispctl/net/nft"
)

// ClassLayer is the layer that says which class of the uplink a packet is in,
// and the end of its table's name.
const ClassLayer = "qos"

// The classes of the uplink's tree, beside the outermost one.
const (
	othersClass = 0x2   // of the host itself, and of guests that are promised nothing
	firstGuest  = 0x100 // and on: of guests
	guestRange  = 0xfe00
)

// guestClass is a guest's own class on the uplink.
type guestClass struct {
	vm     ispctl.VM
	limits ispctl.Limits
	minor  uint16
}

// guestClasses are the guests that are promised something, in the order of their
// ids. A class follows from the id, so that guests which come and go leave the
// others' as they are; where two meet the younger takes the next.
func guestClasses(m *ispctl.Model) []guestClass {
	if m.Uplink.Up == 0 || !m.Uplink.Configured() {
		return nil
	}
	plans := map[ispctl.Name]ispctl.Limits{}
	for _, p := range m.Plans {
		plans[p.Name] = p.Limits
	}
	var all []guestClass
	for _, vm := range m.Guests() {
		if l := vm.Limits.Over(plans[vm.Plan]); l.Guarantee > 0 {
			all = append(all, guestClass{vm: vm, limits: l})
		}
	}
	slices.SortFunc(all, func(a, b guestClass) int { return cmp.Compare(a.vm.ID, b.vm.ID) })
	taken := map[int64]bool{}
	for i := range all {
		n := all[i].vm.ID % guestRange
		for taken[n] {
			n = (n + 1) % guestRange
		}
		taken[n] = true
		all[i].minor = uint16(firstGuest + n)
	}
	return all
}

// uplinkTree is the tree on the uplink: what each guest is promised first, then
// what is left in proportion to it. The rest of the world has what nobody is
// promised.
func uplinkTree(m *ispctl.Model, guests []guestClass, leaf func() Kind) Tree {
	up := m.Uplink.Up
	rest := up
	least := up
	for _, g := range guests {
		rest -= g.limits.Guarantee
		least = min(least, g.limits.Guarantee)
	}
	rest = max(rest, ispctl.MinRate)
	share := func(r ispctl.Rate) uint32 {
		return uint32(min(float64(leastQuantum)*float64(r)/float64(least), mostQuantum))
	}
	classes := []Class{class(internetClass, 0, up, up, defaultBurst(up))}
	add := func(minor uint16, rate, ceil ispctl.Rate) {
		c := leafClass(minor, internetClass, rate, ceil, defaultBurst(ceil), leaf)
		c.Quantum = max(share(rate), leastQuantum)
		classes = append(classes, c)
	}
	add(othersClass, rest, up)
	for _, g := range guests {
		ceil := up
		if g.limits.Up > 0 {
			ceil = min(ceil, g.limits.Up)
		}
		add(g.minor, g.limits.Guarantee, ceil)
	}
	slices.SortFunc(classes, func(a, b Class) int { return cmp.Compare(a.Minor, b.Minor) })
	return Tree{Rooted: true, Default: othersClass, Classes: classes}
}

// The sets of the table.
const (
	uplinks = "uplinks"
	classes = "classes"
	class6  = "classes6"
)

// mangle is the priority of that name in nft(8).
const mangle = -150

// DesiredClasses is the table that puts what a guest sends to the Internet into
// its class of the uplink, while its own address is still to be seen.
func DesiredClasses(m *ispctl.Model) (nft.State, error) {
	guests := guestClasses(m)
	if len(guests) == 0 {
		return nft.NewState(), nil
	}
	t := nft.NewTable(nft.Inet, m.Installation.Table(ClassLayer), []nft.Set{
		{Name: uplinks, Key: []nft.Type{nft.TypeIfname}},
		{Name: classes, Key: []nft.Type{nft.TypeIPv4}, Value: []nft.Type{nft.TypeClass}},
		{Name: class6, Key: []nft.Type{nft.TypeIPv6}, Value: []nft.Type{nft.TypeClass}},
	}, []nft.Chain{{
		Name: "forward", Hook: &nft.Hook{Type: "filter", Hook: "forward", Priority: mangle},
		Rules: []nft.Rule{
			nft.NewRule("a guest's class on the uplink", nft.OIFIn(uplinks), nft.FromIPv4(), nft.SetPriority(nft.IPSource, classes)),
			nft.NewRule("the same of IPv6", nft.OIFIn(uplinks), nft.FromIPv6(), nft.SetPriority(nft.IP6Source, class6)),
		},
	}})
	t.Add(uplinks, nft.Elem{Key: nft.Join(nft.Ifname(m.Uplink.Interface))})
	for _, g := range guests {
		for _, nic := range g.vm.NICs {
			if nic.Role == ispctl.AdminNIC {
				continue
			}
			if nic.Addr.IsValid() {
				t.Add(classes, nft.Elem{Key: nft.Join(nft.Addr(nic.Addr)), Value: nft.Join(nft.Class(Major, g.minor))})
			}
			if nic.Addr6.IsValid() {
				t.Add(class6, nft.Elem{Key: nft.Join(nft.Addr(nic.Addr6)), Value: nft.Join(nft.Class(Major, g.minor))})
			}
		}
	}
	return nft.NewState(t), nil
}
