package ispctl

import "net/netip"

// Address is an external IP address that the operator owns and the provider
// delivers to the uplink.
type Address struct {
	Addr    netip.Addr
	Applied bool
}

// Validate checks the address by itself.
func (a Address) Validate() error {
	switch {
	case !a.Addr.Is4():
		return Invalid("address", a.Addr.String(), "is not IPv4")
	case a.Addr.IsLoopback(), a.Addr.IsMulticast(), a.Addr.IsUnspecified(), a.Addr.IsLinkLocalUnicast(),
		a.Addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return Invalid("address", a.Addr.String(), "can be no host's external address")
	}
	return nil
}
