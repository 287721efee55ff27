package cli

import "github.com/spf13/cobra"

func (a *app) forwardList() *cobra.Command {
	c := &cobra.Command{
		Use: "list", Short: "List the forwards",
		Example: "  ispctl forward list\n  ispctl forward list -o json",
		Args:    args(0, "no argument"), ValidArgsFunction: nothing,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := a.checkFormat(); err != nil {
				return err
			}
			p, _, err := a.reader(c.Context())
			if err != nil {
				return err
			}
			forwards, err := p.Forwards(c.Context())
			if err != nil {
				return err
			}
			return forwardListing.list(a, forwards)
		},
	}
	a.outputFlag(c)
	return c
}
