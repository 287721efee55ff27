package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/operations"
)

// vmVerb is a command that does one thing to one VM and takes nothing else.
type vmVerb struct {
	verb, short, long, example string

	ask string // before it is done, with the VM's name in it; empty: nothing is asked
	up  bool   // the VM runs afterwards: --wait waits until it answers
	do  func(p *operations.Provider, ctx context.Context, name string, o operations.Options) (operations.Result, error)
}

// vmVerbs are all of them.
var vmVerbs = []vmVerb{
	{
		verb: "start", short: "Start a VM", example: "  ispctl vm start web1 --wait", up: true,
		do: func(p *operations.Provider, ctx context.Context, name string, o operations.Options) (operations.Result, error) {
			return p.SetVMWanted(ctx, name, ispctl.Running, o)
		},
	},
	{
		verb: "stop", short: "Shut a VM down, by force if it does not in time", example: "  ispctl vm stop web1",
		do: func(p *operations.Provider, ctx context.Context, name string, o operations.Options) (operations.Result, error) {
			return p.SetVMWanted(ctx, name, ispctl.Stopped, o)
		},
	},
	{
		verb: "restart", short: "Shut a VM down, and start it again", example: "  ispctl vm restart web1 --wait", up: true,
		do: func(p *operations.Provider, ctx context.Context, name string, o operations.Options) (operations.Result, error) {
			return p.RestartVM(ctx, name, o)
		},
	},
	{
		verb: "pause", short: "Let a VM's processors stand still", example: "  ispctl vm pause web1",
		do: func(p *operations.Provider, ctx context.Context, name string, o operations.Options) (operations.Result, error) {
			return p.PauseVM(ctx, name, true, o)
		},
	},
	{
		verb: "resume", short: "Let a paused VM's processors go on", example: "  ispctl vm resume web1",
		do: func(p *operations.Provider, ctx context.Context, name string, o operations.Options) (operations.Result, error) {
			return p.PauseVM(ctx, name, false, o)
		},
	},
}

// vmActs are the commands of vmVerbs.
func (a *app) vmActs() []*cobra.Command {
	var all []*cobra.Command
	for _, v := range vmVerbs {
		all = append(all, a.vmAct(v))
	}
	return all
}

func (a *app) vmAct(v vmVerb) *cobra.Command {
	var o operations.Options
	var wait bool
	var timeout time.Duration
	c := &cobra.Command{
		Use: v.verb + " NAME", Short: v.short, Long: v.long, Example: v.example,
		Args: args(1, "the name of a VM"), ValidArgsFunction: first(a.complete(vmNames)),
		RunE: func(c *cobra.Command, given []string) error {
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			if v.ask != "" && !o.DryRun {
				if err := a.confirm(fmt.Sprintf(v.ask, given[0])); err != nil {
					return err
				}
			}
			r, err := v.do(p, c.Context(), given[0], o)
			if err := a.report(r, o, err); err != nil || !wait || o.DryRun {
				return err
			}
			return p.WaitSSH(c.Context(), given[0], timeout)
		},
	}
	if v.ask != "" {
		c.Flags().BoolVarP(&a.yes, "yes", "y", false, "do not ask")
	}
	if v.up {
		waitFlags(c, &wait, &timeout)
	}
	dryRunFlag(c, &o)
	return c
}

// waitFlags are those of commands after which a guest boots.
func waitFlags(c *cobra.Command, wait *bool, timeout *time.Duration) {
	c.Flags().BoolVar(wait, "wait", false, "wait until its SSH server answers")
	c.Flags().DurationVar(timeout, "timeout", 5*time.Minute, "how long to wait")
}
