package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

func (a *app) hostShutdown() *cobra.Command {
	var within time.Duration
	c := &cobra.Command{
		Use: "shutdown", Short: "Stop all guests in order, for the host to go down",
		Long: `Stop all guests in order, for the host to go down; the host itself goes on.

Those with the highest autostart order are asked first. A guest that does not shut
down in its share of the time is ended. What is to run stays as it is in the
database: the next boot, or the next pass of converge, starts it again. The unit
ispctl-guests.service runs this when the host is shut down.`,
		Example: "  ispctl host shutdown --timeout 90s",
		Args:    args(0, "no argument"), ValidArgsFunction: nothing,
		RunE: func(c *cobra.Command, _ []string) error {
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			if err := a.confirm("Stop all VMs of this host?"); err != nil {
				return err
			}
			said, err := p.ShutdownHost(c.Context(), within)
			for _, line := range said {
				fmt.Fprintln(a.streams.Out, line)
			}
			return err
		},
	}
	c.Flags().BoolVarP(&a.yes, "yes", "y", false, "do not ask")
	c.Flags().DurationVar(&within, "timeout", 90*time.Second, "how long all of it may take, before guests are ended")
	return c
}
