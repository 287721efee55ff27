package cli

import "github.com/spf13/cobra"

func (a *app) imageList() *cobra.Command {
	c := &cobra.Command{
		Use: "list", Short: "List the images in the store",
		Example: "  ispctl image list\n  ispctl image list -o json",
		Args:    args(0, "no argument"), ValidArgsFunction: nothing,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := a.checkFormat(); err != nil {
				return err
			}
			p, _, err := a.reader(c.Context())
			if err != nil {
				return err
			}
			all, err := p.ImageList(c.Context())
			if err != nil {
				return err
			}
			return imageListing.list(a, all)
		},
	}
	a.outputFlag(c)
	return c
}
