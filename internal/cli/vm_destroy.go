package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"ispctl/operations"
)

func (a *app) vmDestroy() *cobra.Command {
	var o operations.Options
	var ifExists bool
	c := &cobra.Command{
		Use: "destroy NAME...", Short: "Destroy VMs, their disks and the forwards to them",
		Example: "  ispctl vm destroy web1\n  ispctl vm destroy web1 web2 --yes --if-exists",
		Args:    atLeast(1, "the name of a VM"), ValidArgsFunction: a.complete(vmNames),
		RunE: func(c *cobra.Command, given []string) error {
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			if !o.DryRun {
				if err := a.confirm(fmt.Sprintf("Destroy vm %s and all that is on the disk?", strings.Join(given, ", "))); err != nil {
					return err
				}
			}
			r, err := p.DestroyVMs(c.Context(), given, ifExists, o)
			return a.report(r, o, err)
		},
	}
	c.Flags().BoolVarP(&a.yes, "yes", "y", false, "do not ask")
	c.Flags().BoolVar(&ifExists, "if-exists", false, "succeed for those that are not there")
	dryRunFlag(c, &o)
	return c
}
