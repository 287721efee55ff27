package cli

import (
	"strconv"

	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/operations"
)

var capacityListing = listing[operations.CapacityView]{
	name: func(v operations.CapacityView) string { return v.Name },
	columns: []column[operations.CapacityView]{
		{"WHAT", false, func(v operations.CapacityView) string { return v.Name }},
		{"HAS", false, func(v operations.CapacityView) string { return amount(v, v.Has) }},
		{"PROMISED", false, func(v operations.CapacityView) string { return amount(v, v.Promised) }},
		{"LEFT", false, func(v operations.CapacityView) string {
			if v.Has == 0 {
				return ""
			}
			return amount(v, v.Left)
		}},
	},
}

// amount is a number in its unit.
func amount(v operations.CapacityView, n int64) string {
	switch {
	case n == 0 && v.Has == 0:
		return ""
	case v.Unit == "bit/s":
		return ispctl.Rate(n).String()
	case v.Unit == "bytes":
		return size(n)
	case v.Unit == "percent":
		return ispctl.Percent(n).String()
	}
	return strconv.FormatInt(n, 10)
}

func (a *app) qosCapacity() *cobra.Command {
	c := &cobra.Command{
		Use: "capacity", Short: "Show what there is, what is promised and what is left",
		Example: "  ispctl qos capacity",
		Args:    args(0, "no argument"), ValidArgsFunction: nothing,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := a.checkFormat(); err != nil {
				return err
			}
			p, inst, err := a.reader(c.Context())
			if err != nil {
				return err
			}
			p.Host = hostFacts(inst, a.paths())
			views, err := p.Capacity(c.Context())
			if err != nil {
				return err
			}
			return capacityListing.list(a, views)
		},
	}
	a.outputFlag(c)
	return c
}
