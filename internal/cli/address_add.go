package cli

import (
	"github.com/spf13/cobra"

	"ispctl/operations"
)

func (a *app) addressAdd() *cobra.Command {
	var o operations.Options
	var ifNotExists bool
	c := &cobra.Command{
		Use: "add ADDRESS", Short: "Take an external address into use",
		Example: "  ispctl address add 203.0.113.10",
		Args:    args(1, "an address"), ValidArgsFunction: nothing,
		RunE: func(c *cobra.Command, given []string) error {
			addr, err := parseAddress(given[0])
			if err != nil {
				return err
			}
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			r, err := p.AddAddress(c.Context(), addr, ifNotExists, o)
			return a.report(r, o, err)
		},
	}
	c.Flags().BoolVar(&ifNotExists, "if-not-exists", false, "succeed if it is there already")
	dryRunFlag(c, &o)
	wallFlags(c, &o)
	return c
}
