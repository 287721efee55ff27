package cli

import (
	"net/netip"
	"strings"

	"ispctl"
	"ispctl/operations"
)

var addressListing = listing[operations.AddressView]{
	name: func(v operations.AddressView) string { return v.Address },
	columns: []column[operations.AddressView]{
		{"ADDRESS", false, func(v operations.AddressView) string { return v.Address }},
		{"ZONES", false, func(v operations.AddressView) string { return join(v.Zones) }},
		{"FORWARDS", false, func(v operations.AddressView) string { return strings.Join(v.Forwards, ",") }},
	},
}

func parseAddress(s string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(s)
	if err != nil || addr.Zone() != "" {
		return addr, ispctl.Invalid("address", s, "is no IP address")
	}
	return addr, nil
}
