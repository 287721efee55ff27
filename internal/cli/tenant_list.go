package cli

import (
	"github.com/spf13/cobra"

	"ispctl/operations"
)

func (a *app) tenantList() *cobra.Command {
	return listCommand(a, tenantListing, (*operations.Provider).Tenants, &cobra.Command{
		Short:   "List the tenants",
		Example: "  ispctl tenant list\n  ispctl tenant list -o json",
	})
}

func (a *app) tenantShow() *cobra.Command {
	return showCommand(a, tenantListing, (*operations.Provider).Tenant, &cobra.Command{
		Short:   "Show one tenant",
		Example: "  ispctl tenant show acme",
		Args:    args(1, "the name of a tenant"), ValidArgsFunction: first(a.complete(tenantNames)),
	})
}
