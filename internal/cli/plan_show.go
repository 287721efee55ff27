package cli

import (
	"github.com/spf13/cobra"

	"ispctl/operations"
)

func (a *app) planShow() *cobra.Command {
	return showCommand(a, planListing, (*operations.Provider).Plan, &cobra.Command{
		Short:   "Show one plan",
		Example: "  ispctl plan show small",
		Args:    args(1, "the name of a plan"), ValidArgsFunction: first(a.complete(planNames)),
	})
}
