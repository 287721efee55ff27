package ispctl

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"time"
)

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

// The modes.
const (
	// Shared: zones go out with it, and forwards listen at it.
	Shared AddressMode = ""
	// SourceNAT: what one VM sends to the Internet bears it. Forwards may listen
	// at it.
	SourceNAT AddressMode = "snat"
	// OneToOne: it is the VM's both ways. What arrives for it is sent on to the
	// VM, as far as policies from the Internet to its zone let it in.
	OneToOne AddressMode = "one-to-one"
	// RoutedIn: it is on the VM's own NIC, and nothing is translated. Policies
	// hold as for any address of the zone.
	RoutedIn AddressMode = "routed"
	// Wire: it is on a NIC of the VM that is a port of the uplink's own bridge,
	// past the zone and its policies.
	Wire AddressMode = "wire"
)

// VMModes are those in which one VM has the address to itself.
var VMModes = []AddressMode{SourceNAT, OneToOne, RoutedIn, Wire}

// ParseVMMode reads one of [VMModes].
func ParseVMMode(s string) (AddressMode, error) {
	if m := AddressMode(s); slices.Contains(VMModes, m) {
		return m, nil
	}
	return "", Invalid("mode", s, "is not known; have: %v", VMModes)
}

// Rest is an address that was given back, and who had it: nobody else gets it
// before that time.
type Rest struct {
	Addr  netip.Addr
	VM    Name
	Until time.Time
}

// Validate checks the address by itself.
func (a Address) Validate() error {
	name := a.Addr.String()
	switch {
	case !a.Addr.IsValid(), a.Addr.Is4In6(), a.Addr.Zone() != "":
		return Invalid("address", name, "is no IPv4 or IPv6 address")
	case a.Addr.Is6() && !unicast6.Contains(a.Addr) && !local6.Contains(a.Addr):
		return Invalid("address", name, "is neither of %s nor of %s", unicast6, local6)
	case a.Addr.IsLoopback(), a.Addr.IsMulticast(), a.Addr.IsUnspecified(), a.Addr.IsLinkLocalUnicast(),
		a.Addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return Invalid("address", name, "can be no host's external address")
	case a.Mode != Shared && !slices.Contains(VMModes, a.Mode):
		return Invalid("address", name, "mode %q is not known; have: %v", a.Mode, VMModes)
	case a.Mode == Shared && a.VM != "":
		return Invalid("address", name, "is vm %q's in no mode; have: %v", a.VM, VMModes)
	case a.Mode != Shared && a.VM == "":
		return Invalid("address", name, "mode %s needs a VM", a.Mode)
	case a.Addr.Is6() && (a.Mode == SourceNAT || a.Mode == OneToOne):
		return Invalid("address", name, "mode %s is for IPv4; nothing translates IPv6, so use %s", a.Mode, RoutedIn)
	}
	if a.MAC == "" {
		return nil
	}
	mac, err := ParseMAC(a.MAC)
	if err == nil && mac != a.MAC {
		return Invalid("address", name, "MAC %s is not written as %s", a.MAC, mac)
	}
	return err
}

// ParseMAC reads the Ethernet address of one machine, and writes it in one way.
func ParseMAC(s string) (string, error) {
	mac, err := net.ParseMAC(s)
	switch {
	case err != nil || len(mac) != 6:
		return "", Invalid("MAC", s, "is not six bytes in hex, as 00:50:56:00:12:34")
	case mac[0]&1 != 0:
		return "", Invalid("MAC", s, "is a group's, not one machine's")
	case bytes.Equal(mac, make([]byte, 6)):
		return "", Invalid("MAC", s, "is nobody's")
	}
	return mac.String(), nil
}

// AddressesOf are the addresses that a VM has to itself, in those modes.
func (m *Model) AddressesOf(vm Name, modes ...AddressMode) []Address {
	var some []Address
	for _, a := range m.Addresses {
		if a.VM == vm && slices.Contains(modes, a.Mode) {
			some = append(some, a)
		}
	}
	return some
}

// SourceOfVM is the address that a VM's own traffic to the Internet bears in
// place of its zone's: one that it has to itself. It is invalid where it has
// none.
func (m *Model) SourceOfVM(vm Name) netip.Addr {
	for _, modes := range [][]AddressMode{{SourceNAT, OneToOne}, {RoutedIn}} {
		if its := m.AddressesOf(vm, modes...); len(its) > 0 && its[0].Addr.Is4() { // IPv4 sorts first
			return its[0].Addr
		}
	}
	return netip.Addr{}
}

// VMACs are the addresses that answer with a MAC of their own, on a link of
// their own.
func (m *Model) VMACs() []Address {
	var some []Address
	for _, a := range m.Addresses {
		if m.Uplink.Kind == VMAC && a.MAC != "" {
			some = append(some, a)
		}
	}
	return some
}

// LinkOf is the interface that an address is delivered by.
func (m *Model) LinkOf(a Address) string {
	if m.Uplink.Kind == VMAC && a.MAC != "" {
		return m.Installation.VMACLink(a.Addr)
	}
	return m.Uplink.Interface
}

// UplinkLinks are the interfaces that the Internet is behind: the uplink, and
// one for each address with a MAC of its own. There is none without an uplink.
func (m *Model) UplinkLinks() []string {
	if !m.Uplink.Configured() {
		return nil
	}
	links := []string{m.Uplink.Interface}
	for _, a := range m.VMACs() {
		links = append(links, m.Installation.VMACLink(a.Addr))
	}
	return links
}

// WayMark marks what is to leave by the link of an IPv4 address with a MAC of
// its own, and numbers the routing table that says so: it is the address
// itself. So no number is to be kept, and none is had twice; an external
// address is never as small as the numbers of tables that have names.
func WayMark(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}
