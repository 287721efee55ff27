package cli

import "github.com/spf13/cobra"

func (a *app) vmShow() *cobra.Command {
	c := &cobra.Command{
		Use: "show NAME", Short: "Show one VM",
		Example: "  ispctl vm show web1\n  ispctl vm show web1 -o json",
		Args:    args(1, "the name of a VM"), ValidArgsFunction: first(a.complete(vmNames)),
		RunE: func(c *cobra.Command, given []string) error {
			if err := a.checkFormat(); err != nil {
				return err
			}
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			vm, err := p.VM(c.Context(), given[0])
			if err != nil {
				return err
			}
			return vmListing.show(a, vm)
		},
	}
	a.outputFlag(c)
	return c
}
