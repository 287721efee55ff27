package cli

import (
	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/operations"
)

func (a *app) forwardRemove() *cobra.Command {
	var o operations.Options
	var ifExists bool
	c := &cobra.Command{
		Use: "remove ADDRESS:PORT[-LAST][/PROTO]", Short: "End a forward",
		Example: "  ispctl forward remove 203.0.113.10:2222/tcp",
		Args:    args(1, "ADDRESS:PORT/PROTO"), ValidArgsFunction: first(a.complete(forwardNames)),
		RunE: func(c *cobra.Command, given []string) error {
			listen, last, err := ispctl.ParseListenRange(given[0])
			if err != nil {
				return err
			}
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			r, err := p.RemoveForward(c.Context(), listen, last, ifExists, o)
			return a.report(r, o, err)
		},
	}
	c.Flags().BoolVar(&ifExists, "if-exists", false, "succeed if it is not there")
	dryRunFlag(c, &o)
	wallFlags(c, &o)
	return c
}
