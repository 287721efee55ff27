package cli

import (
	"github.com/spf13/cobra"

	"ispctl/operations"
)

func (a *app) addressList() *cobra.Command {
	return listCommand(a, addressListing, (*operations.Provider).Addresses, &cobra.Command{
		Short:   "List the external addresses and who uses them",
		Example: "  ispctl address list\n  ispctl address list -o json",
	})
}
