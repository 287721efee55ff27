package cli

import (
	"github.com/spf13/cobra"

	"ispctl/operations"
)

func (a *app) diffCmd() *cobra.Command {
	var file string
	var prune bool
	c := &cobra.Command{
		Use: "diff -f FILE", Short: "Show what apply would change; exit code 10 if anything",
		Example: "  ispctl diff -f provider.yaml\n  ispctl diff -f provider.yaml --prune",
		Args:    args(0, "no argument"), ValidArgsFunction: nothing,
		RunE: func(c *cobra.Command, _ []string) error {
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			doc, err := a.readDocument(file)
			if err != nil {
				return err
			}
			o := operations.Options{DryRun: true}
			r, err := p.Apply(c.Context(), doc, prune, o)
			if err := a.report(r, o, err); err != nil {
				return err
			}
			if r.Changed() {
				return errPending
			}
			return nil
		},
	}
	c.Flags().StringVarP(&file, "file", "f", "", "the document; - is standard input")
	c.Flags().BoolVar(&prune, "prune", false, "show what apply --prune would remove")
	required(c, "file")
	return c
}
