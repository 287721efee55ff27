package cli

import (
	"github.com/spf13/cobra"

	"ispctl/operations"
)

func (a *app) templateShow() *cobra.Command {
	return showCommand(a, templateListing, (*operations.Provider).Template, &cobra.Command{
		Short:   "Show one template",
		Example: "  ispctl template show debian-12",
		Args:    args(1, "the name of a template"), ValidArgsFunction: first(a.completeTemplates),
	})
}
