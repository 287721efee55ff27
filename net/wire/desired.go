package wire

import (
	"fmt"
	"net"

	"ispctl"
	"ispctl/net/nft"
)

// Layer is the layer's name, and the end of its table's.
const Layer = "wire"

// The sets of the table.
const (
	macs   = "macs"   // the uplink's own, and those of addresses
	issued = "issued" // addresses with a MAC of their own
	pairs  = "pairs"  // the MAC of each
)

// Link is what there is to know of the uplink.
type Link struct {
	MAC    net.HardwareAddr // nil: it has none, or is not there, and no frame leaves by it
	Bridge bool
}

// Desired makes the layer's function of one that looks at the uplink.
func Desired(look func(name string) (Link, error)) func(*ispctl.Model) (nft.State, error) {
	return func(m *ispctl.Model) (nft.State, error) {
		if !m.Uplink.Configured() {
			return nft.NewState(), nil
		}
		link, err := look(m.Uplink.Interface)
		if err != nil {
			return nil, fmt.Errorf("uplink %s: %w", m.Uplink.Interface, err)
		}
		if link.Bridge || len(link.MAC) != 6 {
			return nft.NewState(), nil
		}
		return gate(m, link.MAC)
	}
}

func gate(m *ispctl.Model, own net.HardwareAddr) (nft.State, error) {
	t := nft.NewTable(nft.NetDev, m.Installation.Table(Layer), []nft.Set{
		{Name: macs, Key: []nft.Type{nft.TypeEther}},
		{Name: issued, Key: []nft.Type{nft.TypeIPv4}},
		{Name: pairs, Key: []nft.Type{nft.TypeEther, nft.TypeIPv4}},
	}, []nft.Chain{{
		Name: "leaving-" + m.Uplink.Interface, Hook: &nft.Hook{Type: "filter", Hook: "egress", Device: m.Uplink.Interface},
		Rules: []nft.Rule{
			nft.NewRule("a MAC that the provider did not issue", nft.OnEthernet(nft.NotIn(macs, nft.EtherSource)), nft.Count(), nft.Drop()),
			nft.NewRule("ARP for an address, not with its MAC", nft.IsARP(), nft.In(issued, nft.ARPSenderIP),
				nft.OnEthernet(nft.NotIn(pairs, nft.EtherSource, nft.ARPSenderIP)), nft.Count(), nft.Drop()),
			nft.NewRule("an address, not with its MAC", nft.IsIPv4(), nft.In(issued, nft.IPSource),
				nft.OnEthernet(nft.NotIn(pairs, nft.EtherSource, nft.IPSource)), nft.Count(), nft.Drop()),
		},
	}})
	add := func(set string, fields ...nft.Field) { t.Add(set, nft.Elem{Key: nft.Join(fields...)}) }
	add(macs, nft.MAC(own))
	for _, a := range m.VMACs() {
		mac, err := net.ParseMAC(a.MAC)
		if err != nil {
			return nil, fmt.Errorf("address %s: %w", a.Addr, err)
		}
		add(macs, nft.MAC(mac))
		add(issued, nft.Addr(a.Addr))
		add(pairs, nft.MAC(mac), nft.Addr(a.Addr))
	}
	return nft.NewState(t), nil
}
