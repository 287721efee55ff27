package cli

import "github.com/spf13/cobra"

func (a *app) templateShow() *cobra.Command {
	c := &cobra.Command{
		Use: "show NAME", Short: "Show one template",
		Example: "  ispctl template show debian-12",
		Args:    args(1, "the name of a template"), ValidArgsFunction: first(a.completeTemplates),
		RunE: func(c *cobra.Command, given []string) error {
			if err := a.checkFormat(); err != nil {
				return err
			}
			p, _, err := a.reader(c.Context())
			if err != nil {
				return err
			}
			one, err := p.Template(c.Context(), given[0])
			if err != nil {
				return err
			}
			return templateListing.show(a, one)
		},
	}
	a.outputFlag(c)
	return c
}
