package cli

import (
	"strconv"

	"ispctl/operations"
)

var planListing = listing[operations.PlanView]{
	name: func(v operations.PlanView) string { return string(v.Name) },
	columns: []column[operations.PlanView]{
		{"NAME", false, func(v operations.PlanView) string { return string(v.Name) }},
		{"CPUS", false, func(v operations.PlanView) string { return strconv.Itoa(v.CPUs) }},
		{"MEMORY", false, func(v operations.PlanView) string { return size(v.Memory) }},
		{"DISK", false, func(v operations.PlanView) string { return size(v.Disk) }},
		{"LIMITS", true, func(v operations.PlanView) string { return limitsText(v.Limits) }},
		{"VMS", false, func(v operations.PlanView) string { return join(v.VMs) }},
	},
}
