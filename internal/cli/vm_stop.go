package cli

import (
	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/operations"
)

func (a *app) vmStop() *cobra.Command {
	var o operations.Options
	c := &cobra.Command{
		Use: "stop NAME", Short: "Shut a VM down, by force if it does not in time",
		Example: "  ispctl vm stop web1",
		Args:    args(1, "the name of a VM"), ValidArgsFunction: first(a.complete(vmNames)),
		RunE: func(c *cobra.Command, given []string) error {
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			r, err := p.SetVMWanted(c.Context(), given[0], ispctl.Stopped, o)
			return a.report(r, o, err)
		},
	}
	dryRunFlag(c, &o)
	return c
}
