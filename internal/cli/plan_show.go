package cli

import "github.com/spf13/cobra"

func (a *app) planShow() *cobra.Command {
	c := &cobra.Command{
		Use: "show NAME", Short: "Show one plan",
		Example: "  ispctl plan show small",
		Args:    args(1, "the name of a plan"), ValidArgsFunction: first(a.complete(planNames)),
		RunE: func(c *cobra.Command, given []string) error {
			if err := a.checkFormat(); err != nil {
				return err
			}
			p, _, err := a.reader(c.Context())
			if err != nil {
				return err
			}
			plan, err := p.Plan(c.Context(), given[0])
			if err != nil {
				return err
			}
			return planListing.show(a, plan)
		},
	}
	a.outputFlag(c)
	return c
}
