package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (a *app) imagePrune() *cobra.Command {
	var all, dryRun bool
	c := &cobra.Command{
		Use: "prune", Short: "Remove images that a newer one has replaced and no VM was made from, and unfinished transfers",
		Example: "  ispctl image prune --dry-run\n  ispctl image prune --all",
		Args:    args(0, "no argument"), ValidArgsFunction: nothing,
		RunE: func(c *cobra.Command, _ []string) error {
			p, _, err := a.reader(c.Context())
			if err != nil {
				return err
			}
			said, err := p.PruneImages(c.Context(), all, dryRun)
			for _, line := range said {
				fmt.Fprintln(a.streams.Out, line)
			}
			return err
		},
	}
	c.Flags().BoolVar(&all, "all", false, "the newest of each name too, where no VM was made from it")
	c.Flags().BoolVar(&dryRun, "dry-run", false, "print what would go, and remove nothing")
	return c
}
