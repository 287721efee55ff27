package cli

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"ispctl"
	"ispctl/operations"
)

var vmListing = listing[operations.VMView]{
	name: func(v operations.VMView) string { return string(v.Name) },
	columns: []column[operations.VMView]{
		{"NAME", false, func(v operations.VMView) string { return string(v.Name) }},
		{"STATE", false, func(v operations.VMView) string { return v.State }},
		{"ZONE", false, func(v operations.VMView) string { return string(v.Zone) }},
		{"ADDRESS", false, func(v operations.VMView) string { return strings.Join(v.Addresses, ",") }},
		{"PLAN", false, func(v operations.VMView) string { return string(v.Plan) }},
		{"TEMPLATE", false, func(v operations.VMView) string { return string(v.Template) }},
		{"ROOT", true, func(v operations.VMView) string { return rootText(v.Root) }},
		{"TENANT", true, func(v operations.VMView) string { return v.Tenant }},
		{"ADMIN", true, func(v operations.VMView) string { return v.AdminAddress }},
		{"FORWARDS", true, func(v operations.VMView) string { return forwardsText(v.Forwards) }},
		{"TAP", true, func(v operations.VMView) string { return v.Tap }},
		{"MAC", true, func(v operations.VMView) string { return v.MAC }},
		{"HYPERVISOR", true, func(v operations.VMView) string { return v.Hypervisor }},
		{"HOSTKEY", true, func(v operations.VMView) string { return v.HostKeyFP }},
		{"CREATED", true, func(v operations.VMView) string { return v.CreatedAt.Format(time.RFC3339) }},
		{"PHASES", true, func(v operations.VMView) string { return phasesText(v.Phases) }},
		{"ALLOW", true, func(v operations.VMView) string {
			return nicsText(v.NICs, func(n operations.NICView) string { return join(n.Allow) })
		}},
		{"TAGS", true, func(v operations.VMView) string {
			return nicsText(v.NICs, func(n operations.NICView) string { return joinNumbers(n.Tags) })
		}},
		{"DROPS", true, func(v operations.VMView) string { return dropsText(v.Drops) }},
		{"CPUS", true, func(v operations.VMView) string { return strconv.Itoa(v.CPUs) }},
		{"MEMORY", true, func(v operations.VMView) string { return ispctl.Size(v.Memory).String() }},
		{"DISKS", true, func(v operations.VMView) string { return disksText(v.Disks) }},
		{"SNAPSHOTS", true, func(v operations.VMView) string {
			return strings.Join(namesOf(v.Snapshots, func(s operations.SnapshotView) string { return string(s.Name) }), ",")
		}},
		{"AUTOSTART", true, func(v operations.VMView) string { return autostartText(v.Autostart) }},
		{"RESCUE", true, func(v operations.VMView) string { return v.Rescue }},
		{"ERROR", true, func(v operations.VMView) string { return v.Error }},
	},
}

func forwardsText(all []operations.ForwardView) string {
	texts := make([]string, len(all))
	for i, f := range all {
		texts[i] = f.Listen + "->" + f.To
	}
	return strings.Join(texts, ",")
}

// nicsText says of each NIC that has it what it has, as "0:10,20".
func nicsText(nics []operations.NICView, what func(operations.NICView) string) string {
	var texts []string
	for _, n := range nics {
		if text := what(n); text != "" {
			texts = append(texts, strconv.Itoa(n.Index)+":"+text)
		}
	}
	return strings.Join(texts, " ")
}

func joinNumbers(all []int) string {
	texts := make([]string, len(all))
	for i, n := range all {
		texts[i] = strconv.Itoa(n)
	}
	return strings.Join(texts, ",")
}

func disksText(all []operations.DiskView) string {
	return strings.Join(namesOf(all, func(d operations.DiskView) string { return d.Name + " " + ispctl.Size(d.Size).String() }), ", ")
}

func autostartText(v operations.AutostartView) string {
	return ispctl.Autostart{Off: !v.Enabled, Order: v.Order, Delay: time.Duration(v.Delay) * time.Second}.String()
}

func phasesText(all []operations.PhaseView) string {
	texts := make([]string, len(all))
	for i, p := range all {
		texts[i] = fmt.Sprintf("%s +%.3fs", p.Name, p.Seconds)
	}
	return strings.Join(texts, ", ")
}

func dropsText(drops map[string]uint64) string {
	var texts []string
	for _, reason := range slices.Sorted(maps.Keys(drops)) {
		texts = append(texts, fmt.Sprintf("%s %d", reason, drops[reason]))
	}
	return strings.Join(texts, ", ")
}
