package cli

import (
	"github.com/spf13/cobra"

	"ispctl/operations"
)

func (a *app) qosFlowList() *cobra.Command {
	return listCommand(a, flowListing, (*operations.Provider).Flows, &cobra.Command{
		Short:   "List the flow limits",
		Example: "  ispctl qos flow list",
	})
}
