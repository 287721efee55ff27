package cli

import (
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/operations"
)

var flowUsageListing = listing[operations.FlowUsageView]{
	name: func(v operations.FlowUsageView) string { return v.VM },
	columns: []column[operations.FlowUsageView]{
		{"VM", false, func(v operations.FlowUsageView) string { return v.VM }},
		{"ZONE", true, func(v operations.FlowUsageView) string { return v.Zone }},
		{"FROM", false, func(v operations.FlowUsageView) string { return v.From.Format(time.RFC3339) }},
		{"TO", true, func(v operations.FlowUsageView) string { return v.To.Format(time.RFC3339) }},
		{"OPENED-BY", false, func(v operations.FlowUsageView) string { return v.Opened }},
		{"SERVICE", false, flowService},
		{"REMOTE", false, func(v operations.FlowUsageView) string {
			if v.Remote == "" {
				return "others"
			}
			return v.Remote
		}},
		{"FLOWS", false, func(v operations.FlowUsageView) string { return strconv.FormatUint(v.Flows, 10) }},
		{"IN", false, func(v operations.FlowUsageView) string { return strconv.FormatUint(v.InBytes, 10) }},
		{"OUT", false, func(v operations.FlowUsageView) string { return strconv.FormatUint(v.OutBytes, 10) }},
		{"IN-PACKETS", true, func(v operations.FlowUsageView) string { return strconv.FormatUint(v.InPackets, 10) }},
		{"OUT-PACKETS", true, func(v operations.FlowUsageView) string { return strconv.FormatUint(v.OutPackets, 10) }},
	},
}

func flowService(v operations.FlowUsageView) string {
	if v.Port == 0 {
		return v.Protocol
	}
	return v.Protocol + "/" + strconv.Itoa(int(v.Port))
}

func (a *app) usageFlows() *cobra.Command {
	var q operations.FlowQuery
	var since, until string
	var ipfix bool
	c := &cobra.Command{
		Use: "flows [VM|ZONE]", Short: "Show whom guests spoke to, in zones that record it",
		Long: `Show whom guests spoke to, in zones that record it (zone set NAME --flows).

Sums are of an hour, by VM, protocol, port of the service and prefix of the other
end (/24 of IPv4, /48 of IPv6). Of each VM and hour the 50 largest are kept, and
the sum of the others. Without --since it is the last 24 hours. --ipfix writes a
line of JSON for each sum and hour, in the names of IPFIX's elements.`,
		Example: `  ispctl usage flows web1
  ispctl usage flows dmz --since 2026-10-01 --by day --limit 5
  ispctl usage flows --since 1h --ipfix > flows.jsonl`,
		Args: atMost(1, "the name of a VM or zone"), ValidArgsFunction: first(a.complete(func(m *ispctl.Model) []string { return append(vmNames(m), zoneNames(m)...) })),
		RunE: func(c *cobra.Command, given []string) error {
			if err := a.checkFormat(); err != nil {
				return err
			}
			p, _, err := a.reader(c.Context())
			if err != nil {
				return err
			}
			if len(given) > 0 {
				q.Of = given[0]
			}
			if q.Since, q.Until, err = span(c.Context(), p, since, until); err != nil {
				return err
			}
			if ipfix {
				return p.ExportFlows(c.Context(), a.streams.Out, q)
			}
			all, err := p.FlowUsage(c.Context(), q)
			if err != nil {
				return err
			}
			return flowUsageListing.list(a, all)
		},
	}
	spanFlags(c, &since, &until)
	c.Flags().StringVar(&q.By, "by", "", "rows for each hour or day")
	_ = c.RegisterFlagCompletionFunc("by", cobra.FixedCompletions(operations.FlowIntervals(), cobra.ShellCompDirectiveNoFileComp))
	c.Flags().IntVar(&q.Limit, "limit", 10, "show so many of a VM's rows, the largest, and the sum of the others; 0: all")
	c.Flags().BoolVar(&ipfix, "ipfix", false, "write lines of JSON in the names of IPFIX's elements instead")
	a.outputFlag(c)
	c.MarkFlagsMutuallyExclusive("ipfix", "output")
	return c
}
