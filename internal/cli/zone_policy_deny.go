package cli

import (
	"github.com/spf13/cobra"

	"ispctl/operations"
)

func (a *app) zonePolicyDeny() *cobra.Command {
	var o operations.Options
	var f policyFlags
	c := &cobra.Command{
		Use: "deny FROM TO", Short: "Take back what a policy lets through",
		Example: "  ispctl zone policy deny dmz mail\n  ispctl zone policy deny dmz mail --service tcp/25",
		Args:    args(2, "the two ends"), ValidArgsFunction: a.completeEnds,
		RunE: func(c *cobra.Command, given []string) error {
			spec, err := f.spec(given)
			if err != nil {
				return err
			}
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			r, err := p.DenyPolicy(c.Context(), spec, o)
			return a.report(r, o, err)
		},
	}
	f.add(c, "all of them")
	dryRunFlag(c, &o)
	wallFlags(c, &o)
	return c
}
