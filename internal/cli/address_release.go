package cli

import (
	"github.com/spf13/cobra"

	"ispctl/operations"
)

func (a *app) addressRelease() *cobra.Command {
	var o operations.Options
	c := &cobra.Command{
		Use: "release ADDRESS", Short: "Take an address back from the VM that has it to itself",
		Long: `Take an address back from the VM that has it to itself. It rests then, a day
unless init was told otherwise: replies and mail for the VM still come by it,
and another VM gets it only afterwards, or with assign --now.`,
		Example: "  ispctl address release 203.0.113.20",
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
			r, err := p.ReleaseAddress(c.Context(), addr, o)
			return a.report(r, o, err)
		},
	}
	dryRunFlag(c, &o)
	wallFlags(c, &o)
	return c
}
