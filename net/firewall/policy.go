package firewall

import (
	"ispctl"
	"ispctl/net/nft"
)

// Policies are elements of six sets, by what they open (everything, ICMP, a
// port of a transport) and whether it is logged; and of six more for the host,
// where a packet goes out by no link. A set is one look-up, however many
// policies there are.

// shape is a way to open: what stands in the key beside the links and the
// family, and what the packet must be beforehand.
type shape struct {
	name     string
	types    []nft.Type
	operands []nft.Operand
	first    []nft.Stmt
}

// shapes are the ways to open. ICMP is ICMPv6 in IPv6; the two cannot be one
// rule.
var shapes = []shape{
	{name: "any"},
	{name: "icmp", first: []nft.Stmt{nft.L4Proto("icmp", 1)}},
	{name: "icmp", first: []nft.Stmt{nft.L4Proto("ipv6-icmp", 58)}},
	{name: "ports", types: []nft.Type{nft.TypeProto, nft.TypeService}, operands: []nft.Operand{nft.L4, nft.DestPort}},
}

// logPrefix begins a line of the kernel's log for a logged policy.
const logPrefix = "ispctl policy: "

// set is the name of the set of a shape.
func (s shape) set(toHost, logged bool) string {
	name := "open_" + s.name
	if toHost {
		name = "host_" + s.name
	}
	if logged {
		name += "_logged"
	}
	return name
}

// policySets are the sets that policies are elements of.
func policySets() []nft.Set {
	var sets []nft.Set
	seen := map[string]bool{}
	for _, toHost := range []bool{false, true} {
		for _, logged := range []bool{false, true} {
			for _, s := range shapes {
				name := s.set(toHost, logged)
				if seen[name] {
					continue
				}
				seen[name] = true
				key := []nft.Type{nft.TypeIfname}
				if !toHost {
					key = append(key, nft.TypeIfname)
				}
				sets = append(sets, nft.Set{Name: name, Key: append(append(key, nft.TypeFamily), s.types...)})
			}
		}
	}
	return sets
}

// policyRules accept what a policy opens, to the host or between links.
func policyRules(toHost bool) []nft.Rule {
	links := []nft.Operand{nft.InLink}
	if !toHost {
		links = append(links, nft.OutLink)
	}
	var rules []nft.Rule
	for _, logged := range []bool{true, false} {
		for _, s := range shapes {
			operands := append(append(append([]nft.Operand{}, links...), nft.IPVersion), s.operands...)
			stmts := append(append([]nft.Stmt{}, s.first...), nft.In(s.set(toHost, logged), operands...))
			why := "policy"
			if logged {
				why = "policy, logged"
				stmts = append(stmts, nft.LogAs(logPrefix))
			}
			rules = append(rules, nft.NewRule(why, append(stmts, nft.Accept())...))
		}
	}
	return rules
}

// addPolicies puts an element into the table for each policy and each pair of
// links it is about.
func addPolicies(t nft.Table, m *ispctl.Model) {
	for _, p := range m.Policies {
		toHost := p.To == ispctl.Host
		s, what := shapeOf(p.Opening)
		for _, from := range linksOf(m, p.From) {
			for _, to := range linksOf(m, p.To) {
				fields := []nft.Field{nft.Ifname(from)}
				if !toHost {
					fields = append(fields, nft.Ifname(to))
				}
				fields = append(append(fields, familyField(p.Family)), what...)
				t.Add(s.set(toHost, p.Log), nft.Elem{Key: nft.Join(fields...)})
			}
		}
	}
}

// Places in shapes.
const anyShape, icmpShape, portsShape = 0, 1, 3

// shapeOf is how something is opened, and what stands in the key for it.
func shapeOf(o ispctl.Opening) (shape, []nft.Field) {
	switch o.Transport {
	case ispctl.ICMP:
		return shapes[icmpShape], nil
	case ispctl.TransportTCP, ispctl.TransportUDP:
		return shapes[portsShape], []nft.Field{nft.Proto(o.Transport), nft.Service(o.Port)}
	}
	return shapes[anyShape], nil
}

// linksOf are the links that an end is behind; those of the host have no name.
// The Internet is behind none where there is no uplink.
func linksOf(m *ispctl.Model, e ispctl.End) []string {
	switch e {
	case ispctl.Host:
		return []string{""}
	case ispctl.Internet:
		return m.UplinkLinks()
	}
	return []string{m.Installation.Bridge(ispctl.Name(e))}
}

func familyField(f ispctl.Family) nft.Field {
	if f == ispctl.IPv6 {
		return nft.FamilyIPv6
	}
	return nft.FamilyIPv4
}
