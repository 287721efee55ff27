package cli

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"ispctl"
	"ispctl/operations"
)

var addressListing = listing[operations.AddressView]{
	name: func(v operations.AddressView) string { return v.Address },
	columns: []column[operations.AddressView]{
		{"ADDRESS", false, func(v operations.AddressView) string { return v.Address }},
		{"MODE", false, func(v operations.AddressView) string { return v.Mode }},
		{"VM", false, func(v operations.AddressView) string { return string(v.VM) }},
		{"ZONES", false, func(v operations.AddressView) string { return join(v.Zones) }},
		{"FORWARDS", false, func(v operations.AddressView) string { return strings.Join(v.Forwards, ",") }},
		{"RESTS", false, func(v operations.AddressView) string { return restText(v.Rests) }},
		{"MAC", true, func(v operations.AddressView) string { return v.MAC }},
	},
}

func restText(r *operations.RestView) string {
	if r == nil {
		return ""
	}
	return fmt.Sprintf("until %s (%s)", r.Until.Format(time.RFC3339), r.VM)
}

func parseAddress(s string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(s)
	if err != nil || addr.Zone() != "" {
		return addr, ispctl.Invalid("address", s, "is no IP address")
	}
	return addr, nil
}
