package cli

import (
	"context"

	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/operations"
)

func (a *app) tenantSet() *cobra.Command {
	var o operations.Options
	var title, contact string
	c := &cobra.Command{
		Use: "set NAME", Short: "Change a tenant",
		Long: `Change a tenant.

A share below what the tenant has is refused, with what would be too much.`,
		Example: "  ispctl tenant set acme --vms 5 --memory 16GiB\n  ispctl tenant set acme --bandwidth none",
		Args:    args(1, "the name of a tenant"), ValidArgsFunction: first(a.complete(tenantNames)),
	}
	share := shareFlags(c, ", or none")
	c.RunE = func(c *cobra.Command, given []string) error {
		change := operations.TenantChange{Share: share()}
		if c.Flags().Changed("title") {
			change.Title = &title
		}
		if c.Flags().Changed("contact") {
			change.Contact = &contact
		}
		if change.Title == nil && change.Contact == nil && len(change.Share) == 0 {
			return &ispctl.Error{Kind: ispctl.Usage, Object: c.CommandPath(), Cause: "nothing to change was given", Next: "see: " + c.CommandPath() + " --help"}
		}
		p, err := a.provider(c.Context())
		if err != nil {
			return err
		}
		r, err := p.SetTenant(c.Context(), given[0], change, o)
		return a.report(r, o, err)
	}
	c.Flags().StringVar(&title, "title", "", "its name for people")
	c.Flags().StringVar(&contact, "contact", "", "whom to write to")
	dryRunFlag(c, &o)
	return c
}

func (a *app) tenantSuspend() *cobra.Command {
	return a.tenantVerb(&cobra.Command{
		Use: "suspend NAME", Short: "Stop all traffic of a tenant's VMs",
		Long: `Stop all traffic of a tenant's VMs.

Not a frame passes to or from them, on any interface, open connections included.
They run on, their disks, addresses and names stay, and the console too.`,
		Example: "  ispctl tenant suspend acme",
	}, func(p *operations.Provider, ctx context.Context, name string, o operations.Options) (operations.Result, error) {
		return p.SuspendTenant(ctx, name, true, o)
	})
}

func (a *app) tenantResume() *cobra.Command {
	return a.tenantVerb(&cobra.Command{
		Use: "resume NAME", Short: "Let the traffic of a suspended tenant go on", Example: "  ispctl tenant resume acme",
	}, func(p *operations.Provider, ctx context.Context, name string, o operations.Options) (operations.Result, error) {
		return p.SuspendTenant(ctx, name, false, o)
	})
}

func (a *app) tenantDelete() *cobra.Command {
	var ifExists bool
	c := a.tenantVerb(&cobra.Command{
		Use: "delete NAME", Short: "Delete a tenant that has nothing any more",
		Long: `Delete a tenant that has nothing any more.

One that still has VMs is not deleted, and what it has is listed.`,
		Example: "  ispctl tenant delete acme",
	}, func(p *operations.Provider, ctx context.Context, name string, o operations.Options) (operations.Result, error) {
		return p.DeleteTenant(ctx, name, ifExists, o)
	})
	c.Flags().BoolVar(&ifExists, "if-exists", false, "succeed if there is none of that name")
	return c
}

// tenantVerb makes a command that does one thing to one tenant.
func (a *app) tenantVerb(c *cobra.Command, do func(*operations.Provider, context.Context, string, operations.Options) (operations.Result, error)) *cobra.Command {
	var o operations.Options
	c.Args, c.ValidArgsFunction = args(1, "the name of a tenant"), first(a.complete(tenantNames))
	c.RunE = func(c *cobra.Command, given []string) error {
		p, err := a.provider(c.Context())
		if err != nil {
			return err
		}
		r, err := do(p, c.Context(), given[0], o)
		return a.report(r, o, err)
	}
	dryRunFlag(c, &o)
	return c
}
