package cli

import (
	"github.com/spf13/cobra"
)

func (a *app) vmList() *cobra.Command {
	c := &cobra.Command{
		Use: "list", Short: "List the VMs and how they are",
		Example: "  ispctl vm list\n  ispctl vm list -o wide\n  ispctl vm list -o json",
		Args:    args(0, "no argument"), ValidArgsFunction: nothing,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := a.checkFormat(); err != nil {
				return err
			}
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			vms, err := p.VMs(c.Context())
			if err != nil {
				return err
			}
			return vmListing.list(a, vms)
		},
	}
	a.outputFlag(c)
	return c
}
