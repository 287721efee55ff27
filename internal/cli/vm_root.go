package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"ispctl/operations"
)

// rootText says who holds root in a word or two.
func rootText(r operations.RootView) string {
	switch {
	case r.Tenant == "":
		return "operator"
	case r.Operator:
		return r.Tenant + ", operator"
	}
	return r.Tenant
}

func (a *app) vmResetPassword() *cobra.Command {
	return &cobra.Command{
		Use: "reset-password VM", Short: "Give root in a VM a password for once",
		Long: `Give root in a VM a password for once, by its guest agent, and print it.

It has to be changed at the first login, at the console or by SSH with a key, and is
kept nowhere.`,
		Example: "  ispctl vm reset-password web1",
		Args:    args(1, "a VM"), ValidArgsFunction: first(a.complete(vmNames)),
		RunE: func(c *cobra.Command, given []string) error {
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			password, err := p.ResetPassword(c.Context(), given[0])
			if err != nil {
				return err
			}
			fmt.Fprintln(a.streams.Err, "shown this once:")
			_, err = fmt.Fprintln(a.streams.Out, password)
			return err
		},
	}
}

func (a *app) vmAddKey() *cobra.Command {
	var o operations.Options
	var keyFiles []string
	var wait time.Duration
	c := &cobra.Command{
		Use: "add-key VM", Short: "Let one more SSH key log in as root",
		Long: `Let one more SSH key log in as root: in the guest now, by its agent, and after
each rebuild.`,
		Example: "  ispctl vm add-key web1 --ssh-key acme.pub",
		Args:    args(1, "a VM"), ValidArgsFunction: first(a.complete(vmNames)),
		RunE: func(c *cobra.Command, given []string) error {
			keys, err := readKeys(keyFiles)
			if err != nil {
				return err
			}
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			r, err := p.AddKey(c.Context(), given[0], keys, wait, o)
			return a.report(r, o, err)
		},
	}
	c.Flags().StringArrayVar(&keyFiles, "ssh-key", nil, "file with public keys; may be given again; - is standard input")
	c.Flags().DurationVar(&wait, "timeout", guestWait, "how long to wait for the guest's agent, and for cloud-init in it")
	required(c, "ssh-key")
	dryRunFlag(c, &o)
	return c
}
