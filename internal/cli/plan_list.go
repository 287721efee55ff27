package cli

import "github.com/spf13/cobra"

func (a *app) planList() *cobra.Command {
	c := &cobra.Command{
		Use: "list", Short: "List the plans",
		Example: "  ispctl plan list\n  ispctl plan list -o json",
		Args:    args(0, "no argument"), ValidArgsFunction: nothing,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := a.checkFormat(); err != nil {
				return err
			}
			p, _, err := a.reader(c.Context())
			if err != nil {
				return err
			}
			plans, err := p.Plans(c.Context())
			if err != nil {
				return err
			}
			return planListing.list(a, plans)
		},
	}
	a.outputFlag(c)
	return c
}
