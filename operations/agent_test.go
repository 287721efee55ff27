package operations_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ispctl"
	"ispctl/operations"
)

func TestExecInVM(t *testing.T) {
	w := withVMs(t)
	ctx := t.Context()
	vm, err := w.model().VM("web1")
	if err != nil {
		t.Fatal(err)
	}
	agent := &operations.FakeAgent{Up: map[string]bool{vm.UUID: true}, Run: func(string, []string, []byte) ispctl.Outcome {
		return ispctl.Outcome{Code: 7, Stdout: []byte("said")}
	}}
	w.Agent = agent
	if err := w.WaitAgent(ctx, "web1", time.Minute); err != nil {
		t.Error(err)
	}
	pid, err := w.StartInVM(ctx, "web1", []string{"chpasswd", "-e"}, []byte("root:secret"))
	if err != nil {
		t.Fatal(err)
	}
	o, ended, err := w.OutcomeInVM(ctx, "web1", pid)
	if err != nil || !ended || o.Code != 7 || string(o.Stdout) != "said" {
		t.Errorf("%+v, %t, %v", o, ended, err)
	}
	if diff := cmp.Diff([]operations.FakeRun{{UUID: vm.UUID, Argv: []string{"chpasswd", "-e"}, Stdin: "root:secret"}}, agent.Ran); diff != "" {
		t.Errorf("ran (-want +got):\n%s", diff)
	}
	journal, err := w.Store.Journal(ctx, 1)
	if err != nil || len(journal) != 1 || journal[0].Operation != "vm exec" || journal[0].Object != "vm web1" || journal[0].Detail != "chpasswd" {
		t.Errorf("journal: %+v, %v", journal, err)
	}

	_, err = w.StartInVM(ctx, "web2", []string{"true"}, nil)
	refused(t, err, ispctl.Conflict, `vm "web2": guests of template "micro" have no guest agent: guest: no guest agent answers; log in: ispctl vm ssh web2 -- COMMAND`)
	if !errors.Is(err, ispctl.ErrNoAgent) {
		t.Errorf("%v is not ErrNoAgent", err)
	}
	_, err = w.StartInVM(ctx, "web1", nil, nil)
	refused(t, err, ispctl.Usage, "is empty")
	_, err = w.StartInVM(ctx, "nope", []string{"true"}, nil)
	refused(t, err, ispctl.NotFound, `vm "nope" not found`)
	refused(t, w.WaitAgent(ctx, "web2", time.Nanosecond), ispctl.TimedOut, "did not answer within 1ns")
	w.ok(w.SetVMsWanted(ctx, []string{"web1"}, ispctl.Stopped, options{}))
	_, err = w.StartInVM(ctx, "web1", []string{"true"}, nil)
	refused(t, err, ispctl.Conflict, `vm "web1": is not running; start it: ispctl vm start web1`)
}
