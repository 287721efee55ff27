package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (a *app) imageRemove() *cobra.Command {
	var ifExists bool
	c := &cobra.Command{
		Use: "remove NAME|DIGEST", Short: "Remove an image that no VM was made from",
		Example: "  ispctl image remove debian-12",
		Args:    args(1, "the name or digest of an image"), ValidArgsFunction: first(a.complete(imageNames)),
		RunE: func(c *cobra.Command, given []string) error {
			p, _, err := a.reader(c.Context())
			if err != nil {
				return err
			}
			said, err := p.RemoveImage(c.Context(), given[0], ifExists)
			for _, line := range said {
				fmt.Fprintln(a.streams.Out, line)
			}
			return err
		},
	}
	c.Flags().BoolVar(&ifExists, "if-exists", false, "succeed if there is none of that name")
	return c
}
