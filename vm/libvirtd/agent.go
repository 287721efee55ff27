package libvirtd

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"libvirt.org/go/libvirt"

	"ispctl"
	"ispctl/vm"
)

// How long an agent may take to answer, and at which intervals a program is
// asked for that still runs. The agent hands out what it has at once, so it is
// only slow where the guest is.
const (
	agentPatience = 15 * time.Second
	agentFirst    = 20 * time.Millisecond
	agentMost     = time.Second
)

// ExecTime is how long [Hypervisor.Exec] waits for a program where its context
// has no deadline.
const ExecTime = time.Minute

// Ping is an error unless the agent of the guest answers: one that wraps
// [ispctl.ErrNoAgent] where there is none, or it is not up yet.
func (h *Hypervisor) Ping(ctx context.Context, uuid string) error {
	_, err := h.agent(ctx, uuid, vm.AgentPing)
	return err
}

// Exec runs a program in a guest, by its agent, as root and without a shell, and
// waits until it ends. When ctx does so before, the error is of kind TimedOut or
// what ctx says, and the program goes on.
func (h *Hypervisor) Exec(ctx context.Context, uuid string, argv []string, stdin []byte) (ispctl.Outcome, error) {
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, ExecTime)
		defer cancel()
	}
	pid, err := h.Start(ctx, uuid, argv, stdin)
	if err != nil {
		return ispctl.Outcome{}, err
	}
	for pause := agentFirst; ; pause = min(2*pause, agentMost) {
		o, ended, err := h.Outcome(ctx, uuid, pid)
		// A guest that is busy answers the next time.
		if ended || err != nil && !errors.Is(err, ispctl.ErrNoAgent) {
			return o, err
		}
		select {
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return o, &ispctl.Error{Kind: ispctl.TimedOut, Object: fmt.Sprintf("program %q", argv[0]), Cause: "has not ended in time, and goes on in the guest", Err: err}
			}
			return o, ctx.Err()
		case <-time.After(pause):
		}
	}
}

// Start lets a program run in a guest, and returns its process number there.
func (h *Hypervisor) Start(ctx context.Context, uuid string, argv []string, stdin []byte) (pid int64, err error) {
	command, err := vm.AgentExec(argv, stdin)
	if err != nil {
		return 0, err
	}
	answer, err := h.agent(ctx, uuid, command)
	if err != nil {
		return 0, err
	}
	return vm.AgentStarted(answer)
}

// Outcome is what a started program has come to. It is false while it runs, and
// told once: then the agent forgets it.
func (h *Hypervisor) Outcome(ctx context.Context, uuid string, pid int64) (o ispctl.Outcome, ended bool, err error) {
	answer, err := h.agent(ctx, uuid, vm.AgentStatus(pid))
	if err != nil {
		return o, false, err
	}
	return vm.AgentOutcome(answer)
}

// agent has a guest's agent carry out a command. libvirt bounds what it takes as
// an answer, to 10 MiB.
func (h *Hypervisor) agent(ctx context.Context, uuid, command string) (answer string, err error) {
	asked := false
	err = h.running(ctx, uuid, func(dom *libvirt.Domain) error {
		asked = true
		patience := agentPatience
		if until, bounded := ctx.Deadline(); bounded {
			patience = min(patience, max(time.Until(until), time.Second))
		}
		var err error
		answer, err = dom.QemuAgentCommand(command, libvirt.DomainQemuAgentCommandTimeout(patience/time.Second), 0)
		return explainAgent(err)
	})
	if err == nil && !asked {
		return "", &ispctl.Error{Kind: ispctl.Conflict, Object: "guest", Cause: "is not running"}
	}
	return answer, err
}

func explainAgent(err error) error {
	switch {
	case err == nil:
		return nil
	case is(err, libvirt.ERR_ARGUMENT_UNSUPPORTED):
		return &ispctl.Error{Kind: ispctl.Conflict, Object: "guest", Cause: "was started without a port for its agent, and gets one at its next start", Err: ispctl.ErrNoAgent}
	case is(err, libvirt.ERR_AGENT_UNRESPONSIVE), is(err, libvirt.ERR_AGENT_COMMAND_TIMEOUT), is(err, libvirt.ERR_AGENT_UNSYNCED), is(err, libvirt.ERR_NO_SUPPORT):
		return &ispctl.Error{Kind: ispctl.Conflict, Object: "guest", Err: ispctl.ErrNoAgent}
	case is(err, libvirt.ERR_OPERATION_INVALID):
		return &ispctl.Error{Kind: ispctl.Conflict, Object: "guest", Cause: "is not running"}
	}
	// Part of the message is the guest's own words.
	return errors.New(printable(text(err).Error()))
}

// maxWords is how many bytes of a guest's words are passed on.
const maxWords = 500

func printable(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, text[:min(len(text), maxWords)])
	return strings.ToValidUTF8(text, "?")
}
