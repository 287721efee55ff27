package cli

import "github.com/spf13/cobra"

func (a *app) zoneShow() *cobra.Command {
	c := &cobra.Command{
		Use: "show NAME", Short: "Show one zone",
		Example: "  ispctl zone show dmz\n  ispctl zone show dmz -o json",
		Args:    args(1, "the name of a zone"), ValidArgsFunction: first(a.complete(zoneNames)),
		RunE: func(c *cobra.Command, given []string) error {
			if err := a.checkFormat(); err != nil {
				return err
			}
			p, _, err := a.reader(c.Context())
			if err != nil {
				return err
			}
			zone, err := p.Zone(c.Context(), given[0])
			if err != nil {
				return err
			}
			return zoneListing.show(a, zone)
		},
	}
	a.outputFlag(c)
	return c
}
