package ispctl

import "net/netip"

// Zone is a security compartment: a broadcast domain with an address plan,
// closed to every other zone and to the host unless a policy opens it.
type Zone struct {
	ID       int64
	Name     Name
	Prefix   netip.Prefix // IPv4, masked
	VLAN     int          // 0: none
	SNAT     netip.Addr   // external address its outbound traffic bears; invalid: none
	Egress   bool         // its guests may open connections to the Internet
	Isolated bool         // its guests do not see each other
	MTU      int          // of its bridge and taps, in bytes; 0: 1500
	DHCP     bool         // guests are told their address by DHCP as well
	DNS      bool         // the gateway answers names, of the zone's guests first
	Applied  bool         // made by `apply`, so that `apply --prune` may remove it
}

// Bits a zone's prefix may have. A /30 has room for the gateway and one guest.
const (
	minZoneBits = 8
	maxZoneBits = 30
)

// DefaultMTU is Ethernet's, in bytes.
const DefaultMTU = 1500

// Bounds of an MTU: what every IPv4 host must take (RFC 791), and what a tap
// can carry.
const (
	minMTU = 576
	maxMTU = 65521
)

// LinkMTU is the MTU of the zone's bridge and taps.
func (z Zone) LinkMTU() int {
	if z.MTU == 0 {
		return DefaultMTU
	}
	return z.MTU
}

// Gateway is the host's address in the zone: the first one of its prefix.
func (z Zone) Gateway() netip.Addr { return z.Prefix.Addr().Next() }

// GatewayPrefix is the gateway with the zone's prefix length.
func (z Zone) GatewayPrefix() netip.Prefix {
	return netip.PrefixFrom(z.Gateway(), z.Prefix.Bits())
}

// Validate checks the zone by itself; what concerns others is in [Model.Validate].
func (z Zone) Validate() error {
	name := string(z.Name)
	switch {
	case !z.Prefix.IsValid():
		return Invalid("zone", name, "has no prefix")
	case !z.Prefix.Addr().Is4():
		return Invalid("zone", name, "prefix %s is not IPv4", z.Prefix)
	case z.Prefix != z.Prefix.Masked():
		return Invalid("zone", name, "prefix %s has host bits set; did you mean %s?", z.Prefix, z.Prefix.Masked())
	case z.Prefix.Bits() < minZoneBits || z.Prefix.Bits() > maxZoneBits:
		return Invalid("zone", name, "prefix %s: the length must be %d to %d", z.Prefix, minZoneBits, maxZoneBits)
	case z.Prefix.Addr().IsLoopback(), z.Prefix.Addr().IsMulticast(), z.Prefix.Addr().IsLinkLocalUnicast(), z.Prefix.Addr().IsUnspecified():
		return Invalid("zone", name, "prefix %s is loopback, multicast, link-local or unspecified", z.Prefix)
	case z.VLAN < 0 || z.VLAN > 4094:
		return Invalid("zone", name, "vlan %d is not 1 to 4094", z.VLAN)
	case z.MTU != 0 && (z.MTU < minMTU || z.MTU > maxMTU):
		return Invalid("zone", name, "mtu %d is not %d to %d", z.MTU, minMTU, maxMTU)
	}
	return nil
}

// SourceOf is the address that a zone's traffic to the Internet bears: its
// source NAT address, or for a private prefix without one the uplink's own. It
// is invalid for a zone with public addresses, which goes out as it is. What
// may go out at all is the firewall's to say.
func (m *Model) SourceOf(z Zone) netip.Addr {
	switch {
	case z.SNAT.IsValid():
		return z.SNAT
	case private(z.Prefix):
		return m.Uplink.Address.Addr()
	}
	return netip.Addr{}
}

// privatePrefixes may not be seen on the Internet (RFC 1918, RFC 6598).
var privatePrefixes = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("100.64.0.0/10"),
}

func private(p netip.Prefix) bool {
	for _, q := range privatePrefixes {
		if q.Overlaps(p) {
			return true
		}
	}
	return false
}
