package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (a *app) templateDelete() *cobra.Command {
	var ifExists bool
	c := &cobra.Command{
		Use: "delete NAME", Short: "Remove a template of your own that no VM was made from",
		Example: "  ispctl template delete shop",
		Args:    args(1, "the name of a template"), ValidArgsFunction: first(a.completeTemplates),
		RunE: func(c *cobra.Command, given []string) error {
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			said, err := p.DeleteTemplate(c.Context(), given[0], ifExists)
			for _, line := range said {
				fmt.Fprintln(a.streams.Out, line)
			}
			return err
		},
	}
	c.Flags().BoolVar(&ifExists, "if-exists", false, "succeed if there is none of that name")
	return c
}
