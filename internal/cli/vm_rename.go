package cli

import (
	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/operations"
)

func (a *app) vmRename() *cobra.Command {
	var o operations.Options
	c := &cobra.Command{
		Use: "rename NAME NEW", Short: "Give a VM that is stopped another name",
		Example: "  ispctl vm rename web1 www",
		Args:    args(2, "the name of a VM, and its new one"), ValidArgsFunction: first(a.complete(vmNames)),
		RunE: func(c *cobra.Command, given []string) error {
			to, err := ispctl.ParseName("vm", given[1])
			if err != nil {
				return err
			}
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			r, err := p.RenameVM(c.Context(), given[0], to, o)
			return a.report(r, o, err)
		},
	}
	dryRunFlag(c, &o)
	return c
}
