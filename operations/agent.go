package operations

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ispctl"
	"ispctl/state"
	"ispctl/templates"
)

// Agent is the way into a guest by the program in it that answers the hypervisor,
// without its network. What comes back is the guest's own word.
type Agent interface {
	// Ping is an error that wraps [ispctl.ErrNoAgent] where nobody answers.
	Ping(ctx context.Context, uuid string) error
	// Exec runs a program as root, without a shell, and waits until it ends.
	Exec(ctx context.Context, uuid string, argv []string, stdin []byte) (ispctl.Outcome, error)
	// Start does not wait.
	Start(ctx context.Context, uuid string, argv []string, stdin []byte) (pid int64, err error)
	// Outcome is false while the program runs.
	Outcome(ctx context.Context, uuid string, pid int64) (o ispctl.Outcome, ended bool, err error)
}

// StartInVM lets a program run in a VM, by its agent, and returns the number to
// ask [Provider.OutcomeInVM] by. The journal has the program's name, and not its
// arguments, which may be secret.
func (p *Provider) StartInVM(ctx context.Context, name string, argv []string, stdin []byte) (pid int64, err error) {
	if len(argv) == 0 {
		return 0, ispctl.Invalid("command", "", "is empty")
	}
	err = p.withAgent(ctx, name, func(uuid string) error {
		if pid, err = p.Agent.Start(ctx, uuid, argv, stdin); err != nil {
			return err
		}
		_, err := p.Store.Update(ctx, state.Entry{Actor: p.Actor, Operation: "vm exec", Object: "vm " + name, Detail: argv[0]}, func(*state.Tx) error { return nil })
		return err
	})
	return pid, err
}

// OutcomeInVM is what a program has come to that was started in a VM; false:
// nothing yet.
func (p *Provider) OutcomeInVM(ctx context.Context, name string, pid int64) (o ispctl.Outcome, ended bool, err error) {
	err = p.withAgent(ctx, name, func(uuid string) error {
		o, ended, err = p.Agent.Outcome(ctx, uuid, pid)
		return err
	})
	return o, ended, err
}

// WaitAgent waits until the agent of a VM answers. It asks once at least.
func (p *Provider) WaitAgent(ctx context.Context, name string, timeout time.Duration) error {
	for until := time.Now().Add(timeout); ; {
		err := p.withAgent(ctx, name, func(uuid string) error { return p.Agent.Ping(ctx, uuid) })
		if err == nil || !errors.Is(err, ispctl.ErrNoAgent) {
			return err
		}
		if time.Now().After(until) {
			return &ispctl.Error{Kind: ispctl.TimedOut, Object: fmt.Sprintf("vm %q", name), Cause: fmt.Sprintf("its guest agent did not answer within %s", timeout), Err: err}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// withAgent calls do for a VM that is to run, under the host lock: the hypervisor
// inside ispctl serves one at a time. Whoever holds the lock already uses the
// [Agent] itself.
func (p *Provider) withAgent(ctx context.Context, name string, do func(uuid string) error) (err error) {
	m, err := p.Store.Model(ctx)
	if err != nil {
		return err
	}
	vm, err := m.VM(name)
	if err != nil {
		return err
	}
	if vm.Wanted != ispctl.Running {
		return &ispctl.Error{Kind: ispctl.Conflict, Object: fmt.Sprintf("vm %q", name), Cause: "is not running", Next: "start it: ispctl vm start " + name}
	}
	unlock, err := p.lock(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	return p.explainAgent(vm, do(vm.UUID))
}

// explainAgent says whose agent it is that does not answer, and what to do.
func (p *Provider) explainAgent(vm ispctl.VM, err error) error {
	if err == nil {
		return nil
	}
	name := string(vm.Name)
	e := &ispctl.Error{Kind: ispctl.KindOf(err), Object: fmt.Sprintf("vm %q", name), Err: err}
	if !errors.Is(err, ispctl.ErrNoAgent) {
		return e
	}
	if t, lookup := p.Templates.Get(string(vm.Template)); lookup == nil && t.Setup == templates.SetupPlain {
		e.Cause, e.Next = fmt.Sprintf("guests of template %q have no guest agent", t.Name), fmt.Sprintf("log in: ispctl vm ssh %s -- COMMAND", name)
		return e
	}
	e.Next = fmt.Sprintf("it may still boot (ispctl vm logs %s); its image needs the package qemu-guest-agent; or log in: ispctl vm ssh %s", name, name)
	return e
}
