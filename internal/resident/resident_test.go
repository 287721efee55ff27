package resident_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ispctl"
	"ispctl/internal/resident"
)

// holdEnv makes the test binary one that holds a lock until it is killed.
const holdEnv = "ISPCTL_TEST_HOLD"

func TestMain(m *testing.M) {
	if path := os.Getenv(holdEnv); path != "" {
		if _, err := resident.Only(path); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("held")
		select {}
	}
	os.Exit(m.Run())
}

// TestTasksAreKept: one that fails or panics starts again, later each time; one
// that has no more to do does not; all end with the context.
func TestTasksAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said bytes.Buffer
		began := time.Now()
		var starts []time.Duration
		dones := 0
		tasks := []resident.Task{
			{Name: "fails", Run: func(context.Context) error {
				starts = append(starts, time.Since(began))
				if len(starts) == 2 {
					panic("a bug")
				}
				return errors.New("no luck")
			}},
			{Name: "done", Run: func(context.Context) error { dones++; return nil }},
			{Name: "stays", Run: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }},
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		resident.Run(ctx, tasks, resident.Pause{First: time.Second, Most: 4 * time.Second}, log.New(&said, "", 0))
		want := []time.Duration{0, 1, 3, 7, 11, 15, 19, 23, 27}
		for i := range want {
			want[i] *= time.Second
		}
		if fmt.Sprint(starts) != fmt.Sprint(want) {
			t.Errorf("started at %v, want %v", starts, want)
		}
		if dones != 1 {
			t.Errorf("what was done was done %d times", dones)
		}
		if time.Since(began) != 30*time.Second {
			t.Errorf("ended after %s", time.Since(began))
		}
		for _, line := range []string{"fails: failed, starts again in 1s: no luck", "fails: failed, starts again in 2s: panic: a bug"} {
			if !strings.Contains(said.String(), line) {
				t.Errorf("does not say %q:\n%s", line, said.String())
			}
		}
		if strings.Contains(said.String(), "stays") {
			t.Errorf("who was told to end did not fail:\n%s", &said)
		}
	})
}

// TestServiceManager is one: it listens as systemd does.
func TestServiceManager(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // it was only read
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "20000")
	t.Setenv("WATCHDOG_PID", fmt.Sprint(os.Getpid()))
	if err := resident.Notify(resident.Ready); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	go resident.Run(ctx, []resident.Task{resident.Watchdog()}, resident.DefaultPause, log.New(t.Output(), "", 0))
	for i, want := range []string{"READY=1", "WATCHDOG=1", "WATCHDOG=1"} {
		b := make([]byte, 100)
		if err := l.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, err := l.Read(b)
		if err != nil || string(b[:n]) != want {
			t.Errorf("message %d is %q (%v), want %q", i, b[:n], err, want)
		}
	}
}

// TestNobodyListens: without a service manager nothing is told and nothing is
// watched.
func TestNobodyListens(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	t.Setenv("WATCHDOG_USEC", "")
	if err := resident.Notify(resident.Ready); err != nil {
		t.Error(err)
	}
	if err := resident.Watchdog().Run(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestOnlyOne: another process holds the lock until it is killed.
func TestOnlyOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run", "lock")
	if _, held, err := resident.Holder(path); held || err != nil {
		t.Errorf("before: %v, %v", held, err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	other := exec.Command(exe)
	other.Env = append(os.Environ(), holdEnv+"="+path)
	out, err := other.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 5)
	if _, err := out.Read(line); err != nil || string(line) != "held\n" {
		t.Fatalf("%q, %v", line, err)
	}
	_, err = resident.Only(path)
	if ispctl.KindOf(err) != ispctl.Conflict || !strings.Contains(err.Error(), fmt.Sprintf("process %d", other.Process.Pid)) {
		t.Errorf("second one: %v", err)
	}
	if pid, held, err := resident.Holder(path); pid != other.Process.Pid || !held || err != nil {
		t.Errorf("holder is %d, %v, %v", pid, held, err)
	}
	if err := other.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = other.Wait() // it was killed
	release, err := resident.Only(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := release(); err != nil {
		t.Error(err)
	}
	if _, held, err := resident.Holder(path); held || err != nil {
		t.Errorf("after: %v, %v", held, err)
	}
}
