package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"ispctl"
	"ispctl/operations"
	"ispctl/qos"
)

var qosListing = listing[operations.QoSView]{
	name: func(v operations.QoSView) string { return string(v.VM) },
	columns: []column[operations.QoSView]{
		{"VM", false, func(v operations.QoSView) string { return string(v.VM) }},
		{"PLAN", false, func(v operations.QoSView) string { return string(v.Plan) }},
		{"DOWN", false, func(v operations.QoSView) string { return rateText(v.Effective.Down) }},
		{"UP", false, func(v operations.QoSView) string { return rateText(v.Effective.Up) }},
		{"GUARANTEE", false, func(v operations.QoSView) string { return rateText(v.Effective.Guarantee) }},
		{"LOCAL", true, func(v operations.QoSView) string { return rateText(v.Effective.Local) }},
		{"DOWN NOW", false, func(v operations.QoSView) string { return nowText(v.DownNow) }},
		{"UP NOW", false, func(v operations.QoSView) string { return nowText(v.UpNow) }},
		{"CPU NOW", false, func(v operations.QoSView) string { return fmt.Sprintf("%.0f%%", v.CPUNow) }},
		{"MEMORY NOW", false, func(v operations.QoSView) string { return size(v.MemoryNow) }},
		{"MEMORY LEFT", true, func(v operations.QoSView) string {
			if v.MemoryLeft == 0 {
				return ""
			}
			return size(v.MemoryLeft)
		}},
		{"READ NOW", true, func(v operations.QoSView) string { return size(v.ReadNow) + "/s" }},
		{"WRITE NOW", true, func(v operations.QoSView) string { return size(v.WriteNow) + "/s" }},
		{"CONFIGURED", true, func(v operations.QoSView) string { return configuredText(v.Configured) }},
		{"EFFECTIVE", true, func(v operations.QoSView) string { return limitsText(v.Effective) }},
		{"FLOWS", true, func(v operations.QoSView) string {
			var texts []string
			for _, f := range v.Flows {
				texts = append(texts, strings.TrimSpace(f.Match+" "+f.Remote)+" "+flowText(f))
			}
			return strings.Join(texts, ", ")
		}},
	},
}

func rateText(bits int64) string {
	if bits == 0 {
		return ""
	}
	return ispctl.Rate(bits).String()
}

// flowText is what a flow limit does.
func flowText(v operations.FlowView) string {
	return ispctl.Flow{Rate: ispctl.Rate(v.Rate), Each: v.PerConnection, Urgency: ispctl.Priority(v.Priority)}.Says()
}

// nowText is a measured rate, in three figures or so.
func nowText(bits int64) string {
	for _, u := range []struct {
		name string
		bits int64
	}{{"gbit", 1e9}, {"mbit", 1e6}, {"kbit", 1e3}} {
		if bits >= u.bits {
			return fmt.Sprintf("%.1f%s", float64(bits)/float64(u.bits), u.name)
		}
	}
	return fmt.Sprintf("%dbit", bits)
}

func configuredText(limits map[string]string) string {
	var texts []string
	for _, key := range slices.Sorted(maps.Keys(limits)) {
		texts = append(texts, key+" "+limits[key])
	}
	return strings.Join(texts, ", ")
}

func limitsText(v operations.LimitsView) string {
	dscp, _ := ispctl.ParseDSCP(v.DSCP) // ours, or empty
	return ispctl.Limits{
		DSCP: dscp,
		Down: ispctl.Rate(v.Down), Up: ispctl.Rate(v.Up), Guarantee: ispctl.Rate(v.Guarantee), Burst: ispctl.Size(v.Burst),
		Local: ispctl.Rate(v.Local), CPUCeiling: ispctl.Percent(v.CPUCeiling), CPUShares: v.CPUShares,
		MemoryGuarantee: ispctl.Size(v.MemoryGuarantee), ReadIOPS: v.ReadIOPS, WriteIOPS: v.WriteIOPS,
		ReadRate: ispctl.Size(v.ReadRate), WriteRate: ispctl.Size(v.WriteRate),
		CPUGuarantee: ispctl.Percent(v.CPUGuarantee), CPUPin: ispctl.CPUSet(v.CPUPin), DiskWeight: v.DiskWeight,
		ReadIOPSBurst: v.ReadIOPSBurst, WriteIOPSBurst: v.WriteIOPSBurst, ReadBurst: ispctl.Size(v.ReadBurst), WriteBurst: ispctl.Size(v.WriteBurst),
		Connections: v.Connections, NewConnections: v.NewConnections, Packets: v.Packets,
	}.String()
}

// readTraffic reads what has passed every tap of ours.
func readTraffic(inst ispctl.Installation) (map[string]operations.Octets, error) {
	k, err := qos.Open(inst.LinkGroup(), inst.ShaperGroup())
	if err != nil {
		return nil, err
	}
	defer k.Close()
	counts, err := k.Traffic()
	all := make(map[string]operations.Octets, len(counts))
	for tap, c := range counts {
		all[tap] = operations.Octets(c)
	}
	return all, err
}
