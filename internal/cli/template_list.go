package cli

import (
	"github.com/spf13/cobra"

	"ispctl/operations"
)

func (a *app) templateList() *cobra.Command {
	return listCommand(a, templateListing, (*operations.Provider).TemplateList, &cobra.Command{
		Short:   "List the templates",
		Example: "  ispctl template list\n  ispctl template list -o json",
	})
}
