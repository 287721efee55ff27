package ispctl

import "net/netip"

// UplinkKind is how the provider delivers our addresses on the uplink.
type UplinkKind string

// Routed is the one kind so far: every address is routed to the host's own.
const Routed UplinkKind = "routed"

// Uplink is the interface to the provider. It is the host's, not ours: its
// address and default route are put in place where they are missing and never
// taken away.
type Uplink struct {
	Interface string
	Kind      UplinkKind
	Address   netip.Prefix // the host's own, with the length of the on-link net; may be invalid
	Gateway   netip.Addr   // may be invalid, and may lie outside Address
	Address6  netip.Prefix // the same for IPv6
	Gateway6  netip.Addr
	OnMove    string // program that asks the provider to move an address here; empty: none
	Down, Up  Rate   // what the provider delivers; 0: not said, and nothing is shared out
}

// MaxInterfaceName is IFNAMSIZ-1: the longest interface name in bytes.
const MaxInterfaceName = 15

// ValidateInterface checks that s can be the name of a network interface
// (dev_valid_name in net/core/dev.c).
func ValidateInterface(s string) error {
	switch {
	case s == "":
		return Invalid("interface", s, "the name is empty")
	case len(s) > MaxInterfaceName:
		return Invalid("interface", s, "the name is %d bytes; the kernel takes %d", len(s), MaxInterfaceName)
	case s == "." || s == "..":
		return Invalid("interface", s, "the name is a directory's")
	}
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || c == '/' || c == ':' || c == '"' || c == '*' {
			return Invalid("interface", s, "the name has a character no interface should have")
		}
	}
	return nil
}

// Configured reports whether an uplink has been declared at all.
func (u Uplink) Configured() bool { return u.Interface != "" }

// Validate checks the uplink by itself.
func (u Uplink) Validate() error {
	if !u.Configured() {
		return nil
	}
	if err := ValidateInterface(u.Interface); err != nil {
		return err
	}
	switch {
	case u.Kind != Routed:
		return Invalid("uplink", u.Interface, "kind %q is not known; have: %s", u.Kind, Routed)
	case u.Address.IsValid() && !u.Address.Addr().Is4():
		return Invalid("uplink", u.Interface, "address %s is not IPv4", u.Address)
	case u.Gateway.IsValid() && !u.Gateway.Is4():
		return Invalid("uplink", u.Interface, "gateway %s is not IPv4", u.Gateway)
	case u.Address6.IsValid() && (!u.Address6.Addr().Is6() || u.Address6.Addr().Is4In6()):
		return Invalid("uplink", u.Interface, "address %s is not IPv6", u.Address6)
	case u.Gateway6.IsValid() && (!u.Gateway6.Is6() || u.Gateway6.Is4In6() || u.Gateway6.Zone() != ""):
		return Invalid("uplink", u.Interface, "gateway %s is not IPv6", u.Gateway6)
	case u.Gateway6.IsValid() && u.Gateway6 == u.Address6.Addr():
		return Invalid("uplink", u.Interface, "gateway %s is the host's own address", u.Gateway6)
	case u.Gateway.IsValid() && u.Gateway == u.Address.Addr():
		return Invalid("uplink", u.Interface, "gateway %s is the host's own address", u.Gateway)
	}
	for _, r := range []Rate{u.Down, u.Up} {
		if r != 0 && (r < MinRate || r > MaxUplinkRate || r%8 != 0) {
			return Invalid("uplink", u.Interface, "rate %s is not %s to %s in whole bytes", r, MinRate, MaxUplinkRate)
		}
	}
	return nil
}
