package cli

import (
	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/operations"
)

func (a *app) vmClone() *cobra.Command {
	var o operations.Options
	var wait waiting
	c := &cobra.Command{
		Use: "clone NAME NEW", Short: "Make a VM with what another one's disk holds now",
		Long: `Make a VM with what another one's first disk holds now, and start it.

It has the other's plan, template, zone, sizes, limits and keys, and its own MAC,
addresses, host keys and machine-id. The other one goes on meanwhile; its data disks
are not copied. Other commands do not wait while bytes are copied.`,
		Example: "  ispctl vm clone web1 web2 --wait",
		Args:    args(2, "the name of a VM, and one for its clone"), ValidArgsFunction: first(a.complete(vmNames)),
		RunE: func(c *cobra.Command, given []string) error {
			to, err := ispctl.ParseName("vm", given[1])
			if err != nil {
				return err
			}
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			r, err := p.CloneVM(c.Context(), given[0], to, o)
			if err := a.report(r, o, err); err != nil || o.DryRun {
				return err
			}
			return wait.until(c.Context(), p, given[1])
		},
	}
	wait.flags(c)
	dryRunFlag(c, &o)
	return c
}
