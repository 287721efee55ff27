package cli

import (
	"github.com/spf13/cobra"

	"ispctl/operations"
)

func (a *app) qosSet() *cobra.Command {
	var o operations.Options
	c := &cobra.Command{
		Use: "set VM", Short: "Give a VM limits of its own, in place of its plan's",
		Long: `Give a VM limits of its own, in place of its plan's.

"none" lifts the plan's limit, and "plan" lets it stand again. All change at once
and lose nothing that is under way.`,
		Example: "  ispctl qos set web1 --down 100mbit --up 50mbit --guarantee 10mbit --burst 5MB\n  ispctl qos set web1 --up none --down plan",
		Args:    args(1, "the name of a VM"), ValidArgsFunction: first(a.complete(vmNames)),
	}
	limits := limitFlags(c, ", none or plan")
	c.RunE = func(c *cobra.Command, given []string) error {
		p, err := a.provider(c.Context())
		if err != nil {
			return err
		}
		r, err := p.SetQoS(c.Context(), given[0], limits(), o)
		return a.report(r, o, err)
	}
	dryRunFlag(c, &o)
	return c
}
