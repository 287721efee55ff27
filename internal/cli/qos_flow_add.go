package cli

import (
	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/operations"
)

func (a *app) qosFlowAdd() *cobra.Command {
	var o operations.Options
	var f flowFlags
	var rate string
	c := &cobra.Command{
		Use: "add VM --match WHAT --rate RATE", Short: "Limit some of a VM's traffic with the Internet, in each direction",
		Example: "  ispctl qos flow add web1 --match tcp/80 --rate 5mbit\n  ispctl qos flow add web1 --remote 198.51.100.0/24 --rate 1mbit",
		Args:    args(1, "the name of a VM"), ValidArgsFunction: first(a.complete(vmNames)),
		RunE: func(c *cobra.Command, given []string) error {
			flow, err := f.flow(given[0])
			if err != nil {
				return err
			}
			if flow.Rate, err = ispctl.ParseRate(rate); err != nil {
				return err
			}
			if err := flow.Validate(); err != nil {
				return err
			}
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			r, err := p.AddFlow(c.Context(), flow, o)
			return a.report(r, o, err)
		},
	}
	f.add(c)
	c.Flags().StringVar(&rate, "rate", "", "ceiling, as 5mbit")
	dryRunFlag(c, &o)
	required(c, "rate")
	return c
}
