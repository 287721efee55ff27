package cli

import (
	"github.com/spf13/cobra"

	"ispctl/operations"
)

func (a *app) zoneShow() *cobra.Command {
	return showCommand(a, zoneListing, (*operations.Provider).Zone, &cobra.Command{
		Short:   "Show one zone",
		Example: "  ispctl zone show dmz\n  ispctl zone show dmz -o json",
		Args:    args(1, "the name of a zone"), ValidArgsFunction: first(a.complete(zoneNames)),
	})
}
