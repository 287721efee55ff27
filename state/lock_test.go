package state_test

import (
	"bufio"
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"ispctl"
	"ispctl/state"
)

func lock(t testing.TB, paths ispctl.Paths, wait time.Duration) func() error {
	t.Helper()
	unlock, err := state.Lock(t.Context(), paths, wait)
	if err != nil {
		t.Fatal(err)
	}
	return unlock
}

func TestLockIsOneAtATime(t *testing.T) {
	paths := ispctl.Paths{Root: t.TempDir()}
	unlock := lock(t, paths, 0)
	const wait = 120 * time.Millisecond
	start := time.Now()
	_, err := state.Lock(t.Context(), paths, wait)
	if ispctl.KindOf(err) != ispctl.Conflict || !strings.Contains(err.Error(), "another ispctl has been at work for 120ms") || !strings.Contains(err.Error(), paths.Lock()) {
		t.Errorf("want a conflict, have %v", err)
	}
	if took := time.Since(start); took < wait || took > 20*wait {
		t.Errorf("it waited %s, not %s", took, wait)
	}
	if _, err := state.Lock(t.Context(), paths, 0); ispctl.KindOf(err) != ispctl.Conflict {
		t.Errorf("without waiting: %v", err)
	}
	got := make(chan error)
	go func() {
		unlock, err := state.Lock(context.Background(), paths, time.Minute)
		if err == nil {
			err = unlock()
		}
		got <- err
	}()
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err != nil {
		t.Errorf("the one who waited: %v", err)
	}
	if err := lock(t, paths, 0)(); err != nil {
		t.Errorf("a free lock, without waiting: %v", err)
	}
}

func TestLocksOfTwoInstallations(t *testing.T) {
	one, other := lock(t, ispctl.Paths{Root: t.TempDir()}, 0), lock(t, ispctl.Paths{Root: t.TempDir()}, 0)
	if err := errors.Join(one(), other()); err != nil {
		t.Error(err)
	}
}

func TestLockGoesWithItsContext(t *testing.T) {
	paths := ispctl.Paths{Root: t.TempDir()}
	ctx, cancel := context.WithCancel(t.Context())
	unlock := lock(t, paths, 0)
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := state.Lock(ctx, paths, time.Minute); !errors.Is(err, context.Canceled) || ispctl.KindOf(err) == ispctl.Conflict {
		t.Errorf("while waiting: %v", err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	if _, err := state.Lock(ctx, paths, time.Minute); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled before: %v", err)
	}
}

// TestLockGoesWithItsProcess, however that ends.
func TestLockGoesWithItsProcess(t *testing.T) {
	root := t.TempDir()
	c := child(t, "lock", root, "")
	if _, err := c.StdinPipe(); err != nil { // it waits for its end
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "locked\n" {
		t.Fatalf("%q, %v", line, err)
	}
	if _, err := state.Lock(t.Context(), ispctl.Paths{Root: root}, 0); ispctl.KindOf(err) != ispctl.Conflict {
		t.Errorf("while another process has it: %v", err)
	}
	if err := c.Process.Signal(os.Kill); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait() // killed
	if err := lock(t, ispctl.Paths{Root: root}, time.Minute)(); err != nil {
		t.Error(err)
	}
}
