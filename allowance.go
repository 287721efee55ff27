package ispctl

import "slices"

// The opt-outs. Each opens one kind of frame and no other; what names a guest
// falsely in one way stays closed when it is not that way that is opened.
const (
	// AllowMACSpoofing lets frames bear any Ethernet address of one machine: for
	// a guest that is a bridge itself.
	AllowMACSpoofing Allowance = "allow_mac_spoofing"
	// AllowIPSpoofing lets packets bear any address: for a router or a VPN.
	AllowIPSpoofing Allowance = "allow_ip_spoofing"
	// AllowDHCPSpoofing lets a guest answer as a DHCP server of either version
	// does, and advertise itself as an IPv6 router.
	AllowDHCPSpoofing Allowance = "allow_dhcp_spoofing"
	// AllowRestrictedTraffic lets through what guests have no use for: groups,
	// transports such as VRRP and OSPF, and Ethernet types other than IP's.
	// What bridges say to each other (STP, LLDP) stays closed.
	AllowRestrictedTraffic Allowance = "allow_restricted_traffic"
)

// Allowances are all opt-outs there are, sorted.
func Allowances() []Allowance {
	return []Allowance{AllowDHCPSpoofing, AllowIPSpoofing, AllowMACSpoofing, AllowRestrictedTraffic}
}

// ParseAllowance reads the name of an opt-out.
func ParseAllowance(s string) (Allowance, error) {
	if a := Allowance(s); slices.Contains(Allowances(), a) {
		return a, nil
	}
	return "", Invalid("allowance", s, "is none of %v", Allowances())
}

// Allows reports whether the NIC has an opt-out.
func (n NIC) Allows(a Allowance) bool { return slices.Contains(n.Allow, a) }

// validateAllow checks the opt-outs of a NIC.
func (n NIC) validateAllow(vm Name) error {
	for i, a := range n.Allow {
		if _, err := ParseAllowance(string(a)); err != nil {
			return err
		}
		if i > 0 && n.Allow[i-1] >= a {
			return Invalid("vm", string(vm), "nic %d: allowances %v are not in order, each once", n.Index, n.Allow)
		}
	}
	switch {
	case len(n.Allow) == 0:
	case n.Role == AdminNIC:
		return Conflicting("vm", string(vm), "nic %d is on an admin leg, where a guest answers its gateway and nothing is opened", n.Index)
	case n.Role == WireNIC:
		return Conflicting("vm", string(vm), "nic %d is on the uplink, where the provider takes the MAC and address that it issued and nothing else", n.Index)
	}
	return nil
}
