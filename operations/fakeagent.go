package operations

import (
	"context"
	"fmt"

	"ispctl"
)

// FakeAgent is guests that run what they are told, in memory.
type FakeAgent struct {
	// Up is the UUIDs of the guests that answer.
	Up map[string]bool
	// Run is what the guests do; nil: they end with 0, and write nothing.
	Run func(uuid string, argv []string, stdin []byte) ispctl.Outcome
	// Ran is all that was run, in order.
	Ran []FakeRun

	ended map[int64]ispctl.Outcome
}

// FakeRun is a program that was run.
type FakeRun struct {
	UUID  string
	Argv  []string
	Stdin string
}

var _ Agent = (*FakeAgent)(nil)

// Ping implements [Agent].
func (f *FakeAgent) Ping(_ context.Context, uuid string) error {
	if !f.Up[uuid] {
		return &ispctl.Error{Kind: ispctl.Conflict, Object: "guest", Err: ispctl.ErrNoAgent}
	}
	return nil
}

// Start implements [Agent]. The program has ended when it returns.
func (f *FakeAgent) Start(ctx context.Context, uuid string, argv []string, stdin []byte) (int64, error) {
	if err := f.Ping(ctx, uuid); err != nil {
		return 0, err
	}
	f.Ran = append(f.Ran, FakeRun{uuid, argv, string(stdin)})
	pid := int64(len(f.Ran))
	if f.ended == nil {
		f.ended = map[int64]ispctl.Outcome{}
	}
	f.ended[pid] = ispctl.Outcome{}
	if f.Run != nil {
		f.ended[pid] = f.Run(uuid, argv, stdin)
	}
	return pid, nil
}

// Outcome implements [Agent]. It tells once.
func (f *FakeAgent) Outcome(ctx context.Context, uuid string, pid int64) (ispctl.Outcome, bool, error) {
	if err := f.Ping(ctx, uuid); err != nil {
		return ispctl.Outcome{}, false, err
	}
	o, there := f.ended[pid]
	if !there {
		return o, false, fmt.Errorf("guest has no program %d", pid)
	}
	delete(f.ended, pid)
	return o, true, nil
}

// Exec implements [Agent].
func (f *FakeAgent) Exec(ctx context.Context, uuid string, argv []string, stdin []byte) (ispctl.Outcome, error) {
	pid, err := f.Start(ctx, uuid, argv, stdin)
	if err != nil {
		return ispctl.Outcome{}, err
	}
	o, _, err := f.Outcome(ctx, uuid, pid)
	return o, err
}
