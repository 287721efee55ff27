package ispctl

import "net/netip"

// Address is an external IP address that the operator owns and the provider
// delivers to the uplink.
type Address struct {
	Addr    netip.Addr
	Mode    AddressMode
	VM      Name   // that has it to itself, in every mode but the shared one
	MAC     string // that the provider issued for it, with uplinks of kind vmac or bridged; empty: the host's
	Applied bool
}

// AddressMode is what an address is used for.
type AddressMode string

// Shared is the mode of an address that zones go out with and that forwards
// listen at.
const Shared AddressMode = ""

// Validate checks the address by itself.
func (a Address) Validate() error {
	switch {
	case !a.Addr.IsValid(), a.Addr.Is4In6(), a.Addr.Zone() != "":
		return Invalid("address", a.Addr.String(), "is no IPv4 or IPv6 address")
	case a.Addr.Is6() && !unicast6.Contains(a.Addr) && !local6.Contains(a.Addr):
		return Invalid("address", a.Addr.String(), "is neither of %s nor of %s", unicast6, local6)
	case a.Addr.IsLoopback(), a.Addr.IsMulticast(), a.Addr.IsUnspecified(), a.Addr.IsLinkLocalUnicast(),
		a.Addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return Invalid("address", a.Addr.String(), "can be no host's external address")
	}
	return nil
}
