package libvirtd_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"ispctl"
	"ispctl/vm"
	"ispctl/vm/libvirtd"
)

// orderEnv holds what a worker is to do.
const orderEnv = "ISPCTL_TEST_ORDER"

// order is one run of ispctl: to a model of worldModels, or, if that is
// negative, only to look. It says "ready" before it applies, and holds on to
// the driver for a while afterwards.
type order struct {
	Model    int
	Hold     time.Duration
	Patience time.Duration
}

// outcome is what such a run has to say.
type outcome struct {
	Changes []string
	Running map[string]bool // by UUID of every domain of ours
	Connect time.Duration   // to the end of the first look
	Apply   time.Duration
	Error   string
	Kind    ispctl.ErrorKind
}

// work is a worker's main.
func work() int {
	var o order
	if err := json.Unmarshal([]byte(os.Getenv(orderEnv)), &o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	out, err := carryOut(o)
	if err != nil {
		out.Error, out.Kind = err.Error(), ispctl.KindOf(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(out); err != nil {
		return 2
	}
	time.Sleep(o.Hold)
	return 0
}

func carryOut(o order) (outcome, error) {
	ctx := context.Background()
	out := outcome{Running: map[string]bool{}}
	h := libvirtd.Open("embed", ispctl.Paths{Root: os.Getenv(rootEnv)}, inst)
	h.Grace, h.Patience = 10*time.Second, o.Patience
	begin := time.Now()
	have, err := h.Observe(ctx)
	if err != nil {
		return out, err
	}
	out.Connect = time.Since(begin)
	fmt.Println("ready")
	if o.Model >= 0 {
		want, err := vm.Desired(vm.HostFacts("embed"))(worldModels()[o.Model])
		if err != nil {
			return out, err
		}
		changes := vm.Diff(want, have)
		for _, c := range changes {
			out.Changes = append(out.Changes, c.String())
		}
		begin = time.Now()
		if err := h.Apply(ctx, changes); err != nil {
			return out, err
		}
		out.Apply = time.Since(begin)
		if have, err = h.Observe(ctx); err != nil {
			return out, err
		}
	}
	for uuid, d := range have {
		out.Running[uuid] = d.Running
	}
	return out, nil
}

// process is a worker that runs.
type process struct {
	cmd   *exec.Cmd
	lines *bufio.Scanner
}

// worker starts one in the test's world.
func worker(t testing.TB, o order) *process {
	t.Helper()
	text, err := json.Marshal(o)
	must(t, err)
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), roleEnv+"="+roleWorker, orderEnv+"="+string(text))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	return &process{cmd, bufio.NewScanner(out)}
}

// ready waits until it is about to apply its changes.
func (p *process) ready(t testing.TB) {
	t.Helper()
	if !p.lines.Scan() || p.lines.Text() != "ready" {
		t.Fatalf("the worker said %q", p.lines.Text())
	}
}

// outcome waits for what it has to say.
func (p *process) outcome(t testing.TB) outcome {
	t.Helper()
	var out outcome
	for p.lines.Scan() {
		if p.lines.Text() == "ready" {
			continue
		}
		must(t, json.Unmarshal(p.lines.Bytes(), &out))
		return out
	}
	t.Fatal("the worker said nothing")
	return out
}

// ok waits for its end, which is to be a good one.
func (p *process) ok(t testing.TB) outcome {
	t.Helper()
	out := p.outcome(t)
	must(t, p.cmd.Wait())
	if out.Error != "" {
		t.Fatal(out.Error)
	}
	return out
}

// kill ends it as a power cut would.
func (p *process) kill(t testing.TB) {
	t.Helper()
	must(t, p.cmd.Process.Kill())
	_ = p.cmd.Wait()
}
