package cli

import (
	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/operations"
)

func (a *app) tenantCreate() *cobra.Command {
	var o operations.Options
	var t ispctl.Tenant
	var keyFiles []string
	var ifNotExists bool
	c := &cobra.Command{
		Use: "create NAME", Short: "Make a tenant, who can be given VMs",
		Long: `Make a tenant, who can be given VMs.

A share bounds all its VMs together: what would go beyond it is refused, whichever
command or document asks. The keys are those it may come to the gateway with; they
are not put into VMs.`,
		Example: `  ispctl tenant create acme --title Acme --contact ops@acme.example --ssh-key acme.pub
  ispctl tenant create acme --vms 3 --cpus 6 --memory 8GiB --disk 100GiB --addresses 1 --bandwidth 300mbit`,
		Args: args(1, "the name of a tenant"), ValidArgsFunction: nothing,
	}
	share := shareFlags(c, "")
	c.RunE = func(c *cobra.Command, given []string) error {
		var err error
		if t.Name, err = ispctl.ParseTenantName(given[0]); err != nil {
			return err
		}
		if err := operations.SetShare(&t.Share, share()); err != nil {
			return err
		}
		if t.Keys, err = readKeys(keyFiles); err != nil {
			return err
		}
		if err := t.Validate(); err != nil {
			return err
		}
		p, err := a.provider(c.Context())
		if err != nil {
			return err
		}
		r, err := p.CreateTenant(c.Context(), t, ifNotExists, o)
		return a.report(r, o, err)
	}
	c.Flags().StringVar(&t.Title, "title", "", "its name for people")
	c.Flags().StringVar(&t.Contact, "contact", "", "whom to write to")
	c.Flags().StringArrayVar(&keyFiles, "ssh-key", nil, "file with public keys it may come to the gateway with; may be given again")
	c.Flags().BoolVar(&ifNotExists, "if-not-exists", false, "succeed if there is one of that name")
	dryRunFlag(c, &o)
	return c
}
