package cli

import "github.com/spf13/cobra"

func (a *app) zoneList() *cobra.Command {
	c := &cobra.Command{
		Use: "list", Short: "List the zones",
		Example: "  ispctl zone list\n  ispctl zone list -o json",
		Args:    args(0, "no argument"), ValidArgsFunction: nothing,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := a.checkFormat(); err != nil {
				return err
			}
			p, _, err := a.reader(c.Context())
			if err != nil {
				return err
			}
			zones, err := p.Zones(c.Context())
			if err != nil {
				return err
			}
			return zoneListing.list(a, zones)
		},
	}
	a.outputFlag(c)
	return c
}
