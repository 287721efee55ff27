package nat

import (
	"net/netip"
	"slices"

	"ispctl"
	"ispctl/net/nft"
)

// Layer is the layer's name, and the end of its table's.
const Layer = "nat"

// The sets of the table.
const (
	uplinks  = "uplinks"
	sources  = "sources"      // a zone's prefix to the address it goes out with
	forwards = "forwards"     // address, protocol and port to a VM's
	gateways = "gateways"     // a zone's prefix to its gateway
	legs     = "legs"         // bridges of admin legs
	legGates = "leg_gateways" // a leg to its gateway

	ranges    = "ranges"     // address, protocol and ports to a VM's address
	oneToOne  = "one_to_one" // an address to the VM that has it to itself
	vmSources = "vm_sources" // a VM to the address that it has to itself
	routedIn  = "routed_in"  // addresses on VMs' own NICs
)

// Priorities "dstnat" and "srcnat" of nft(8).
const (
	dstnat = -100
	srcnat = 100
)

// Desired is the one table, with an element per zone that goes out, per admin
// leg, per forward, and per VM with an address to itself.
func Desired(m *ispctl.Model) (nft.State, error) {
	if !m.Uplink.Configured() && !slices.ContainsFunc(m.Zones, func(z ispctl.Zone) bool { return z.Leg.IsValid() }) {
		return nft.NewState(), nil
	}
	t := nft.NewTable(nft.IP, m.Installation.Table(Layer), append(markSets(), []nft.Set{
		{Name: uplinks, Key: []nft.Type{nft.TypeIfname}},
		{Name: sources, Key: []nft.Type{nft.TypeIPv4}, Value: []nft.Type{nft.TypeIPv4}, Interval: true},
		{
			Name: forwards, Key: []nft.Type{nft.TypeIPv4, nft.TypeProto, nft.TypeService},
			Value: []nft.Type{nft.TypeIPv4, nft.TypeService},
		},
		{
			Name: ranges, Key: []nft.Type{nft.TypeIPv4, nft.TypeProto, nft.TypeService},
			Value: []nft.Type{nft.TypeIPv4}, Interval: true,
		},
		{Name: oneToOne, Key: []nft.Type{nft.TypeIPv4}, Value: []nft.Type{nft.TypeIPv4}},
		{Name: vmSources, Key: []nft.Type{nft.TypeIPv4}, Value: []nft.Type{nft.TypeIPv4}},
		{Name: routedIn, Key: []nft.Type{nft.TypeIPv4}},
		{Name: gateways, Key: []nft.Type{nft.TypeIPv4}, Value: []nft.Type{nft.TypeIPv4}, Interval: true},
		{Name: legs, Key: []nft.Type{nft.TypeIfname}},
		{Name: legGates, Key: []nft.Type{nft.TypeIPv4}, Value: []nft.Type{nft.TypeIPv4}, Interval: true},
	}...), chains(m.Installation.LinkPattern()))
	for _, link := range m.UplinkLinks() {
		t.Add(uplinks, nft.Elem{Key: nft.Join(nft.Ifname(link))})
	}
	for _, z := range m.Zones {
		key, end := nft.Range(z.Prefix)
		t.Add(gateways, nft.Elem{Key: key, End: end, Value: nft.Join(nft.Addr(z.Gateway()))})
		if source := m.SourceOf(z); source.IsValid() {
			t.Add(sources, nft.Elem{Key: key, End: end, Value: nft.Join(nft.Addr(source))})
		}
	}
	addLegs(t, m)
	if err := addForwards(t, m); err != nil {
		return nil, err
	}
	if err := addVMs(t, m); err != nil {
		return nil, err
	}
	if err := addMarks(t, m); err != nil {
		return nil, err
	}
	return nft.NewState(t), nil
}

// addLegs lets operators be seen on a leg as its gateway.
func addLegs(t nft.Table, m *ispctl.Model) {
	for _, z := range m.Zones {
		if leg := m.LegBridge(z); leg != "" {
			key, end := nft.Range(z.Leg)
			t.Add(legs, nft.Elem{Key: nft.Join(nft.Ifname(leg))})
			t.Add(legGates, nft.Elem{Key: key, End: end, Value: nft.Join(nft.Addr(z.LegGateway()))})
		}
	}
}

func addForwards(t nft.Table, m *ispctl.Model) error {
	for _, f := range m.Forwards {
		if f.Listen.Addr.Is6() {
			continue // a hole in the wall, see net/firewall
		}
		inside, err := insideOf(m, f.VM)
		if err != nil {
			return err
		}
		key := func(port uint16) string {
			return nft.Join(nft.Addr(f.Listen.Addr), nft.Proto(f.Listen.Proto), nft.Service(port))
		}
		if f.Last != 0 {
			t.Add(ranges, nft.Elem{Key: key(f.Listen.Port), End: key(f.Last), Value: nft.Join(nft.Addr(inside))})
			continue
		}
		t.Add(forwards, nft.Elem{Key: key(f.Listen.Port), Value: nft.Join(nft.Addr(inside), nft.Service(f.Port))})
	}
	return nil
}

// addVMs puts in the addresses that VMs have to themselves.
func addVMs(t nft.Table, m *ispctl.Model) error {
	for _, a := range m.Addresses {
		if a.Mode == ispctl.Shared || a.Mode == ispctl.Wire || !a.Addr.Is4() {
			continue
		}
		inside, err := insideOf(m, a.VM)
		if err != nil {
			return err
		}
		switch a.Mode {
		case ispctl.OneToOne:
			t.Add(oneToOne, nft.Elem{Key: nft.Join(nft.Addr(a.Addr)), Value: nft.Join(nft.Addr(inside))})
		case ispctl.RoutedIn:
			t.Add(routedIn, nft.Elem{Key: nft.Join(nft.Addr(a.Addr))})
		}
		if source := m.SourceOfVM(a.VM); source == a.Addr {
			t.Add(vmSources, nft.Elem{Key: nft.Join(nft.Addr(inside)), Value: nft.Join(nft.Addr(source))})
		}
	}
	return nil
}

// insideOf is the address of a VM in its zone.
func insideOf(m *ispctl.Model, name ispctl.Name) (netip.Addr, error) {
	vm, err := m.VM(string(name))
	if err != nil {
		return netip.Addr{}, err
	}
	nics := vm.ZoneNICs()
	if len(nics) == 0 {
		return netip.Addr{}, ispctl.Invalid("vm", string(name), "has no NIC in a zone")
	}
	return nics[0].Addr, nil
}

// chains are the rules; ours matches the name of every link of ours.
func chains(ours string) []nft.Chain {
	return []nft.Chain{
		markChain(ours),
		{
			Name: "prerouting", Hook: &nft.Hook{Type: "nat", Hook: "prerouting", Priority: dstnat},
			Rules: []nft.Rule{
				nft.NewRule("forward to a VM", nft.IIFIn(uplinks), nft.DNATByService(forwards)),
				nft.NewRule("forward of a range of ports", nft.IIFIn(uplinks), nft.DNATByRange(ranges)),
				nft.NewRule("address of one VM", nft.IIFIn(uplinks), nft.DNATByDest(oneToOne)),
				nft.NewRule("the same from inside: a guest that uses the outside address", nft.IIF(ours), nft.DNATByService(forwards)),
				nft.NewRule("the same from inside, of a range", nft.IIF(ours), nft.DNATByRange(ranges)),
				nft.NewRule("the same from inside, of one VM", nft.IIF(ours), nft.DNATByDest(oneToOne)),
			},
		},
		{
			Name: "postrouting", Hook: &nft.Hook{Type: "nat", Hook: "postrouting", Priority: srcnat},
			Rules: []nft.Rule{
				// A guest needs no route to operators, and learns nothing of
				// where they are; the wall lets it speak to the gateway only.
				nft.NewRule("guests see operators as the gateway of their leg", nft.OIFIn(legs), nft.SNATByDest(legGates)),
				nft.NewRule("a VM goes out with an address of its own", nft.OIFIn(uplinks), nft.SNATBySource(vmSources)),
				nft.NewRule("a zone goes out with its address", nft.OIFIn(uplinks), nft.SNATBySource(sources)),
				// Two guests of one zone would answer each other directly, past
				// the host, which alone knows of the other address.
				nft.NewRule("from inside: answers come back by the host", nft.OIF(ours), nft.DestinationChanged(), nft.SNATBySource(gateways)),
				nft.NewRule("the same to an address on a VM's own NIC", nft.OIF(ours), nft.In(routedIn, nft.IPDest), nft.SNATBySource(gateways)),
			},
		},
	}
}
