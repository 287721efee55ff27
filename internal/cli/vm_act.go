package cli

import (
	"context"

	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/operations"
)

// vmVerb is a command that does one thing to VMs and takes nothing else.
type vmVerb struct {
	verb, short, example string

	up   bool // they run afterwards: --wait waits until they answer
	down bool // they are shut down: --force does not ask them to
	do   func(p *operations.Provider, ctx context.Context, names []string, o operations.Options) (operations.Result, error)
}

// vmVerbs are all of them.
var vmVerbs = []vmVerb{
	{
		verb: "start", short: "Start VMs", example: "  ispctl vm start web1 --wait\n  ispctl vm start web1 web2", up: true,
		do: func(p *operations.Provider, ctx context.Context, names []string, o operations.Options) (operations.Result, error) {
			return p.SetVMsWanted(ctx, names, ispctl.Running, o)
		},
	},
	{
		verb: "stop", short: "Shut VMs down, by force if they do not within a minute", example: "  ispctl vm stop web1 web2\n  ispctl vm stop web1 --force", down: true,
		do: func(p *operations.Provider, ctx context.Context, names []string, o operations.Options) (operations.Result, error) {
			return p.SetVMsWanted(ctx, names, ispctl.Stopped, o)
		},
	},
	{
		verb: "restart", short: "Shut VMs down, and start them again", example: "  ispctl vm restart web1 --wait", up: true, down: true,
		do: func(p *operations.Provider, ctx context.Context, names []string, o operations.Options) (operations.Result, error) {
			return p.RestartVMs(ctx, names, o)
		},
	},
	{
		verb: "pause", short: "Let the processors of VMs stand still", example: "  ispctl vm pause web1",
		do: func(p *operations.Provider, ctx context.Context, names []string, o operations.Options) (operations.Result, error) {
			return p.PauseVMs(ctx, names, true, o)
		},
	},
	{
		verb: "resume", short: "Let the processors of paused VMs go on", example: "  ispctl vm resume web1",
		do: func(p *operations.Provider, ctx context.Context, names []string, o operations.Options) (operations.Result, error) {
			return p.PauseVMs(ctx, names, false, o)
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
	var wait waiting
	var force bool
	c := &cobra.Command{
		Use: v.verb + " NAME...", Short: v.short, Example: v.example,
		Args: atLeast(1, "the name of a VM"), ValidArgsFunction: a.complete(vmNames),
		RunE: func(c *cobra.Command, names []string) error {
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			if force {
				o.CutOff = names
			}
			r, err := v.do(p, c.Context(), names, o)
			if err := a.report(r, o, err); err != nil || o.DryRun {
				return err
			}
			return wait.until(c.Context(), p, names...)
		},
	}
	if v.up {
		wait.flags(c)
	}
	if v.down {
		c.Flags().BoolVar(&force, "force", false, "cut them off at once, and do not ask them to shut down; what they have not written is lost")
	}
	dryRunFlag(c, &o)
	return c
}
