package cli

import (
	"github.com/spf13/cobra"

	"ispctl/operations"
)

func (a *app) zoneDelete() *cobra.Command {
	var o operations.Options
	var ifExists bool
	c := &cobra.Command{
		Use: "delete NAME", Short: "Delete a zone that has no VMs",
		Example: "  ispctl zone delete lab\n  ispctl zone delete lab --if-exists",
		Args:    args(1, "the name of a zone"), ValidArgsFunction: first(a.complete(zoneNames)),
		RunE: func(c *cobra.Command, given []string) error {
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			r, err := p.DeleteZone(c.Context(), given[0], ifExists, o)
			return a.report(r, o, err)
		},
	}
	c.Flags().BoolVar(&ifExists, "if-exists", false, "succeed if there is none of that name")
	dryRunFlag(c, &o)
	wallFlags(c, &o)
	return c
}
