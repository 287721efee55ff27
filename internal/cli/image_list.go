package cli

import (
	"github.com/spf13/cobra"

	"ispctl/operations"
)

func (a *app) imageList() *cobra.Command {
	return listCommand(a, imageListing, (*operations.Provider).ImageList, &cobra.Command{
		Short:   "List the images in the store",
		Example: "  ispctl image list\n  ispctl image list -o json",
	})
}
