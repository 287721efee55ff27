package cli

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/meter/report"
	"ispctl/operations"
)

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

// opener opens the provider as the tenant has it.
type opener = func(*cobra.Command) (*operations.Tenancy, error)

// ownLook makes a command that only looks at what is the tenant's.
func (a *app) ownLook(open opener, c *cobra.Command, look func(context.Context, *operations.Tenancy, []string) error) *cobra.Command {
	c.RunE = func(c *cobra.Command, given []string) error {
		if err := a.checkFormat(); err != nil {
			return err
		}
		t, err := open(c)
		if err != nil {
			return err
		}
		return look(c.Context(), t, given)
	}
	a.outputFlag(c)
	return c
}

func (a *app) ownList(open opener) *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List your VMs", Example: "  vm list", Args: args(0, "no argument")}
	return a.ownLook(open, c, func(ctx context.Context, t *operations.Tenancy, _ []string) error {
		all, err := t.VMs(ctx)
		if err != nil {
			return err
		}
		return ownVMListing.list(a, all)
	})
}

func (a *app) ownShow(open opener) *cobra.Command {
	c := &cobra.Command{Use: "show NAME", Short: "Show one of your VMs", Example: "  vm show web1", Args: args(1, "the name of a VM")}
	return a.ownLook(open, c, func(ctx context.Context, t *operations.Tenancy, given []string) error {
		vm, err := t.VM(ctx, given[0])
		if err != nil {
			return err
		}
		return ownVMListing.show(a, vm)
	})
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
			switch {
			case err != nil:
				return fmt.Errorf("console: %s", err) // as no error of ours, which would be told
			case view.UUID != uuid:
				view.Console = "" // it is another by now
			}
			return a.atConsole(view, "start it: vm start "+given[0], true)
		},
	}
}

func (a *app) ownUsage(open opener) *cobra.Command {
	var by string
	c := &cobra.Command{Use: "usage [NAME]", Short: "Show what your VMs have sent and received this month", Example: "  usage\n  usage web1 --by day", Args: atMost(1, "the name of a VM")}
	c.Flags().StringVar(&by, "by", "", "a row for each hour, day or month")
	return a.ownLook(open, c, func(ctx context.Context, t *operations.Tenancy, given []string) error {
		all, err := t.Usage(ctx, strings.Join(given, ""), operations.UsageQuery{By: by})
		if err != nil {
			return err
		}
		return usageListing("").list(a, all)
	})
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
