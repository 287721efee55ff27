package cli

import (
	"strconv"

	"github.com/spf13/cobra"

	"ispctl/net/flows"
	"ispctl/operations"
)

var topFlowsListing = listing[operations.LiveFlowView]{
	name: func(v operations.LiveFlowView) string { return string(v.VM) },
	columns: []column[operations.LiveFlowView]{
		{"VM", false, func(v operations.LiveFlowView) string { return string(v.VM) }},
		{"ZONE", true, func(v operations.LiveFlowView) string { return string(v.Zone) }},
		{"PROTOCOL", false, func(v operations.LiveFlowView) string { return v.Protocol }},
		{"LOCAL", false, func(v operations.LiveFlowView) string { return v.Local }},
		{"REMOTE", false, func(v operations.LiveFlowView) string { return v.Remote }},
		{"OPENED BY", true, func(v operations.LiveFlowView) string { return v.Opened }},
		{"IN", false, func(v operations.LiveFlowView) string { return rateNow(v.InBits) }},
		{"OUT", false, func(v operations.LiveFlowView) string { return rateNow(v.OutBits) }},
		{"PACKETS/S", false, func(v operations.LiveFlowView) string {
			return strconv.FormatUint(v.InPackets+v.OutPackets, 10)
		}},
	},
}

// topFlows has top show flows when it is asked to.
func (a *app) topFlows(c *cobra.Command) {
	var wanted bool
	vms := c.RunE
	c.RunE = func(c *cobra.Command, given []string) error {
		if !wanted {
			return vms(c, given)
		}
		q, every, once, err := a.liveFlags(c, given)
		if err != nil {
			return err
		}
		p, err := a.meteringProvider(c.Context())
		if err != nil {
			return err
		}
		if err := flows.Count(); err != nil {
			return err
		}
		rates, err := p.LiveFlows(c.Context(), connections{}, q)
		if err != nil {
			return err
		}
		return follow(c.Context(), a, rates.Next, topFlowsListing, every, once)
	}
	c.Flags().BoolVar(&wanted, "flows", false, "show the connections of VMs instead")
	c.Flag("limit").Usage = "show no more VMs, or flows, than that; 0: all"
}
