package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/gofrs/flock"
	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/meter/report"
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
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if said, is := errors.AsType[saidError](err); is {
		return said.code
	}
	if _, ours := errors.AsType[*ispctl.Error](err); !ours {
		fmt.Fprintln(os.Stderr, err) // for the log
		err = &ispctl.Error{Cause: "that cannot be done at the moment", Next: "try again; if it stays so, ask your provider"}
	}
	fmt.Fprintln(a.streams.Err, err)
	return exitCodes[ispctl.KindOf(err)]
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

var ownVMListing = listing[operations.OwnVMView]{
	name: func(v operations.OwnVMView) string { return string(v.Name) },
	columns: []column[operations.OwnVMView]{
		{"NAME", false, func(v operations.OwnVMView) string { return string(v.Name) }},
		{"STATE", false, func(v operations.OwnVMView) string { return v.State }},
		{"ADDRESS", false, func(v operations.OwnVMView) string { return strings.Join(v.Addresses, ",") }},
		{"EXTERNAL", false, func(v operations.OwnVMView) string { return strings.Join(v.External, ",") }},
		{"PLAN", false, func(v operations.OwnVMView) string { return string(v.Plan) }},
		{"TEMPLATE", false, func(v operations.OwnVMView) string { return string(v.Template) }},
		{"ADMIN", true, func(v operations.OwnVMView) string { return v.Admin }},
		{"FORWARDS", true, func(v operations.OwnVMView) string { return strings.Join(v.Forwards, ",") }},
	},
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

type opener = func(*cobra.Command) (*operations.Tenancy, error)

func (a *app) ownList(open opener) *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List your VMs", Example: "  vm list", Args: args(0, "no argument")}
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := a.checkFormat(); err != nil {
			return err
		}
		t, err := open(c)
		if err != nil {
			return err
		}
		all, err := t.VMs(c.Context())
		if err != nil {
			return err
		}
		return ownVMListing.list(a, all)
	}
	a.outputFlag(c)
	return c
}

func (a *app) ownShow(open opener) *cobra.Command {
	c := &cobra.Command{Use: "show NAME", Short: "Show one of your VMs", Example: "  vm show web1", Args: args(1, "the name of a VM")}
	c.RunE = func(c *cobra.Command, given []string) error {
		if err := a.checkFormat(); err != nil {
			return err
		}
		t, err := open(c)
		if err != nil {
			return err
		}
		vm, err := t.VM(c.Context(), given[0])
		if err != nil {
			return err
		}
		return ownVMListing.show(a, vm)
	}
	a.outputFlag(c)
	return c
}

func (a *app) ownAct(open opener, act operations.Act, short string) *cobra.Command {
	return &cobra.Command{
		Use: string(act) + " NAME", Short: short, Example: "  vm " + string(act) + " web1", Args: args(1, "the name of a VM"),
		RunE: func(c *cobra.Command, given []string) error {
			t, err := open(c)
			if err != nil {
				return err
			}
			if err := t.Do(c.Context(), act, given[0]); err != nil {
				return err
			}
			fmt.Fprintf(a.streams.Out, "vm %s: %s: done\n", given[0], act)
			return nil
		},
	}
}

func (a *app) ownRebuild(open opener) *cobra.Command {
	c := a.ownAct(open, operations.RebuildAct, "Make a VM's disk anew, and lose all that is on it")
	c.Example = "  vm rebuild web1 --yes"
	sure := c.Flags().Bool("yes", false, "really")
	do := c.RunE
	c.RunE = func(c *cobra.Command, given []string) error {
		if !*sure {
			return &ispctl.Error{Kind: ispctl.Usage, Object: "vm rebuild", Cause: "all that is on the disk is lost", Next: "say --yes if you want it"}
		}
		return do(c, given)
	}
	return c
}

func (a *app) ownConsole(open opener) *cobra.Command {
	return &cobra.Command{
		Use: "console NAME", Short: "Be at a VM's serial console; ^] leaves it", Example: "  vm console web1", Args: args(1, "the name of a VM"),
		RunE: func(c *cobra.Command, given []string) error {
			t, err := open(c)
			if err != nil {
				return err
			}
			uuid, err := t.Console(c.Context(), given[0])
			if err != nil {
				return err
			}
			// The embedded driver would keep everybody else from libvirt for as long
			// as the console is open.
			a.close()
			a.closers = nil
			told := a.streams.Err
			a.streams.Err = os.Stderr
			view, err := a.look(c.Context(), given[0])
			a.streams.Err = told
			busy := func(cause string) error {
				return &ispctl.Error{Kind: ispctl.Conflict, Object: fmt.Sprintf("vm %q", given[0]), Cause: cause}
			}
			switch {
			case err != nil:
				return fmt.Errorf("console: %s", err)
			case view.UUID != uuid || view.Console == "":
				return busy("is not running")
			}
			lock := flock.New(a.paths().ConsoleLock(uuid))
			if held, err := lock.TryLock(); err != nil {
				return fmt.Errorf("console: %w", err)
			} else if !held {
				return busy("somebody else is at its console")
			}
			defer lock.Unlock() //nolint:errcheck // it goes with the process
			return a.console(view.Console)
		},
	}
}

func (a *app) ownUsage(open opener) *cobra.Command {
	var by string
	c := &cobra.Command{Use: "usage [NAME]", Short: "Show what your VMs have sent and received this month", Example: "  usage\n  usage web1 --by day", Args: atMost(1, "the name of a VM")}
	c.RunE = func(c *cobra.Command, given []string) error {
		if err := a.checkFormat(); err != nil {
			return err
		}
		t, err := open(c)
		if err != nil {
			return err
		}
		all, err := t.Usage(c.Context(), strings.Join(given, ""), operations.UsageQuery{By: by})
		if err != nil {
			return err
		}
		return usageListing("").list(a, all)
	}
	c.Flags().StringVar(&by, "by", "", "a row for each hour, day or month")
	a.outputFlag(c)
	return c
}

func (a *app) ownReport(open opener) *cobra.Command {
	var month, format string
	c := &cobra.Command{Use: "report", Short: "Write what you used in a month and what it costs", Example: "  report --month 2026-10 -o pdf", Args: args(0, "no argument")}
	c.RunE = func(c *cobra.Command, _ []string) error {
		var empty report.Report
		if err := empty.Write(&bytes.Buffer{}, format); err != nil {
			return err
		}
		t, err := open(c)
		if err != nil {
			return err
		}
		r, err := t.Report(c.Context(), month)
		if err != nil {
			return err
		}
		return r.Write(a.streams.Out, format)
	}
	c.Flags().StringVar(&month, "month", "", "which, as 2026-10; the present one unless told otherwise")
	c.Flags().StringVarP(&format, "output", "o", "table", "format: "+strings.Join(report.Formats(), ", "))
	return c
}
