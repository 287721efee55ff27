package cli

import (
	"github.com/spf13/cobra"

	"ispctl/operations"
)

func (a *app) convergeCmd() *cobra.Command {
	var o operations.Options
	var detailed bool
	c := &cobra.Command{
		Use: "converge", Short: "Bring the host to what the database says",
		Example: "  ispctl converge\n  ispctl converge --dry-run --detailed-exitcode",
		Args:    args(0, "no argument"), ValidArgsFunction: nothing,
		RunE: func(c *cobra.Command, _ []string) error {
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			r, err := p.Converge(c.Context(), o, a.yes)
			if err := a.report(r, o, err); err != nil {
				return err
			}
			if o.DryRun && detailed && r.Changed() {
				return errPending
			}
			return nil
		},
	}
	c.Flags().BoolVar(&detailed, "detailed-exitcode", false, "with --dry-run: exit with 10 if changes are pending")
	c.Flags().BoolVarP(&a.yes, "yes", "y", false, "remove even most of what is there, if the database no longer has it")
	dryRunFlag(c, &o)
	return c
}
