package cli

import (
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/operations"
)

var flowListing = listing[operations.FlowView]{
	name: func(v operations.FlowView) string {
		return strings.TrimSpace(string(v.VM) + " " + v.Match + " " + v.Remote)
	},
	columns: []column[operations.FlowView]{
		{"VM", false, func(v operations.FlowView) string { return string(v.VM) }},
		{"MATCH", false, func(v operations.FlowView) string { return v.Match }},
		{"REMOTE", false, func(v operations.FlowView) string { return v.Remote }},
		{"RATE", false, func(v operations.FlowView) string { return rateText(v.Rate) }},
		{"PER CONNECTION", false, func(v operations.FlowView) string { return map[bool]string{true: "yes"}[v.PerConnection] }},
		{"PRIORITY", false, func(v operations.FlowView) string { return v.Priority }},
	},
}

// flowFlags say which traffic of a VM is meant.
type flowFlags struct{ match, remote string }

func (f *flowFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.match, "match", "any", "tcp/PORT, udp/PORT, icmp or any; the port is that of either end")
	c.Flags().StringVar(&f.remote, "remote", "", "only with addresses of this prefix, as 198.51.100.0/24")
}

func (f *flowFlags) flow(vm string) (ispctl.Flow, error) {
	flow := ispctl.Flow{}
	var err error
	if flow.VM, err = ispctl.ParseName("vm", vm); err != nil {
		return flow, err
	}
	if flow.Match, err = ispctl.ParseOpening(f.match); err != nil {
		return flow, err
	}
	if f.remote != "" {
		if flow.Remote, err = netip.ParsePrefix(f.remote); err != nil {
			return flow, ispctl.Invalid("remote", f.remote, "is not ADDRESS/LENGTH")
		}
	}
	return flow, nil
}
