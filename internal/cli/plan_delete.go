package cli

import (
	"github.com/spf13/cobra"

	"ispctl/operations"
)

func (a *app) planDelete() *cobra.Command {
	var o operations.Options
	var ifExists bool
	c := &cobra.Command{
		Use: "delete NAME", Short: "Delete a plan that no VM is on",
		Example: "  ispctl plan delete small",
		Args:    args(1, "the name of a plan"), ValidArgsFunction: first(a.complete(planNames)),
		RunE: func(c *cobra.Command, given []string) error {
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			r, err := p.DeletePlan(c.Context(), given[0], ifExists, o)
			return a.report(r, o, err)
		},
	}
	c.Flags().BoolVar(&ifExists, "if-exists", false, "succeed if there is none of that name")
	dryRunFlag(c, &o)
	return c
}
