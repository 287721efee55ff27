package cli

import "github.com/spf13/cobra"

func (a *app) addressList() *cobra.Command {
	c := &cobra.Command{
		Use: "list", Short: "List the external addresses and who uses them",
		Example: "  ispctl address list\n  ispctl address list -o json",
		Args:    args(0, "no argument"), ValidArgsFunction: nothing,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := a.checkFormat(); err != nil {
				return err
			}
			p, _, err := a.reader(c.Context())
			if err != nil {
				return err
			}
			addresses, err := p.Addresses(c.Context())
			if err != nil {
				return err
			}
			return addressListing.list(a, addresses)
		},
	}
	a.outputFlag(c)
	return c
}
