package cli

import (
	"github.com/spf13/cobra"

	"ispctl/operations"
)

func (a *app) qosFlowRemove() *cobra.Command {
	var o operations.Options
	var f flowFlags
	var ifExists bool
	c := &cobra.Command{
		Use: "remove VM --match WHAT", Short: "Take a flow limit away",
		Example: "  ispctl qos flow remove web1 --match tcp/80",
		Args:    args(1, "the name of a VM"), ValidArgsFunction: first(a.complete(vmNames)),
		RunE: func(c *cobra.Command, given []string) error {
			flow, err := f.flow(given[0])
			if err != nil {
				return err
			}
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			r, err := p.RemoveFlow(c.Context(), flow, ifExists, o)
			return a.report(r, o, err)
		},
	}
	f.add(c)
	c.Flags().BoolVar(&ifExists, "if-exists", false, "succeed if there is none")
	dryRunFlag(c, &o)
	return c
}
