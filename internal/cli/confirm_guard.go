package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"ispctl/internal/guard"
	"ispctl/operations"
)

// confirmGuard is the process that takes a change back. It is started by the
// command that makes the change, and by its own like.
func (a *app) confirmGuard() *cobra.Command {
	var leader int
	c := &cobra.Command{
		Use: "confirm-guard ID", Hidden: true, Short: "Take a change back when its time is up; started by --confirm",
		Example: "  ispctl confirm --status",
		Args:    args(1, "the id of a change"), ValidArgsFunction: nothing,
		RunE: func(c *cobra.Command, given []string) error {
			// Nothing but a kill ends it, and then there is another one.
			ctx, stop := context.WithCancel(context.WithoutCancel(c.Context()))
			defer stop()
			p, err := a.openProvider(ctx)
			if err != nil {
				return err
			}
			if err := guard.Harden(); err != nil {
				fmt.Fprintln(a.streams.Err, "not permitted here:", err)
			}
			guards := a.guards()
			due, err := p.Watch(ctx, given[0], func() error {
				go func() {
					if err := guard.Pair(ctx, leader, guards.log(), func(leader int) []string { return guards.args(given[0], leader) }); err != nil {
						fmt.Fprintln(a.streams.Err, "no second guard:", err)
					}
				}()
				if leader != 0 {
					return nil
				}
				return guard.Ready()
			})
			if err != nil || !due {
				return err
			}
			if err := guard.Soften(); err != nil {
				fmt.Fprintln(a.streams.Err, "not permitted here:", err)
			}
			return p.RevertDue(ctx, given[0])
		},
	}
	c.Flags().IntVar(&leader, "leader", 0, "number of the process that this one stands beside")
	return c
}

// guards starts guards for an installation.
type guards struct{ root, dir string }

var _ operations.Guards = guards{}

func (a *app) guards() guards { return guards{a.rootDir, a.paths().Confirm()} }

func (g guards) log() string { return filepath.Join(g.dir, "guard.log") }

func (g guards) args(id string, leader int) []string {
	return []string{"--root=" + g.root, "confirm-guard", id, "--leader=" + strconv.Itoa(leader)}
}

// Start starts the first of a pair.
func (g guards) Start(ctx context.Context, id string) error {
	return guard.Start(ctx, g.args(id, 0), g.log())
}

// Self is this process.
func (g guards) Self() (operations.Process, error) {
	at, err := guard.Started(os.Getpid())
	return operations.Process{PID: os.Getpid(), Started: at}, err
}

// End kills a process.
func (g guards) End(p operations.Process) error { return guard.End(p.PID, p.Started) }
