package cli

import (
	"time"

	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/operations"
)

func (a *app) vmSet() *cobra.Command {
	var o operations.Options
	var plan, tenant string
	var autostart bool
	var order int
	var delay time.Duration
	var keyFiles []string
	c := &cobra.Command{
		Use: "set NAME", Short: "Change what a VM was made with",
		Long: `Change what a VM was made with.

A larger disk is there at once. More CPUs and memory are there after the next
start, and keys at the next boot of the guest.

When the host boots, VMs that ran before are started again: those with a lower
--autostart-order earlier, --autostart-delay before the next order. With
--autostart=false one stays stopped then.`,
		Example: "  ispctl vm set web1 --plan large\n  ispctl vm set web1 --ssh-key ~/.ssh/id_ed25519.pub\n  ispctl vm set web1 --tenant acme\n  ispctl vm set db1 --autostart --autostart-order 1 --autostart-delay 5s",
		Args:    args(1, "the name of a VM"), ValidArgsFunction: first(a.complete(vmNames)),
		RunE: func(c *cobra.Command, given []string) error {
			var change operations.VMChange
			if c.Flags().Changed("plan") {
				change.Plan = &plan
			}
			if c.Flags().Changed("tenant") {
				if tenant == ispctl.NoTenant {
					tenant = ""
				}
				change.Tenant = &tenant
			}
			if c.Flags().Changed("ssh-key") {
				keys, err := readKeys(keyFiles)
				if err != nil {
					return err
				}
				change.SSHKeys = &keys
			}
			starts := c.Flags().Changed("autostart") || c.Flags().Changed("autostart-order") || c.Flags().Changed("autostart-delay")
			if change.Plan == nil && change.SSHKeys == nil && change.Tenant == nil && !starts {
				return ispctl.Invalid("vm", given[0], "nothing to change was given: --plan, --tenant, --ssh-key or --autostart")
			}
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			if starts {
				change.Autostart = func(s ispctl.Autostart) ispctl.Autostart {
					if c.Flags().Changed("autostart") {
						s.Off = !autostart
					}
					if c.Flags().Changed("autostart-order") {
						s.Order = order
					}
					if c.Flags().Changed("autostart-delay") {
						s.Delay = delay
					}
					return s
				}
			}
			r, err := p.SetVM(c.Context(), given[0], change, o)
			return a.report(r, o, err)
		},
	}
	c.Flags().StringVar(&plan, "plan", "", "how large it is")
	c.Flags().StringVar(&tenant, "tenant", "", "whose it is; none makes it your own")
	c.Flags().StringArrayVar(&keyFiles, "ssh-key", nil, "file with all the public keys that may log in; may be given again")
	_ = c.RegisterFlagCompletionFunc("tenant", a.complete(tenantNames))
	c.Flags().BoolVar(&autostart, "autostart", true, "start it again when the host boots, if it ran before")
	c.Flags().IntVar(&order, "autostart-order", 0, "start it after those with a lower one, and stop it before them")
	c.Flags().DurationVar(&delay, "autostart-delay", 0, "how long after it the next order is started, as 5s")
	_ = c.RegisterFlagCompletionFunc("plan", a.complete(planNames))
	dryRunFlag(c, &o)
	return c
}
