package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/operations"
	"ispctl/state"
)

// gatewaySession does what a tenant asks by the gateway, whose child it is.
func (a *app) gatewaySession() *cobra.Command {
	var tenant, from, key string
	var tell int
	c := &cobra.Command{
		Use: "session --tenant T --from ADDRESS:PORT --key FINGERPRINT -- WORD...", Short: "Do what a tenant asks by the gateway", Hidden: true,
		Example: "  ispctl gateway session --tenant acme --from 192.0.2.1:2000 --key SHA256:x -- vm list",
		Args:    cobra.ArbitraryArgs, ValidArgsFunction: nothing,
		RunE: func(c *cobra.Command, words []string) error {
			if tell > 0 {
				a.streams.Err = os.NewFile(uintptr(tell), "tenant")
			}
			a.streams.Terminal = false
			who := state.Asker{UID: -1, Role: roleTenant, Source: gatewaySource(addrPort(from), key)}
			code := a.tenantRun(c.Context(), ispctl.Name(tenant), who, words)
			if code != 0 {
				return saidError{code}
			}
			return nil
		},
	}
	c.Flags().StringVar(&tenant, "tenant", "", "whose words they are")
	c.Flags().StringVar(&from, "from", "", "where they come from")
	c.Flags().StringVar(&key, "key", "", "the key that they came with")
	c.Flags().IntVar(&tell, "tell", 0, "descriptor to tell the tenant by what is wrong; the standard error is the log's")
	return c
}

// tenantRun runs a tenant's words by a tree of their own: what is not in it is
// not there.
func (a *app) tenantRun(ctx context.Context, tenant ispctl.Name, who state.Asker, words []string) int {
	root := a.tenantTree(tenant, who)
	root.SetArgs(words)
	return exitCode(root.ExecuteContext(ctx), func(err error) {
		if _, ours := errors.AsType[*ispctl.Error](err); !ours {
			fmt.Fprintln(os.Stderr, err) // for the log
			err = &ispctl.Error{Cause: "that cannot be done at the moment", Next: "try again; if it stays so, ask your provider"}
		}
		fmt.Fprintln(a.streams.Err, err)
	})
}

// tenancy opens the provider as the tenant has it. What is wrong with the host is
// none of the tenant's business.
func (a *app) tenancy(ctx context.Context, tenant ispctl.Name, who state.Asker) (*operations.Tenancy, error) {
	p, err := a.openProvider(ctx)
	if err != nil {
		return nil, fmt.Errorf("open: %s", err) // as no error of ours, which would be told
	}
	p.Progress = nil
	if _, err := p.Recover(ctx); err != nil {
		return nil, fmt.Errorf("recover: %s", err)
	}
	p.Actor, p.Store.Asker = "tenant "+string(tenant), who
	return p.For(tenant), nil
}

// tenantTree is all that a tenant can ask.
func (a *app) tenantTree(tenant ispctl.Name, who state.Asker) *cobra.Command {
	open := func(c *cobra.Command) (*operations.Tenancy, error) { return a.tenancy(c.Context(), tenant, who) }
	root := &cobra.Command{
		Use: "gateway", Short: "Look after your VMs", Example: "  vm list\n  vm restart web1\n  vm console web1\n  usage\n  report --month 2026-10",
		SilenceErrors: true, SilenceUsage: true, CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.SetIn(a.streams.In)
	root.SetOut(a.streams.Out)
	root.SetErr(a.streams.Err)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return &ispctl.Error{Kind: ispctl.Usage, Cause: err.Error(), Next: "see: help " + strings.TrimPrefix(c.CommandPath(), "gateway ")}
	})
	root.AddCommand(
		group("vm", "Your VMs", a.ownList(open), a.ownShow(open),
			a.ownAct(open, operations.StartAct, "Start a VM"), a.ownAct(open, operations.StopAct, "Shut a VM down, by force if it does not in time"),
			a.ownAct(open, operations.RestartAct, "Shut a VM down, and start it again"), a.ownRebuild(open), a.ownConsole(open)),
		a.ownUsage(open), a.ownReport(open))
	wantsMore(root, "command")
	return root
}
