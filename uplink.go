package ispctl

import (
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// UplinkKind is how the provider delivers our addresses on the uplink.
type UplinkKind string

// The kinds.
const (
	// Routed: the provider routes every address to the host's own, or asks for
	// it on the link and takes any answer.
	Routed UplinkKind = "routed"
	// VMAC: an address that has a MAC answers, and sends, with that MAC alone.
	VMAC UplinkKind = "vmac"
	// Failover: routed, to whichever server the provider's API says.
	Failover UplinkKind = "failover"
	// Bridged: the uplink is a bridge of the operator's, and a VM can be a port
	// of it, with a MAC that the provider issued.
	Bridged UplinkKind = "bridged"
)

// UplinkKinds are all of them.
var UplinkKinds = []UplinkKind{Routed, VMAC, Failover, Bridged}

// DefaultAddressRest is how long an address that was given back stays with the
// one who had it, unless told otherwise: mail and replies still come for him.
const DefaultAddressRest = 24 * time.Hour

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
	OnMove    string        // program that asks the provider to move an address here; empty: none
	Rest      time.Duration // of an address that was given back; 0: DefaultAddressRest
	Down, Up  Rate          // what the provider delivers; 0: not said, and nothing is shared out
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
	if u.OnMove != "" {
		if _, err := u.Mover(); err != nil {
			return err
		}
	}
	switch {
	case !slices.Contains(UplinkKinds, u.Kind):
		return Invalid("uplink", u.Interface, "kind %q is not known; have: %v", u.Kind, UplinkKinds)
	case u.OnMove != "" && u.Kind != Failover:
		return Invalid("uplink", u.Interface, "on_move is for kind %s; this one is %s", Failover, u.Kind)
	case u.Rest != 0 && (u.Rest < time.Second || u.Rest > maxAddressRest || u.Rest%time.Second != 0):
		return Invalid("uplink", u.Interface, "address rest %s is not whole seconds from 1s to %s", u.Rest, maxAddressRest)
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

// maxAddressRest is a year.
const maxAddressRest = 365 * 24 * time.Hour

// AddressRest is how long an address that was given back rests.
func (u Uplink) AddressRest() time.Duration {
	if u.Rest == 0 {
		return DefaultAddressRest
	}
	return u.Rest
}

// Mover is the program of OnMove and its arguments. Words end at spaces and
// nowhere else: no shell reads them.
func (u Uplink) Mover() ([]string, error) {
	words := strings.Fields(u.OnMove)
	if len(words) == 0 {
		return nil, &Error{
			Kind: Usage, Object: "uplink " + u.Interface, Cause: "has no program that moves addresses",
			Next: "name it: ispctl init --uplink " + u.Interface + " --uplink-kind failover --on-move /PATH/PROGRAM",
		}
	}
	if !filepath.IsAbs(words[0]) || filepath.Clean(words[0]) != words[0] {
		return nil, Invalid("uplink", u.Interface, "on_move %q does not begin with the whole path of a program", u.OnMove)
	}
	return words, nil
}
