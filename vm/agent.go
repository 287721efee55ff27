package vm

import (
	"encoding/json"
	"errors"
	"fmt"

	"ispctl"
)

// The words of QEMU's guest agent, https://www.qemu.org/docs/master/interop/qemu-ga-ref.html.
// What it answers is the guest's to choose.

// AgentPing asks whether anybody is there.
const AgentPing = `{"execute":"guest-ping"}`

// MaxAgentInput is how many bytes a program can be given on its standard input.
// A line to the agent is read whole, by libvirt and in the guest.
const MaxAgentInput = 1 << 20

// agentEnv is the environment of programs: the agent's own lacks a home.
var agentEnv = []string{
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"HOME=/root", "USER=root", "LOGNAME=root", "LANG=C.UTF-8",
}

// AgentExec asks for a program to be run, with its arguments as they are: no
// shell sees them. encoding/json writes bytes as base 64, as the agent wants it.
func AgentExec(argv []string, stdin []byte) (string, error) {
	if len(argv) == 0 || argv[0] == "" {
		return "", ispctl.Invalid("command", "", "is empty")
	}
	if len(stdin) > MaxAgentInput {
		return "", ispctl.Invalid("standard input", "", "has %d bytes, and a guest agent is given %d at most", len(stdin), MaxAgentInput)
	}
	type arguments struct {
		Path   string   `json:"path"`
		Args   []string `json:"arg,omitempty"`
		Env    []string `json:"env"`
		Input  []byte   `json:"input-data,omitempty"`
		Output bool     `json:"capture-output"`
	}
	text, err := json.Marshal(struct {
		Execute   string    `json:"execute"`
		Arguments arguments `json:"arguments"`
	}{"guest-exec", arguments{Path: argv[0], Args: argv[1:], Env: agentEnv, Input: stdin, Output: true}})
	return string(text), err
}

// AgentStarted reads the answer to [AgentExec]: the program's process number.
func AgentStarted(answer string) (pid int64, err error) {
	var doc struct {
		Return *struct {
			PID int64 `json:"pid"`
		} `json:"return"`
	}
	if err := json.Unmarshal([]byte(answer), &doc); err != nil {
		return 0, fmt.Errorf("%w: %w", errAgent, err)
	}
	if doc.Return == nil || doc.Return.PID <= 0 {
		return 0, fmt.Errorf("%w: no process number", errAgent)
	}
	return doc.Return.PID, nil
}

// AgentStatus asks what has become of a program.
func AgentStatus(pid int64) string {
	return fmt.Sprintf(`{"execute":"guest-exec-status","arguments":{"pid":%d}}`, pid)
}

// AgentOutcome reads the answer to [AgentStatus]. It is false while the program
// runs.
func AgentOutcome(answer string) (o ispctl.Outcome, ended bool, err error) {
	var doc struct {
		Return *struct {
			Exited bool   `json:"exited"`
			Code   int    `json:"exitcode"`
			Signal int    `json:"signal"`
			Out    []byte `json:"out-data"`
			Err    []byte `json:"err-data"`
			OutCut bool   `json:"out-truncated"`
			ErrCut bool   `json:"err-truncated"`
		} `json:"return"`
	}
	if err := json.Unmarshal([]byte(answer), &doc); err != nil {
		return o, false, fmt.Errorf("%w: %w", errAgent, err)
	}
	r := doc.Return
	switch {
	case r == nil:
		return o, false, fmt.Errorf("%w: nothing", errAgent)
	case !r.Exited:
		return o, false, nil
	case r.Code < 0 || r.Code > 255 || r.Signal < 0 || r.Signal > 127:
		return o, false, fmt.Errorf("%w: an exit status of %d, a signal of %d", errAgent, r.Code, r.Signal)
	}
	o = ispctl.Outcome{Code: r.Code, Stdout: r.Out, Stderr: r.Err, Cut: r.OutCut || r.ErrCut}
	if r.Signal > 0 {
		o.Code = 128 + r.Signal
	}
	return o, true, nil
}

var errAgent = errors.New("the guest agent answers what is no answer")
