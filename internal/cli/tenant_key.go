package cli

import (
	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/operations"
)

func (a *app) tenantKeyAdd() *cobra.Command {
	var o operations.Options
	var files, texts []string
	c := &cobra.Command{
		Use: "add TENANT --ssh-key FILE", Short: "Register keys that a tenant comes to the gateway with",
		Long: `Register keys that a tenant comes to the gateway with.

A key belongs to one tenant. Options before it, as in authorized_keys, are refused.`,
		Example: "  ispctl tenant key add acme --ssh-key acme.pub",
		Args:    args(1, "the name of a tenant"), ValidArgsFunction: first(a.complete(tenantNames)),
		RunE: func(c *cobra.Command, given []string) error {
			keys, err := readKeys(files)
			if err != nil {
				return err
			}
			for _, text := range texts {
				key, err := ispctl.ParseSSHKey(text)
				if err != nil {
					return err
				}
				keys = append(keys, key)
			}
			if len(keys) == 0 {
				return &ispctl.Error{Kind: ispctl.Usage, Object: c.CommandPath(), Cause: "no key was given", Next: "give --ssh-key FILE or --key 'TYPE BASE64'"}
			}
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			r, err := p.AddTenantKeys(c.Context(), given[0], keys, o)
			return a.report(r, o, err)
		},
	}
	c.Flags().StringArrayVar(&files, "ssh-key", nil, "file with public keys; may be given again")
	c.Flags().StringArrayVar(&texts, "key", nil, "a public key itself; may be given again")
	dryRunFlag(c, &o)
	return c
}

func (a *app) tenantKeyList() *cobra.Command {
	c := &cobra.Command{
		Use: "list TENANT", Short: "List the keys of a tenant", Example: "  ispctl tenant key list acme",
		Args: args(1, "the name of a tenant"), ValidArgsFunction: first(a.complete(tenantNames)),
		RunE: func(c *cobra.Command, given []string) error {
			if err := a.checkFormat(); err != nil {
				return err
			}
			p, _, err := a.reader(c.Context())
			if err != nil {
				return err
			}
			keys, err := p.TenantKeys(c.Context(), given[0])
			if err != nil {
				return err
			}
			return tenantKeyListing.list(a, keys)
		},
	}
	a.outputFlag(c)
	return c
}

func (a *app) tenantKeyRemove() *cobra.Command {
	var o operations.Options
	var ifExists bool
	c := &cobra.Command{
		Use: "remove TENANT FINGERPRINT", Short: "Take a key of a tenant back",
		Long: `Take a key of a tenant back, by its fingerprint, or by its comment where only one
key has it. What it has open at the gateway is closed.`,
		Example: "  ispctl tenant key remove acme alice@laptop",
		Args:    args(2, "the name of a tenant, and a fingerprint or comment"),
		ValidArgsFunction: func(c *cobra.Command, given []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
			switch len(given) {
			case 0:
				return a.complete(tenantNames)(c, given, word)
			case 1:
				return a.complete(func(m *ispctl.Model) []string {
					t, _ := m.Tenant(given[0])
					return namesOf(t.Keys, ispctl.KeyFingerprint)
				})(c, given, word)
			}
			return nothing(c, given, word)
		},
		RunE: func(c *cobra.Command, given []string) error {
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			r, err := p.RemoveTenantKey(c.Context(), given[0], given[1], ifExists, o)
			return a.report(r, o, err)
		},
	}
	c.Flags().BoolVar(&ifExists, "if-exists", false, "succeed if there is no such key")
	dryRunFlag(c, &o)
	return c
}
