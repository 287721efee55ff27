package route

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"ispctl"
)

// Guest is an external address on a guest's own NIC, and the link it is behind.
type Guest struct {
	Addr netip.Addr
	Link string
}

func (g Guest) text(remove bool) string {
	verb := "append"
	if remove {
		verb = "delete"
	}
	return fmt.Sprintf("ip route %s %s dev %s scope link proto %d", verb, g.Addr, g.Link, Protocol)
}

// Way is the default route of an address with a MAC of its own, in a table of
// its own: by the link that bears the MAC.
type Way struct {
	Addr    netip.Addr
	Link    string
	Gateway netip.Addr
}

func (w Way) text(remove bool) string {
	verb := "append"
	if remove {
		verb = "delete"
	}
	return fmt.Sprintf("ip route %s default via %s dev %s onlink table %d proto %d", verb, w.Gateway, w.Link, ispctl.WayMark(w.Addr), Protocol)
}

// Rule sends traffic to a table: what bears a mark, which is what guests send,
// or comes from an address, which is what the host sends. A guest's packet
// bears the address only after it has been routed.
type Rule struct {
	From  netip.Addr // invalid: whatever bears the table's number as its mark
	Table uint32
}

// Priorities of our rules, before those of the main table (32766).
const (
	markPriority = 7300
	fromPriority = 7301
)

func (r Rule) priority() int {
	if r.From.IsValid() {
		return fromPriority
	}
	return markPriority
}

func (r Rule) text(remove bool) string {
	verb, what := "add", fmt.Sprintf("fwmark 0x%x", r.Table)
	if remove {
		verb = "delete"
	}
	if r.From.IsValid() {
		what = "from " + r.From.String()
	}
	return fmt.Sprintf("ip rule %s %s lookup %d priority %d protocol %d", verb, what, r.Table, r.priority(), Protocol)
}

// addGuests leads addresses to the guests that have them on their own NICs, and
// answers for them, and for no other, on the uplink.
func addGuests(s State, m *ispctl.Model) error {
	for _, a := range m.Addresses {
		if a.Mode != ispctl.RoutedIn {
			continue
		}
		vm, err := m.VM(string(a.VM))
		if err != nil {
			return err
		}
		nics := vm.ZoneNICs()
		if len(nics) == 0 {
			return ispctl.Invalid("vm", string(vm.Name), "has no NIC in a zone")
		}
		s.Guests[Guest{a.Addr, m.Installation.Bridge(nics[0].Zone)}] = true
		if a.Addr.Is4() && m.Uplink.Configured() {
			s.Proxies[Proxy{m.LinkOf(a), a.Addr}] = true
		}
	}
	return nil
}

func addWays(s State, m *ispctl.Model) {
	for _, a := range m.VMACs() {
		s.Ways[Way{a.Addr, m.Installation.VMACLink(a.Addr), m.Uplink.Gateway}] = true
		s.Rules[Rule{Table: ispctl.WayMark(a.Addr)}] = true
		s.Rules[Rule{From: a.Addr, Table: ispctl.WayMark(a.Addr)}] = true
	}
}

// diffGuests makes ways before the rules that lead to them. What is in another
// place now is made there before it is taken away here.
func diffGuests(want, have State) []Change {
	var changes []Change
	compareGuests := func(a, b Guest) int { return cmp.Or(a.Addr.Compare(b.Addr), cmp.Compare(a.Link, b.Link)) }
	compareWays := func(a, b Way) int {
		return cmp.Or(a.Addr.Compare(b.Addr), cmp.Compare(a.Link, b.Link), a.Gateway.Compare(b.Gateway))
	}
	compareRules := func(a, b Rule) int { return cmp.Or(cmp.Compare(a.Table, b.Table), a.From.Compare(b.From)) }
	guests := func(in, other State, remove bool) {
		for _, g := range slices.SortedFunc(maps.Keys(in.Guests), compareGuests) {
			if !other.Guests[g] {
				changes = append(changes, Change{Guest: g, Delete: remove})
			}
		}
	}
	ways := func(in, other State, remove bool) {
		for _, w := range slices.SortedFunc(maps.Keys(in.Ways), compareWays) {
			if !other.Ways[w] {
				changes = append(changes, Change{Way: w, Delete: remove})
			}
		}
	}
	rules := func(in, other State, remove bool) {
		for _, r := range slices.SortedFunc(maps.Keys(in.Rules), compareRules) {
			if !other.Rules[r] {
				changes = append(changes, Change{Rule: r, Delete: remove})
			}
		}
	}
	guests(want, have, false)
	ways(want, have, false)
	rules(want, have, false)
	rules(have, want, true)
	ways(have, want, true)
	guests(have, want, true)
	return changes
}
