package cli

import (
	"strconv"

	"ispctl"
	"ispctl/operations"
)

var zoneListing = listing[operations.ZoneView]{
	name: func(z operations.ZoneView) string { return string(z.Name) },
	columns: []column[operations.ZoneView]{
		{"NAME", false, func(z operations.ZoneView) string { return string(z.Name) }},
		{"PREFIX", false, func(z operations.ZoneView) string { return z.Prefix }},
		{"PREFIX6", true, func(z operations.ZoneView) string { return z.Prefix6 }},
		{"GATEWAY", true, func(z operations.ZoneView) string { return z.Gateway }},
		{"BRIDGE", true, func(z operations.ZoneView) string { return z.Bridge }},
		{"LEG", true, func(z operations.ZoneView) string { return z.Leg }},
		{"TRUNK", true, func(z operations.ZoneView) string { return z.Trunk }},
		{"VLAN", true, func(z operations.ZoneView) string { return number(z.VLAN) }},
		{"EGRESS", false, func(z operations.ZoneView) string { return strconv.FormatBool(z.Egress) }},
		{"KSM", true, func(z operations.ZoneView) string { return strconv.FormatBool(z.KSM) }},
		{"ISOLATED", true, func(z operations.ZoneView) string { return strconv.FormatBool(z.Isolated) }},
		{"MTU", true, func(z operations.ZoneView) string { return strconv.Itoa(z.MTU) }},
		{"DHCP", true, func(z operations.ZoneView) string { return strconv.FormatBool(z.DHCP) }},
		{"DNS", true, func(z operations.ZoneView) string { return strconv.FormatBool(z.DNS) }},
		{"SNAT", false, func(z operations.ZoneView) string { return z.SNAT }},
		{"VMS", false, func(z operations.ZoneView) string { return join(z.VMs) }},
	},
}

// number is a number, or nothing for zero.
func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func size(bytes int64) string { return ispctl.Size(bytes).String() }
