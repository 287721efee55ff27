package firewall

import (
	"net/netip"

	"ispctl"
	"ispctl/net/nft"
)

// zoneServices is what the host answers to a zone's guests: at its address
// there, and what they ask for that address itself before they have one.
const zoneServices = "zone_services"

// dnsPort is that of DNS (RFC 1035, 4.2).
const dnsPort = 53

func zoneServiceSet() nft.Set {
	return nft.Set{Name: zoneServices, Key: []nft.Type{nft.TypeIfname, nft.TypeIPv4, nft.TypeProto, nft.TypeService}}
}

func zoneServiceRule() nft.Rule {
	return nft.NewRule("DHCP and DNS of the zone", nft.FromIPv4(),
		nft.In(zoneServices, nft.InLink, nft.IPDest, nft.L4, nft.DestPort), nft.Accept())
}

// addZoneServices puts in an element for each way to ask.
func addZoneServices(t nft.Table, m *ispctl.Model) {
	for _, z := range m.Zones {
		open := func(to netip.Addr, proto ispctl.Protocol, port uint16) {
			t.Add(zoneServices, nft.Elem{Key: nft.Join(nft.Ifname(m.Installation.Bridge(z.Name)), nft.Addr(to), nft.Proto(proto), nft.Service(port))})
		}
		if z.DNS {
			open(z.Gateway(), ispctl.UDP, dnsPort)
			open(z.Gateway(), ispctl.TCP, dnsPort)
		}
		if z.DHCP {
			open(netip.AddrFrom4([4]byte{255, 255, 255, 255}), ispctl.UDP, dhcpServer)
			open(z.Gateway(), ispctl.UDP, dhcpServer) // a renewal
		}
	}
}
