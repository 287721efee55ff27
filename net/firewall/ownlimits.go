package firewall

import (
	"cmp"
	"fmt"
	"math"
	"net/netip"
	"slices"

	"ispctl"
	"ispctl/net/nft"
)

// ownConnections are the addresses of guests whose plan says how many
// connections they may have.
const ownConnections = "own_connections"

// ownKind is a limit that a plan or a VM may have.
type ownKind struct {
	name, comment string
	packets       bool // it is held against every packet, not only the first
	of            func(ispctl.Limits) int64
}

func ownKinds() []ownKind {
	return []ownKind{
		{"connections", "more connections than its plan has", false, func(l ispctl.Limits) int64 { return l.Connections }},
		{"opened", "more new connections a second than its plan has", false, func(l ispctl.Limits) int64 { return l.NewConnections }},
		{"packets", "more packets a second than its plan has", true, func(l ispctl.Limits) int64 { return l.Packets }},
	}
}

// ownLimit is a limit and the addresses that have it. It takes a rule per number
// that any plan says, whatever the number of guests; a guest has the addresses
// that the table against spoofing leaves it.
type ownLimit struct {
	ownKind
	n     int64
	addrs []netip.Addr
}

// ownLimits are in the order of kinds, then of numbers.
func ownLimits(m *ispctl.Model) []ownLimit {
	plans := map[ispctl.Name]ispctl.Limits{}
	for _, p := range m.Plans {
		plans[p.Name] = p.Limits
	}
	var all []ownLimit
	for _, k := range ownKinds() {
		var some []ownLimit
		for vm := range m.Guests() {
			n := k.of(vm.Limits.Over(plans[vm.Plan]))
			if n == 0 {
				continue
			}
			at := slices.IndexFunc(some, func(l ownLimit) bool { return l.n == n })
			if at < 0 {
				at, some = len(some), append(some, ownLimit{ownKind: k, n: n})
			}
			for _, nic := range vm.ZoneNICs() {
				for _, a := range []netip.Addr{nic.Addr, nic.Addr6} {
					if a.IsValid() {
						some[at].addrs = append(some[at].addrs, a)
					}
				}
			}
		}
		slices.SortFunc(some, func(a, b ownLimit) int { return cmp.Compare(a.n, b.n) })
		all = append(all, some...)
	}
	return all
}

// who is the set of the guests, and state the set that packets fill.
func (l ownLimit) who(f family) string { return fmt.Sprintf("%s_%d_who%s", l.name, l.n, f.suffix) }

func (l ownLimit) state(f family) string { return fmt.Sprintf("%s_%d_now%s", l.name, l.n, f.suffix) }

func ownLimitSets(own []ownLimit) []nft.Set {
	var sets []nft.Set
	for _, f := range limitFamilies() {
		sets = append(sets, nft.Set{Name: ownConnections + f.suffix, Key: []nft.Type{f.key}})
		for _, l := range own {
			now := nft.Set{Name: l.state(f), Key: []nft.Type{f.key}, Dynamic: true, Size: maxLimited}
			if l.name != "connections" {
				now.Timeout = limitMemo
			}
			sets = append(sets, nft.Set{Name: l.who(f), Key: []nft.Type{f.key}}, now)
		}
	}
	return sets
}

func addOwnLimits(t nft.Table, own []ownLimit) {
	families := limitFamilies()
	for _, l := range own {
		for _, a := range l.addrs {
			f := families[0]
			if a.Is6() {
				f = families[1]
			}
			t.Add(l.who(f), nft.Elem{Key: nft.Join(nft.Addr(a))})
			if l.name == "connections" {
				t.Add(ownConnections+f.suffix, nft.Elem{Key: nft.Join(nft.Addr(a))})
			}
		}
	}
}

// rules drop what is beyond a limit: of packets, or of connections.
func (l ownLimit) rules(packets bool) []nft.Rule {
	if l.packets != packets {
		return nil
	}
	var rules []nft.Rule
	for _, f := range limitFamilies() {
		stmts := []nft.Stmt{nft.IIFIn(zoneLinks), f.is}
		if !packets {
			stmts = append(stmts, nft.InState(nft.New))
		}
		stmts = append(stmts, nft.In(l.who(f), f.source))
		if l.name == "connections" {
			stmts = append(stmts, nft.MoreConnections(l.state(f), uint32(l.n), f.source))
		} else {
			stmts = append(stmts, nft.Faster(l.state(f), uint64(l.n), uint32(min(l.n, math.MaxUint32)), f.source))
		}
		rules = append(rules, nft.NewRule(l.comment, append(stmts, nft.Count(), nft.Drop())...))
	}
	return rules
}

// packetRules stand before the rule for what is established: its packets count.
func packetRules(own []ownLimit) []nft.Rule {
	var rules []nft.Rule
	for _, l := range own {
		rules = append(rules, l.rules(true)...)
	}
	return rules
}
