package firewall

import (
	"net/netip"

	"ispctl"
	"ispctl/net/nft"
)

// zoneServices is what the host answers to a zone's guests: at its address
// there or on the leg, and what they ask for an address itself before they have
// one.
const zoneServices = "zone_services"

// zoneServices6 is the same for IPv6.
const zoneServices6 = "zone_services6"

// dnsPort is that of DNS (RFC 1035, 4.2).
const dnsPort = 53

func zoneServiceSet() nft.Set {
	return nft.Set{Name: zoneServices, Key: []nft.Type{nft.TypeIfname, nft.TypeIPv4, nft.TypeProto, nft.TypeService}}
}

func zoneServiceSet6() nft.Set {
	return nft.Set{Name: zoneServices6, Key: []nft.Type{nft.TypeIfname, nft.TypeIPv6, nft.TypeProto, nft.TypeService}}
}

// allDHCPAgents are the servers of DHCPv6 on a link (RFC 8415, 7.1).
var allDHCPAgents = netip.MustParseAddr("ff02::1:2")

// zoneServiceRules let guests ask. What they say to find their router, and that
// they are there, is no service of a port: without it IPv6 does not work. The
// kernel itself takes it only from the link (RFC 4861, 6.1 and 7.1).
func zoneServiceRules() []nft.Rule {
	discovery := func(name string, number byte) nft.Rule {
		return nft.NewRule("neighbour discovery in a zone with IPv6", nft.IIFIn(zones6), nft.FromIPv6(), nft.ICMPv6(name, number), nft.Accept())
	}
	return []nft.Rule{
		nft.NewRule("service of the host in the zone, or on its leg", nft.FromIPv4(),
			nft.In(zoneServices, nft.InLink, nft.IPDest, nft.L4, nft.DestPort), nft.Accept()),
		nft.NewRule("DHCP and DNS of the zone by IPv6", nft.FromIPv6(),
			nft.In(zoneServices6, nft.InLink, nft.IP6Dest, nft.L4, nft.DestPort), nft.Accept()),
		discovery("nd-neighbor-solicit", neighbourSolicitation),
		discovery("nd-neighbor-advert", neighbourAdvertise),
		discovery("nd-router-solicit", routerSolicitation),
	}
}

// addZoneServices puts in an element for each way to ask.
func addZoneServices(t nft.Table, m *ispctl.Model) {
	for _, z := range m.Zones {
		open := func(to netip.Addr, proto ispctl.Protocol, port uint16) {
			set := zoneServices
			if to.Is6() {
				set = zoneServices6
			}
			t.Add(set, nft.Elem{Key: nft.Join(nft.Ifname(m.Installation.Bridge(z.Name)), nft.Addr(to), nft.Proto(proto), nft.Service(port))})
		}
		if z.DNS {
			open(z.Gateway(), ispctl.UDP, dnsPort)
			open(z.Gateway(), ispctl.TCP, dnsPort)
		}
		if z.DHCP {
			open(netip.AddrFrom4([4]byte{255, 255, 255, 255}), ispctl.UDP, dhcpServer)
			open(z.Gateway(), ispctl.UDP, dhcpServer) // a renewal
		}
		if z.Prefix6.IsValid() && z.DNS {
			open(z.Gateway6(), ispctl.UDP, dnsPort)
			open(z.Gateway6(), ispctl.TCP, dnsPort)
		}
		if z.Prefix6.IsValid() && z.DHCP {
			open(allDHCPAgents, ispctl.UDP, dhcpv6Server)
		}
	}
}
