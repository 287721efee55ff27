package convergetest

import (
	"fmt"
	"net/netip"
	"slices"

	"ispctl"
)

// owned are two models with VMs that have external addresses to themselves, and
// ranges of ports.
func owned(guests, changed *ispctl.Model) (one, other *ispctl.Model) {
	a, b := *guests, *changed
	a.Addresses = append(slices.Clone(a.Addresses), own("203.0.113.20", ispctl.SourceNAT, "web1"), own("203.0.113.21", ispctl.OneToOne, "mail1"))
	a.Forwards = append(slices.Clone(a.Forwards), ispctl.Forward{Listen: listen("203.0.113.11:5000/udp"), Last: 5100, VM: "mail1", Port: 5000})
	a.Policies = append(slices.Clone(a.Policies), policy("internet", "mail", "icmp", false), policy("internet", "mail", "tcp/443", true))

	b.Delivers = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8::/32")}
	b.Addresses = append(slices.Clone(b.Addresses), own("203.0.113.20", ispctl.OneToOne, "web1"), own("203.0.113.22", ispctl.RoutedIn, "web3"))
	b.Forwards = append(slices.Clone(b.Forwards), ispctl.Forward{Listen: listen("203.0.113.11:5000/udp"), Last: 5050, VM: "web1", Port: 5000})
	b.Policies = append(slices.Clone(b.Policies), policy("internet", "lab", "any", false))

	// Of the kind vmac: one with a MAC for a zone, one for a VM, one on a NIC.
	b.Uplink.Kind = ispctl.VMAC
	for i := range b.Addresses {
		switch b.Addresses[i].Addr.String() {
		case "203.0.113.12", "203.0.113.20", "203.0.113.22":
			b.Addresses[i].MAC = fmt.Sprintf("00:50:56:00:00:%02x", b.Addresses[i].Addr.As4()[3])
		}
	}
	return &a, &b
}

// own is an address that a VM has to itself.
func own(addr string, mode ispctl.AddressMode, vm ispctl.Name) ispctl.Address {
	return ispctl.Address{Addr: netip.MustParseAddr(addr), Mode: mode, VM: vm}
}
