package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"ispctl"
	"ispctl/internal/config"
	"ispctl/operations"
	"ispctl/vm"
)

// errand is a program in a guest that is waited for.
type errand struct {
	vm    string
	pid   int64
	until time.Time
	alone bool // while this process has the hypervisor open, nobody else can
}

// vmInside are the commands that go into a guest.
func (a *app) vmInside() []*cobra.Command { return []*cobra.Command{a.vmExec(), a.vmSSH()} }

func (a *app) vmExec() *cobra.Command {
	var timeout time.Duration
	var stdin bool
	var pid, until int64
	c := &cobra.Command{
		Use: "exec NAME -- COMMAND [ARGUMENT...]", Short: "Run a program in a VM, by its guest agent",
		Long: `Run a program in a VM, by its guest agent: as root, without a shell, and without
the VM's network.

The exit status is the program's own; 128 and its number where a signal ended
it. What it writes comes when it has ended. A program that takes longer than
--timeout goes on in the guest.

The journal keeps the program's name, not its arguments.`,
		Example: "  ispctl vm exec web1 -- systemctl is-system-running\n  ispctl vm exec web1 --stdin -- tee /etc/motd",
		Args:    cobra.ArbitraryArgs, ValidArgsFunction: first(a.complete(vmNames)),
		RunE: func(c *cobra.Command, given []string) error {
			if len(given) < 2 || timeout <= 0 {
				return &ispctl.Error{Kind: ispctl.Usage, Object: c.CommandPath(), Cause: "wants the name of a VM, a command, and a time that is positive", Next: "see: " + c.CommandPath() + " --help"}
			}
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			inst, err := config.Load(a.paths())
			if err != nil {
				return err
			}
			e := errand{vm: given[0], pid: pid, until: time.Unix(until, 0), alone: inst.Hypervisor == "embed"}
			if pid == 0 {
				var in []byte
				if stdin {
					if in, err = io.ReadAll(io.LimitReader(a.streams.In, vm.MaxAgentInput+1)); err != nil {
						return fmt.Errorf("read standard input: %w", err)
					}
				}
				e.until = time.Now().Add(timeout)
				if e.pid, err = p.StartInVM(c.Context(), e.vm, given[1:], in); err != nil {
					return err
				}
			}
			o, err := a.await(c.Context(), p, e)
			if err != nil {
				return err
			}
			return a.outcome(o)
		},
	}
	c.Flags().BoolVarP(&stdin, "stdin", "i", false, "give the program what comes on standard input, 1 MiB at most")
	c.Flags().DurationVar(&timeout, "timeout", time.Minute, "how long the program may take")
	c.Flags().Int64Var(&pid, "pid", 0, "of a program that was started")
	c.Flags().Int64Var(&until, "until", 0, "when to give it up")
	_ = c.Flags().MarkHidden("pid")
	_ = c.Flags().MarkHidden("until")
	return c
}

// How often a program is asked for that still runs, and for how long one process
// does so where nobody else can get at the hypervisor meanwhile.
const (
	errandFirst = 20 * time.Millisecond
	errandMost  = time.Second
	errandHold  = 3 * time.Second
	errandPause = 2 * time.Second
)

// await waits until the program has ended.
func (a *app) await(ctx context.Context, p *operations.Provider, e errand) (ispctl.Outcome, error) {
	began := time.Now()
	for pause := errandFirst; ; pause = min(2*pause, errandMost) {
		o, ended, err := p.OutcomeInVM(ctx, e.vm, e.pid)
		if ended || err != nil && !errors.Is(err, ispctl.ErrNoAgent) {
			return o, err
		}
		if time.Now().After(e.until) {
			return o, &ispctl.Error{
				Kind: ispctl.TimedOut, Object: fmt.Sprintf("vm %q", e.vm), Cause: "the program has not ended in time, and goes on", Err: err,
				Next: "give it longer: --timeout",
			}
		}
		if e.alone && time.Since(began) > errandHold {
			return o, a.letGo(ctx, e)
		}
		select {
		case <-ctx.Done():
			return o, ctx.Err()
		case <-time.After(pause):
		}
	}
}

// letGo starts this process over to ask again later: an embedded driver of
// libvirt belongs to a program until that ends. It returns only if that fails.
func (a *app) letGo(ctx context.Context, e errand) error {
	a.close()
	a.closers = nil
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("start over: %w", err)
	}
	// What was given stays the last: behind its dashes are no flags of ours.
	argv := []string{
		os.Args[0], "--root=" + a.rootDir, "--lock-timeout=" + a.lockWait.String(), "vm", "exec",
		"--pid=" + strconv.FormatInt(e.pid, 10), "--until=" + strconv.FormatInt(e.until.Unix(), 10), e.vm, "--", "-",
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(min(errandPause, max(time.Until(e.until), 0))):
	}
	return fmt.Errorf("start over: %w", unix.Exec(exe, slices.Clip(argv), os.Environ()))
}

// outcome prints what a program wrote, and ends with its exit status. A terminal
// is shown what would steer it; a file or pipe gets the bytes as they are.
func (a *app) outcome(o ispctl.Outcome) error {
	for _, one := range []struct {
		to   io.Writer
		text []byte
	}{{a.streams.Out, o.Stdout}, {a.streams.Err, o.Stderr}} {
		to := one.to
		if f, ok := to.(*os.File); ok && isTerminal(f) {
			to = &visible{to: to}
		}
		if _, err := to.Write(one.text); err != nil {
			return err
		}
	}
	if o.Cut {
		fmt.Fprintln(a.streams.Err, "ispctl: the program wrote more than the guest agent keeps")
	}
	if o.Code != 0 {
		return saidError{o.Code}
	}
	return nil
}
