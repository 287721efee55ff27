package cli

import (
	"time"

	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/operations"
)

func (a *app) vmStart() *cobra.Command {
	var o operations.Options
	var wait bool
	var timeout time.Duration
	c := &cobra.Command{
		Use: "start NAME", Short: "Start a VM",
		Example: "  ispctl vm start web1 --wait",
		Args:    args(1, "the name of a VM"), ValidArgsFunction: first(a.complete(vmNames)),
		RunE: func(c *cobra.Command, given []string) error {
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			r, err := p.SetVMWanted(c.Context(), given[0], ispctl.Running, o)
			if err := a.report(r, o, err); err != nil || !wait || o.DryRun {
				return err
			}
			return p.WaitSSH(c.Context(), given[0], timeout)
		},
	}
	c.Flags().BoolVar(&wait, "wait", false, "wait until its SSH server answers")
	c.Flags().DurationVar(&timeout, "timeout", 5*time.Minute, "how long to wait")
	dryRunFlag(c, &o)
	return c
}
