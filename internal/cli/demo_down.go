package cli

import "github.com/spf13/cobra"

func (a *app) demoDown() *cobra.Command {
	return &cobra.Command{
		Use: "down", Short: "Remove every trace of the demo",
		Example: "  ispctl demo down",
		Args:    args(0, "no argument"), ValidArgsFunction: nothing,
		RunE: func(c *cobra.Command, _ []string) error {
			d, err := a.demo()
			if err != nil {
				return err
			}
			return d.Down(c.Context())
		},
	}
}
