package firewall

import (
	"ispctl"
	"ispctl/net/nft"
)

// An external address that a VM has whole, and not a port of it, opens nothing
// by itself: policies from the Internet to the VM's zone say what gets in. What
// they let in from outside a zone that may go out gets too, by the same
// address, as if it had gone round by the Internet.

// whole is the set of these addresses.
const whole = "whole"

// insideSet is the set of what policies from the Internet open, of a shape.
func insideSet(s shape) string { return "inside_" + s.name }

func wholeSets() []nft.Set {
	sets := []nft.Set{{Name: whole, Key: []nft.Type{nft.TypeIPv4}}}
	for _, i := range []int{anyShape, icmpShape, portsShape} {
		s := shapes[i]
		sets = append(sets, nft.Set{Name: insideSet(s), Key: append([]nft.Type{nft.TypeIfname}, s.types...)})
	}
	return sets
}

// notWhole matches what was never for such an address.
func notWhole() nft.Stmt { return nft.NotIn(whole, nft.OriginalDest) }

func wholeRules() []nft.Rule {
	var rules []nft.Rule
	for _, i := range []int{anyShape, icmpShape, portsShape} {
		s := shapes[i]
		rules = append(rules, rule("from inside, as from the Internet", nft.IIFIn(egress), nft.OIFIn(zoneLinks), nft.In(whole, nft.OriginalDest),
			s.first, nft.In(insideSet(s), append([]nft.Operand{nft.OutLink}, s.operands...)...), nft.Accept()))
	}
	return rules
}

func addWhole(t nft.Table, m *ispctl.Model) {
	for _, a := range m.Addresses {
		if a.Addr.Is4() && (a.Mode == ispctl.OneToOne || a.Mode == ispctl.RoutedIn) {
			t.Add(whole, element(nft.Addr(a.Addr)))
		}
	}
	for _, p := range m.Policies {
		if p.From != ispctl.Internet || p.To == ispctl.Host || p.Family != ispctl.IPv4 {
			continue
		}
		s, fields := shapeOf(p.Opening)
		t.Add(insideSet(s), element(append([]nft.Field{nft.Ifname(m.Installation.Bridge(ispctl.Name(p.To)))}, fields...)...))
	}
}
