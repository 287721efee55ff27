package nat

import (
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
)

// Priorities "dstnat" and "srcnat" of nft(8).
const (
	dstnat = -100
	srcnat = 100
)

// Desired is the one table, with an element per zone that goes out, per admin
// leg and per forward.
func Desired(m *ispctl.Model) (nft.State, error) {
	if !m.Uplink.Configured() && !slices.ContainsFunc(m.Zones, func(z ispctl.Zone) bool { return z.Leg.IsValid() }) {
		return nft.NewState(), nil
	}
	t := nft.NewTable(nft.IP, m.Installation.Table(Layer), []nft.Set{
		{Name: uplinks, Key: []nft.Type{nft.TypeIfname}},
		{Name: sources, Key: []nft.Type{nft.TypeIPv4}, Value: []nft.Type{nft.TypeIPv4}, Interval: true},
		{
			Name: forwards, Key: []nft.Type{nft.TypeIPv4, nft.TypeProto, nft.TypeService},
			Value: []nft.Type{nft.TypeIPv4, nft.TypeService},
		},
		{Name: gateways, Key: []nft.Type{nft.TypeIPv4}, Value: []nft.Type{nft.TypeIPv4}, Interval: true},
		{Name: legs, Key: []nft.Type{nft.TypeIfname}},
		{Name: legGates, Key: []nft.Type{nft.TypeIPv4}, Value: []nft.Type{nft.TypeIPv4}, Interval: true},
	}, chains(m.Installation.LinkPattern()))
	if m.Uplink.Configured() {
		t.Add(uplinks, nft.Elem{Key: nft.Join(nft.Ifname(m.Uplink.Interface))})
	}
	for _, z := range m.Zones {
		key, end := nft.Range(z.Prefix)
		t.Add(gateways, nft.Elem{Key: key, End: end, Value: nft.Join(nft.Addr(z.Gateway()))})
		if source := m.SourceOf(z); source.IsValid() {
			t.Add(sources, nft.Elem{Key: key, End: end, Value: nft.Join(nft.Addr(source))})
		}
	}
	addLegs(t, m)
	for _, f := range m.Forwards {
		if f.Listen.Addr.Is6() {
			continue // a hole in the wall, see net/firewall
		}
		vm, err := m.VM(string(f.VM))
		if err != nil {
			return nil, err
		}
		if len(vm.NICs) == 0 {
			return nil, ispctl.Invalid("forward", f.Listen.String(), "vm %q has no NIC", vm.Name)
		}
		t.Add(forwards, nft.Elem{
			Key:   nft.Join(nft.Addr(f.Listen.Addr), nft.Proto(f.Listen.Proto), nft.Service(f.Listen.Port)),
			Value: nft.Join(nft.Addr(vm.NICs[0].Addr), nft.Service(f.Port)),
		})
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

// chains are the rules; ours matches the name of every link of ours.
func chains(ours string) []nft.Chain {
	return []nft.Chain{
		{
			Name: "prerouting", Hook: &nft.Hook{Type: "nat", Hook: "prerouting", Priority: dstnat},
			Rules: []nft.Rule{
				nft.NewRule("forward to a VM", nft.IIFIn(uplinks), nft.DNATByService(forwards)),
				nft.NewRule("the same from inside: a guest that uses the outside address", nft.IIF(ours), nft.DNATByService(forwards)),
			},
		},
		{
			Name: "postrouting", Hook: &nft.Hook{Type: "nat", Hook: "postrouting", Priority: srcnat},
			Rules: []nft.Rule{
				// A guest needs no route to operators, and learns nothing of
				// where they are; the wall lets it speak to the gateway only.
				nft.NewRule("guests see operators as the gateway of their leg", nft.OIFIn(legs), nft.SNATByDest(legGates)),
				nft.NewRule("a zone goes out with its address", nft.OIFIn(uplinks), nft.SNATBySource(sources)),
				// Two guests of one zone would answer each other directly, past
				// the host, which alone knows of the other address.
				nft.NewRule("from inside: answers come back by the host", nft.OIF(ours), nft.DestinationChanged(), nft.SNATBySource(gateways)),
			},
		},
	}
}
