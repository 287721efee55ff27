package nat

import (
	"net/netip"

	"ispctl"
	"ispctl/net/nft"
)

// An address with a MAC of its own has a link of its own, and what bears the
// address leaves by that one. A guest's packet is routed before it bears it, so
// it is marked: with the address, which is also the number of its routing table
// (see net/route).

// The sets of marks.
const (
	inside    = "inside"     // what is not out by any uplink: prefixes of zones and legs, addresses on guests
	wayBack   = "way_back"   // an address that a connection came to, to its mark
	zoneMarks = "zone_marks" // a zone's prefix to the mark of the address it goes out with
	vmMarks   = "vm_marks"   // a VM that has an address to itself, to its mark, or to none
)

// markPriority is after destinations are changed, which says whether a packet
// stays inside, and before it is routed.
const markPriority = dstnat + 10

func markSets() []nft.Set {
	v4, mark := []nft.Type{nft.TypeIPv4}, []nft.Type{nft.TypeMark}
	return []nft.Set{
		{Name: inside, Key: v4, Interval: true},
		{Name: wayBack, Key: v4, Value: mark},
		{Name: zoneMarks, Key: v4, Value: mark, Interval: true},
		{Name: vmMarks, Key: v4, Value: mark},
	}
}

func markChain(ours string) nft.Chain {
	out := func() []nft.Stmt { return []nft.Stmt{nft.IIF(ours), nft.NotIn(inside, nft.IPDest)} }
	return nft.Chain{
		Name: "marks", Hook: &nft.Hook{Type: "filter", Hook: "prerouting", Priority: markPriority},
		Rules: []nft.Rule{
			nft.NewRule("back by the link it came by", append(out(), nft.Back(), nft.MarkBy(wayBack, nft.OriginalDest))...),
			nft.NewRule("out by the link of the zone's address", append(out(), nft.Onward(), nft.MarkBy(zoneMarks, nft.IPSource))...),
			nft.NewRule("out by the link of the VM's own address", append(out(), nft.Onward(), nft.MarkBy(vmMarks, nft.IPSource))...),
		},
	}
}

// addMarks puts in what addresses with a MAC of their own need; without any, no
// packet is marked.
func addMarks(t nft.Table, m *ispctl.Model) error {
	marks := map[netip.Addr]nft.Field{}
	for _, a := range m.VMACs() {
		marks[a.Addr] = nft.Mark(ispctl.WayMark(a.Addr))
		t.Add(wayBack, nft.Elem{Key: nft.Join(nft.Addr(a.Addr)), Value: nft.Join(marks[a.Addr])})
	}
	if len(marks) == 0 {
		return nil
	}
	for _, z := range m.Zones {
		for _, p := range []netip.Prefix{z.Prefix, z.Leg} {
			if p.IsValid() {
				key, end := nft.Range(p)
				t.Add(inside, nft.Elem{Key: key, End: end})
			}
		}
		if mark, has := marks[m.SourceOf(z)]; has {
			key, end := nft.Range(z.Prefix)
			t.Add(zoneMarks, nft.Elem{Key: key, End: end, Value: nft.Join(mark)})
		}
	}
	for _, a := range m.Addresses {
		if !a.Addr.Is4() || a.Mode == ispctl.Shared || a.Mode == ispctl.Wire {
			continue
		}
		mark, has := marks[a.Addr]
		if !has {
			mark = nft.Mark(0) // not by the zone's either
		}
		if a.Mode == ispctl.RoutedIn {
			key, end := nft.Range(netip.PrefixFrom(a.Addr, a.Addr.BitLen()))
			t.Add(inside, nft.Elem{Key: key, End: end})
			t.Add(vmMarks, nft.Elem{Key: nft.Join(nft.Addr(a.Addr)), Value: nft.Join(mark)})
		}
		if m.SourceOfVM(a.VM) != a.Addr {
			continue
		}
		vm, err := insideOf(m, a.VM)
		if err != nil {
			return err
		}
		t.Add(vmMarks, nft.Elem{Key: nft.Join(nft.Addr(vm)), Value: nft.Join(mark)})
	}
	return nil
}
