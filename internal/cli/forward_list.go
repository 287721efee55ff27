package cli

import (
	"github.com/spf13/cobra"

	"ispctl/operations"
)

func (a *app) forwardList() *cobra.Command {
	return listCommand(a, forwardListing, (*operations.Provider).Forwards, &cobra.Command{
		Short:   "List the forwards",
		Example: "  ispctl forward list\n  ispctl forward list -o json",
	})
}
