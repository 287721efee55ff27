package firewall

import (
	"net/netip"

	"ispctl/net/nft"
)

// self is what a frame must say of its sender. Most NICs are held to the
// strictest; each opt-out has its own, with sets of its own, so that the rules
// are the same for all.
type self struct {
	mac     nft.Stmt // its Ethernet source
	source4 nft.Stmt // that with its IPv4 source
	source6 nft.Stmt
	arp     nft.Stmt // the sender in an ARP message
	probe   nft.Stmt // the address that a probe asks for
	target  nft.Stmt // what neighbour discovery is about
	no6     nft.Stmt // that it may have an IPv6 address, and bears none yet
}

// itself is the NIC's own MAC and addresses, together.
func itself() self {
	return self{
		mac:     nft.In(macs, nft.InLink, nft.EtherSource),
		source4: nft.In(addresses4, nft.InLink, nft.EtherSource, nft.IPSource),
		source6: nft.In(addresses6, nft.InLink, nft.EtherSource, nft.IP6Source),
		arp:     nft.In(addresses4, nft.InLink, nft.ARPSenderMAC, nft.ARPSenderIP),
		probe:   nft.In(addresses4, nft.InLink, nft.ARPSenderMAC, nft.ARPTargetIP),
		target:  nft.In(targets, nft.InLink, nft.EtherSource, nft.NDTarget),
		no6:     nft.In(macs6, nft.InLink, nft.EtherSource),
	}
}

// byAnyMAC is the NIC's own addresses with whatever MAC.
func byAnyMAC() self {
	return self{
		mac:     nft.In(anyMAC, nft.InLink),
		source4: nft.In(anyMAC4, nft.InLink, nft.IPSource),
		source6: nft.In(anyMAC6, nft.InLink, nft.IP6Source),
		arp:     nft.In(anyMAC4, nft.InLink, nft.ARPSenderIP),
		probe:   nft.In(anyMAC4, nft.InLink, nft.ARPTargetIP),
		target:  nft.In(anyMACTargets, nft.InLink, nft.NDTarget),
		no6:     nft.In(anyMACHas6, nft.InLink),
	}
}

// byAnyAddress is the NIC's own MAC with whatever address.
func byAnyAddress() self {
	return whoever(nft.In(anyAddress, nft.InLink, nft.EtherSource), nft.In(anyAddress, nft.InLink, nft.ARPSenderMAC))
}

// byAnything is whatever comes by the tap.
func byAnything() self {
	own := nft.In(anybody, nft.InLink)
	return whoever(own, own)
}

// whoever is a sender of whom only the NIC is known. Its address has to be one
// that a machine can have.
func whoever(sender, arpSender nft.Stmt) self {
	four := func(o nft.Operand) nft.Stmt {
		return nft.All(o.Between(addr("1.0.0.0"), addr("223.255.255.255")), o.NotUnder(netip.MustParsePrefix("127.0.0.0/8")))
	}
	six := nft.All(nft.IP6Source.NotUnder(netip.MustParsePrefix("ff00::/8")), nft.IP6Source.Not(addr("::")), nft.IP6Source.Not(addr("::1")))
	return self{
		mac:     sender,
		source4: nft.All(sender, four(nft.IPSource)),
		source6: nft.All(sender, six),
		arp:     nft.All(arpSender, four(nft.ARPSenderIP)),
		probe:   nft.All(arpSender, four(nft.ARPTargetIP)),
		target:  nft.All(sender, nft.NDTarget.Not(make(nft.Field, 16))),
		no6:     sender,
	}
}
