package cli

import (
	"github.com/spf13/cobra"

	"ispctl/operations"
)

func (a *app) addressRemove() *cobra.Command {
	var o operations.Options
	var ifExists bool
	c := &cobra.Command{
		Use: "remove ADDRESS", Short: "Give an external address up that nothing uses",
		Example: "  ispctl address remove 203.0.113.10",
		Args:    args(1, "an address"), ValidArgsFunction: first(a.complete(addressNames)),
		RunE: func(c *cobra.Command, given []string) error {
			addr, err := parseAddress(given[0])
			if err != nil {
				return err
			}
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			r, err := p.RemoveAddress(c.Context(), addr, ifExists, o)
			return a.report(r, o, err)
		},
	}
	c.Flags().BoolVar(&ifExists, "if-exists", false, "succeed if it is not there")
	dryRunFlag(c, &o)
	wallFlags(c, &o)
	return c
}
