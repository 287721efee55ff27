package cli

import "github.com/spf13/cobra"

func (a *app) templateList() *cobra.Command {
	c := &cobra.Command{
		Use: "list", Short: "List the templates",
		Example: "  ispctl template list\n  ispctl template list -o json",
		Args:    args(0, "no argument"), ValidArgsFunction: nothing,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := a.checkFormat(); err != nil {
				return err
			}
			p, _, err := a.reader(c.Context())
			if err != nil {
				return err
			}
			all, err := p.TemplateList(c.Context())
			if err != nil {
				return err
			}
			return templateListing.list(a, all)
		},
	}
	a.outputFlag(c)
	return c
}
