package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"ispctl/operations"
)

func (a *app) vmRebuild() *cobra.Command {
	var o operations.Options
	var template string
	var wait waiting
	c := &cobra.Command{
		Use: "rebuild NAME", Short: "Make a VM's disk anew from its template",
		Long: `Make a VM's disk anew, from the newest image of its template or of another one.

Its name, addresses, forwards, keys and plan stay; what was on its first disk is
gone. A VM that runs is cut off, and boots as a new one.`,
		Example: "  ispctl vm rebuild web1 --wait\n  ispctl vm rebuild web1 --template debian-12 --yes",
		Args:    args(1, "the name of a VM"), ValidArgsFunction: first(a.complete(vmNames)),
		RunE: func(c *cobra.Command, given []string) error {
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			if !o.DryRun {
				if err := a.confirm(fmt.Sprintf("Make the disk of vm %s anew, and lose all that is on it?", given[0])); err != nil {
					return err
				}
			}
			r, err := p.RebuildVM(c.Context(), given[0], template, o)
			if err := a.report(r, o, err); err != nil || o.DryRun {
				return err
			}
			return wait.until(c.Context(), p, given[0])
		},
	}
	c.Flags().StringVar(&template, "template", "", "another template to make it from")
	_ = c.RegisterFlagCompletionFunc("template", a.completeTemplates)
	c.Flags().BoolVarP(&a.yes, "yes", "y", false, "do not ask")
	wait.flags(c)
	dryRunFlag(c, &o)
	return c
}
