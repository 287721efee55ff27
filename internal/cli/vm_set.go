package cli

import (
	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/operations"
)

func (a *app) vmSet() *cobra.Command {
	var o operations.Options
	var plan, tenant string
	var keyFiles []string
	c := &cobra.Command{
		Use: "set NAME", Short: "Change what a VM was made with",
		Long: `Change what a VM was made with.

A larger disk is there at once. More CPUs and memory are there after the next
start, and keys at the next boot of the guest.`,
		Example: "  ispctl vm set web1 --plan large\n  ispctl vm set web1 --ssh-key ~/.ssh/id_ed25519.pub\n  ispctl vm set web1 --tenant acme",
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
			if change == (operations.VMChange{}) {
				return ispctl.Invalid("vm", given[0], "nothing to change was given: --plan, --tenant or --ssh-key")
			}
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			r, err := p.SetVM(c.Context(), given[0], change, o)
			return a.report(r, o, err)
		},
	}
	c.Flags().StringVar(&plan, "plan", "", "how large it is")
	c.Flags().StringVar(&tenant, "tenant", "", "whose it is; none makes it your own")
	c.Flags().StringArrayVar(&keyFiles, "ssh-key", nil, "file with all the public keys that may log in; may be given again")
	_ = c.RegisterFlagCompletionFunc("tenant", a.complete(tenantNames))
	_ = c.RegisterFlagCompletionFunc("plan", a.complete(planNames))
	dryRunFlag(c, &o)
	return c
}
