package cli

import (
	"github.com/spf13/cobra"

	"ispctl/operations"
)

func (a *app) planList() *cobra.Command {
	return listCommand(a, planListing, (*operations.Provider).Plans, &cobra.Command{
		Short:   "List the plans",
		Example: "  ispctl plan list\n  ispctl plan list -o json",
	})
}
