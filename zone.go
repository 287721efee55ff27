package ispctl

import "net/netip"

// Zone is a security compartment: a broadcast domain with an address plan,
// closed to every other zone and to the host unless a policy opens it.
type Zone struct {
	ID       int64
	Name     Name
	Prefix   netip.Prefix // IPv4, masked
	Prefix6  netip.Prefix // IPv6, masked, routed to the host by the provider; invalid: none
	Leg      netip.Prefix // its stretch of the admin network, IPv4, masked; invalid: none
	Trunk    string       // interface to a switch, by which the zone goes on as VLAN; empty: it ends here
	VLAN     int          // of the trunk; 0: none, see [Zone.VLANAware]. Without a trunk it is a note and does nothing
	SNAT     netip.Addr   // external address its outbound traffic bears; invalid: none
	Egress   bool         // its guests may open connections to the Internet
	Isolated bool         // its guests do not see each other
	MTU      int          // of its bridge and taps, in bytes; 0: 1500
	DHCP     bool         // guests are told their address by DHCP as well
	KSM      bool         // the kernel may merge equal pages of its guests
	DNS      bool         // the gateway answers names, of the zone's guests first
	Flows    bool         // whom its guests speak to is recorded, by hour
	Applied  bool         // made by `apply`, so that `apply --prune` may remove it
}

// Bits a zone's prefix may have. A /30 has room for the gateway and one guest.
const (
	minZoneBits = 8
	maxZoneBits = 30
)

// Bits an IPv6 prefix may have: what a provider delegates at most, and room for
// as many guests as an IPv4 /24 has.
const (
	minZoneBits6 = 32
	maxZoneBits6 = 120
)

// The parts of IPv6 that machines have addresses of: global (RFC 4291) and
// unique local (RFC 4193).
var (
	unicast6 = netip.MustParsePrefix("2000::/3")
	local6   = netip.MustParsePrefix("fc00::/7")
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

// GatewayPrefix6 is the IPv6 gateway with the length of its prefix.
func (z Zone) GatewayPrefix6() netip.Prefix {
	return netip.PrefixFrom(z.Gateway6(), z.Prefix6.Bits())
}

// Global6 reports whether its guests have IPv6 addresses that the Internet can
// answer to.
func (z Zone) Global6() bool {
	return z.Prefix6.IsValid() && unicast6.Contains(z.Prefix6.Addr())
}

// Egress6 reports whether its guests may open connections to the Internet by
// IPv6 as well. Nothing translates IPv6, so unique local addresses stay here.
func (z Zone) Egress6() bool {
	return z.Egress && z.Global6()
}

// GatewayPrefix is the gateway with the zone's prefix length.
func (z Zone) GatewayPrefix() netip.Prefix {
	return netip.PrefixFrom(z.Gateway(), z.Prefix.Bits())
}

// Gateway6 is the host's IPv6 address in the zone: the first one after the
// routers' anycast address (RFC 4291, 2.6.1). It is invalid where the zone has
// no IPv6.
func (z Zone) Gateway6() netip.Addr {
	if !z.Prefix6.IsValid() {
		return netip.Addr{}
	}
	return z.Prefix6.Addr().Next()
}

// LegGateway is the host's address on the zone's leg; invalid: it has none.
func (z Zone) LegGateway() netip.Addr {
	if !z.Leg.IsValid() {
		return netip.Addr{}
	}
	return z.Leg.Addr().Next()
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
	case z.Prefix6.IsValid() && !z.Prefix6.Addr().Is6(), z.Prefix6.Addr().Is4In6():
		return Invalid("zone", name, "prefix %s is not IPv6", z.Prefix6)
	case z.Prefix6.IsValid() && z.Prefix6 != z.Prefix6.Masked():
		return Invalid("zone", name, "prefix %s has host bits set; did you mean %s?", z.Prefix6, z.Prefix6.Masked())
	case z.Prefix6.IsValid() && (z.Prefix6.Bits() < minZoneBits6 || z.Prefix6.Bits() > maxZoneBits6):
		return Invalid("zone", name, "prefix %s: the length must be %d to %d", z.Prefix6, minZoneBits6, maxZoneBits6)
	case z.Prefix6.IsValid() && !unicast6.Contains(z.Prefix6.Addr()) && !local6.Contains(z.Prefix6.Addr()):
		return Invalid("zone", name, "prefix %s is neither of %s nor of %s", z.Prefix6, unicast6, local6)
	case z.DHCP && z.Prefix6.IsValid() && z.Prefix6.Bits() < 64:
		return Invalid("zone", name, "with DHCP the length of prefix %s must be 64 or more; a link is no larger (RFC 4291)", z.Prefix6)
	case z.SNAT.IsValid() && !z.SNAT.Is4():
		return Invalid("zone", name, "snat %s is not IPv4; IPv6 goes out as it is", z.SNAT)
	case z.VLAN < 0 || z.VLAN > 4094:
		return Invalid("zone", name, "vlan %d is not 1 to 4094", z.VLAN)
	case z.MTU != 0 && (z.MTU < minMTU || z.MTU > maxMTU):
		return Invalid("zone", name, "mtu %d is not %d to %d", z.MTU, minMTU, maxMTU)
	}
	return z.validateTrunk()
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

// prefixes are those the zone has.
func (z Zone) prefixes() []netip.Prefix {
	var all []netip.Prefix
	for _, p := range []netip.Prefix{z.Prefix, z.Prefix6, z.Leg} {
		if p.IsValid() {
			all = append(all, p)
		}
	}
	return all
}

// overlaps is a conflict with an older zone, if any.
func (z Zone) overlaps(older Zone) error {
	for _, p := range z.prefixes() {
		for _, q := range older.prefixes() {
			if p.Overlaps(q) {
				return Conflicting("zone", string(z.Name), "prefix %s overlaps %s of zone %q", p, q, older.Name)
			}
		}
	}
	return nil
}

// guestAddr holds an address of a NIC to be one that a guest can have there.
func (z Zone) guestAddr(vm string, role NICRole, addr netip.Addr) error {
	pool, gateway, where := z.Prefix, z.Gateway(), "zone"
	switch {
	case role == AdminNIC:
		pool, gateway, where = z.Leg, z.LegGateway(), "the admin leg of zone"
	case addr.Is6():
		pool, gateway = z.Prefix6, z.Gateway6()
	}
	switch {
	case !pool.IsValid():
		return Conflicting("vm", vm, "has address %s, and %s %q has no prefix for it", addr, where, z.Name)
	case !pool.Contains(addr), addr == pool.Addr(), addr.Is4() && !pool.Contains(addr.Next()):
		return Conflicting("vm", vm, "address %s is no guest's in %s of %s %q", addr, pool, where, z.Name)
	case addr == gateway:
		return Conflicting("vm", vm, "address %s is the gateway of %s %q", addr, where, z.Name)
	}
	return nil
}
