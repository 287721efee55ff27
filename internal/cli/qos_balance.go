package cli

import (
	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/operations"
)

var balloonListing = listing[operations.BalloonView]{
	name: func(v operations.BalloonView) string { return string(v.VM) },
	columns: []column[operations.BalloonView]{
		{"VM", false, func(v operations.BalloonView) string { return string(v.VM) }},
		{"MEMORY", false, func(v operations.BalloonView) string { return size(v.Memory) }},
		{"GUARANTEE", false, func(v operations.BalloonView) string { return size(v.Guarantee) }},
		{"HAD", false, func(v operations.BalloonView) string { return size(v.Had) }},
		{"IS LEFT", false, func(v operations.BalloonView) string {
			if v.Target == 0 {
				return "as it was"
			}
			return size(v.Target)
		}},
	},
}

func (a *app) qosBalance() *cobra.Command {
	var o operations.Options
	var free string
	c := &cobra.Command{
		Use: "balance", Short: "Take memory from guests where the host runs short, and give it back where it does not",
		Long: `Take memory from guests where the host runs short, and give it back where it does not.

A guest keeps its memory-guarantee, and all of its memory where it has none. First
goes what guests say they can do without, then a part of what each has above its
guarantee. The resident part (ispctl serve) does this by itself.`,
		Example: "  ispctl qos balance --dry-run\n  ispctl qos balance --free 2GiB",
		Args:    args(0, "no argument"), ValidArgsFunction: nothing,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := a.checkFormat(); err != nil {
				return err
			}
			var amount ispctl.Size
			if free != "" {
				var err error
				if amount, err = ispctl.ParseSize(free); err != nil {
					return err
				}
				if amount <= 0 {
					return ispctl.Invalid("size", free, "is nothing")
				}
			}
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			views, err := p.Balance(c.Context(), amount, o)
			if err != nil {
				return err
			}
			return balloonListing.list(a, views)
		},
	}
	c.Flags().StringVar(&free, "free", "", "make that much available, as if the host were short of it; it is given back by the next balance")
	dryRunFlag(c, &o)
	a.outputFlag(c)
	return c
}
