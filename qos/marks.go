package qos

import (
	"fmt"
	"net/netip"
	"slices"

	"ispctl"
	"ispctl/net/nft"
)

// ClassLayer is the layer of what packets are told while they are routed: their
// class on the uplink, their mark of urgency, and that they are too many for one
// connection. It is the end of its table's name, too.
const ClassLayer = "qos"

// The sets of the table that it always has.
const (
	uplinks = "uplinks"
	classes = "classes"
)

// mangle is the priority of that name in nft(8).
const mangle = -150

// family is what rules of one version of IP differ in.
type family struct {
	six            bool
	suffix         string
	is             nft.Stmt
	source, target nft.Operand
	addr           nft.Type
}

func families() []family {
	return []family{
		{false, "", nft.FromIPv4(), nft.IPSource, nft.IPDest, nft.TypeIPv4},
		{true, "6", nft.FromIPv6(), nft.IP6Source, nft.IP6Dest, nft.TypeIPv6},
	}
}

func familyOf(a netip.Addr) family {
	if a.Is4() {
		return families()[0]
	}
	return families()[1]
}

// DesiredClasses is the table that judges what guests exchange with the
// Internet while their own addresses are still to be seen.
func DesiredClasses(m *ispctl.Model) (nft.State, error) {
	guests, marked, each := guestClasses(m), markedGuests(m), eachConnection(m)
	for _, g := range members(m) {
		guests = append(guests, g.guestClass)
	}
	if len(guests)+len(marked)+len(each) == 0 || !m.Uplink.Configured() {
		return nft.NewState(), nil
	}
	sets := []nft.Set{{Name: uplinks, Key: []nft.Type{nft.TypeIfname}}}
	var rules []nft.Rule
	for _, f := range families() {
		sets = append(sets, nft.Set{Name: classes + f.suffix, Key: []nft.Type{f.addr}, Value: []nft.Type{nft.TypeClass}})
		rules = append(rules,
			nft.NewRule("a guest's class on the uplink", nft.OIFIn(uplinks), f.is, nft.SetPriority(f.source, classes+f.suffix)),
			nft.NewRule("and of what comes in by it", nft.IIFIn(uplinks), f.is, nft.SetPriority(f.target, classes+f.suffix)))
	}
	for _, g := range marked {
		sets, rules = append(sets, g.sets()...), append(rules, g.rules()...)
	}
	var chains []nft.Chain
	for _, l := range each {
		sets, rules, chains = append(sets, l.sets()...), append(rules, l.rules()...), append(chains, l.chain())
	}
	forward := nft.Chain{Name: "forward", Hook: &nft.Hook{Type: "filter", Hook: "forward", Priority: mangle}, Rules: rules}
	t := nft.NewTable(nft.Inet, m.Installation.Table(ClassLayer), sets, append(chains, forward))
	t.Add(uplinks, nft.Elem{Key: nft.Join(nft.Ifname(m.Uplink.Interface))})
	for _, g := range guests {
		for _, a := range addresses(g.vm) {
			t.Add(classes+familyOf(a).suffix, nft.Elem{Key: nft.Join(nft.Addr(a)), Value: nft.Join(nft.Class(Major, g.minor))})
		}
	}
	for _, g := range marked {
		for _, a := range g.addrs {
			t.Add(g.set(familyOf(a)), nft.Elem{Key: nft.Join(nft.Addr(a))})
		}
	}
	for _, l := range each {
		l.fill(t)
	}
	return nft.NewState(t), nil
}

// addresses are those of a guest that are the Internet's ends of it.
func addresses(vm ispctl.VM) []netip.Addr {
	var all []netip.Addr
	for _, nic := range vm.NICs {
		if nic.Role == ispctl.AdminNIC {
			continue
		}
		for _, a := range []netip.Addr{nic.Addr, nic.Addr6} {
			if a.IsValid() {
				all = append(all, a)
			}
		}
	}
	return all
}

// marking is a mark of urgency and who has it written into what he sends. It
// costs a rule per mark, whatever the number of guests.
type marking struct {
	mark  byte
	addrs []netip.Addr
}

func markedGuests(m *ispctl.Model) []marking {
	plans := map[ispctl.Name]ispctl.Limits{}
	for _, p := range m.Plans {
		plans[p.Name] = p.Limits
	}
	by := map[byte][]netip.Addr{}
	for vm := range m.Guests() {
		if mark, marks := vm.Limits.Over(plans[vm.Plan]).DSCP.Mark(); marks {
			by[mark] = append(by[mark], addresses(vm)...)
		}
	}
	var all []marking
	for mark := byte(0); mark < 64; mark++ {
		if len(by[mark]) > 0 {
			all = append(all, marking{mark, by[mark]})
		}
	}
	return all
}

func (g marking) set(f family) string {
	return fmt.Sprintf("dscp_%s%s", ispctl.DSCPName(g.mark), f.suffix)
}

func (g marking) sets() []nft.Set {
	var sets []nft.Set
	for _, f := range families() {
		sets = append(sets, nft.Set{Name: g.set(f), Key: []nft.Type{f.addr}})
	}
	return sets
}

func (g marking) rules() []nft.Rule {
	var rules []nft.Rule
	for _, f := range families() {
		rules = append(rules, nft.NewRule("what it sends bears the mark it shall have",
			nft.OIFIn(uplinks), f.is, nft.In(g.set(f), f.source), nft.SetDSCP(f.six, ispctl.DSCPName(g.mark), g.mark)))
	}
	return rules
}

// connectionRate is a rate that each connection of some flows has to itself. It
// costs a chain per rate, whatever the number of flows.
type connectionRate struct {
	rate  ispctl.Rate
	flows []eachFlow
}

type eachFlow struct {
	ispctl.Flow
	addrs []netip.Addr
}

func eachConnection(m *ispctl.Model) []connectionRate {
	guests := map[ispctl.Name]ispctl.VM{}
	for vm := range m.Guests() {
		guests[vm.Name] = vm
	}
	by := map[ispctl.Rate][]eachFlow{}
	var rates []ispctl.Rate
	for _, f := range m.Flows {
		vm, runs := guests[f.VM]
		if !f.Each || !runs {
			continue
		}
		if by[f.Rate] == nil {
			rates = append(rates, f.Rate)
		}
		by[f.Rate] = append(by[f.Rate], eachFlow{f, addresses(vm)})
	}
	slices.Sort(rates)
	var all []connectionRate
	for _, r := range rates {
		all = append(all, connectionRate{r, by[r]})
	}
	return all
}

// What a connection may send at full speed after a pause: a fifth of a second,
// and two of the biggest packets that a guest's own segmentation makes.
const (
	eachPause = 5
	leastEach = 2 * 65536
)

// How many connections are told apart for each rate, and how long one is
// remembered that says nothing.
const (
	mostEach = 65536
	eachMemo = 60e9 // nanoseconds
)

func (l connectionRate) name(what string, f family) string {
	return fmt.Sprintf("each_%d_%s%s", int64(l.rate), what, f.suffix)
}

func (l connectionRate) chainName() string { return fmt.Sprintf("each_%d", int64(l.rate)) }

func (l connectionRate) sets() []nft.Set {
	var sets []nft.Set
	for _, f := range families() {
		sets = append(sets,
			nft.Set{Name: l.name("who", f), Key: []nft.Type{f.addr, nft.TypeProto, nft.TypeService, f.addr}, Interval: true},
			nft.Set{
				Name: l.name("now", f), Key: []nft.Type{f.addr, f.addr, nft.TypeProto, nft.TypeService, nft.TypeService},
				Dynamic: true, Size: mostEach, Timeout: eachMemo,
			})
	}
	return sets
}

// rules send what matches to the rate's chain; the port is that of either end.
func (l connectionRate) rules() []nft.Rule {
	var rules []nft.Rule
	for _, f := range families() {
		for _, port := range []nft.Operand{nft.PortSource, nft.PortDest} {
			rules = append(rules,
				nft.NewRule("what a guest sends in connections that have a rate each",
					nft.OIFIn(uplinks), f.is, nft.In(l.name("who", f), f.source, nft.L4, port, f.target), nft.Jump(l.chainName())),
				nft.NewRule("what a guest receives in them",
					nft.IIFIn(uplinks), f.is, nft.In(l.name("who", f), f.target, nft.L4, port, f.source), nft.Jump(l.chainName())))
		}
	}
	return rules
}

func (l connectionRate) chain() nft.Chain {
	c := nft.Chain{Name: l.chainName()}
	perSecond := uint64(l.rate / 8)
	for _, f := range families() {
		c.Rules = append(c.Rules, nft.NewRule("more than the rate of one connection", f.is,
			nft.FasterBytes(l.name("now", f), perSecond, uint32(max(perSecond/eachPause, leastEach)), f.source, f.target, nft.L4, nft.PortSource, nft.PortDest),
			nft.Count(), nft.Drop()))
	}
	// It is counted once, though both ports may be the one that is meant.
	c.Rules = append(c.Rules, nft.NewRule("within it", nft.Accept()))
	return c
}

func (l connectionRate) fill(t nft.Table) {
	for _, flow := range l.flows {
		for _, a := range flow.addrs {
			f := familyOf(a)
			remote := flow.Remote
			switch {
			case !remote.IsValid():
				remote = netip.PrefixFrom(a, 0).Masked()
			case remote.Addr().Is4() != a.Is4():
				continue
			}
			head := func(last []byte) string {
				return nft.Join(nft.Addr(a), nft.Proto(flow.Match.Transport), nft.Service(flow.Match.Port), nft.Field(last))
			}
			t.Add(l.name("who", f), nft.Elem{Key: head(remote.Addr().AsSlice()), End: head(lastOf(remote))})
		}
	}
}

// lastOf is the last address of a prefix.
func lastOf(p netip.Prefix) []byte {
	b := p.Masked().Addr().AsSlice()
	for i := range b {
		if bits := p.Bits() - 8*i; bits < 8 {
			b[i] |= 0xff >> max(bits, 0)
		}
	}
	return b
}
