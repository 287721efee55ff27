package cli

import "github.com/spf13/cobra"

func (a *app) demoUp() *cobra.Command {
	return &cobra.Command{
		Use: "up", Short: "Bring up a private provider with two real guests, and prove what it promises",
		Example: "  ispctl demo up\n  ispctl demo up --root /srv/demo",
		Args:    args(0, "no argument"), ValidArgsFunction: nothing,
		RunE: func(c *cobra.Command, _ []string) error {
			d, err := a.demo()
			if err != nil {
				return err
			}
			return d.Up(c.Context())
		},
	}
}
