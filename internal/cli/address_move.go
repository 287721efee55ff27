package cli

import (
	"time"

	"github.com/spf13/cobra"
)

func (a *app) addressMove() *cobra.Command {
	var timeout time.Duration
	c := &cobra.Command{
		Use: "move ADDRESS", Short: "Ask the provider to deliver a failover address to this host",
		Long: `Ask the provider to deliver a failover address to this host: run the program
that init was told of with --on-move, with its arguments and the address after
them. On its standard input it reads one line of JSON with the address, the
uplink's interface and the host's own address. No shell is involved. A move
takes as long as the provider takes, often most of a minute.`,
		Example: "  ispctl address move 203.0.113.10",
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
			return p.MoveAddress(c.Context(), addr, timeout)
		},
	}
	c.Flags().DurationVar(&timeout, "timeout", 2*time.Minute, "how long the program may take")
	return c
}
