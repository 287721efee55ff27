package cli

import (
	"context"

	"github.com/spf13/cobra"

	"ispctl/operations"
)

func (a *app) vmRebuild() *cobra.Command {
	var template string
	c := a.vmAct(vmVerb{
		verb: "rebuild", short: "Make a VM's disk anew from its template",
		long: `Make a VM's disk anew, from the newest image of its template or of another one.

Its name, addresses, forwards, keys and plan stay; what was on its first disk is
gone. A VM that runs is cut off, and boots as a new one.`,
		example: "  ispctl vm rebuild web1 --wait\n  ispctl vm rebuild web1 --template debian-12 --yes",
		ask:     "Make the disk of vm %s anew, and lose all that is on it?", up: true,
		do: func(p *operations.Provider, ctx context.Context, name string, o operations.Options) (operations.Result, error) {
			return p.RebuildVM(ctx, name, template, o)
		},
	})
	c.Flags().StringVar(&template, "template", "", "another template to make it from")
	_ = c.RegisterFlagCompletionFunc("template", a.completeTemplates)
	return c
}
