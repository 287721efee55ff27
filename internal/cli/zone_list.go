package cli

import (
	"github.com/spf13/cobra"

	"ispctl/operations"
)

func (a *app) zoneList() *cobra.Command {
	return listCommand(a, zoneListing, (*operations.Provider).Zones, &cobra.Command{
		Short:   "List the zones",
		Example: "  ispctl zone list\n  ispctl zone list -o json",
	})
}
