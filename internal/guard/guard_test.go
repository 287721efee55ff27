package guard_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ispctl/internal/guard"
)

// TestMain is also the program that the tests start: its first argument is what
// it does.
func TestMain(m *testing.M) {
	if len(os.Args) < 2 || !strings.HasPrefix(os.Args[1], "guard-") {
		os.Exit(m.Run())
	}
	if os.Args[1] == "guard-fails" {
		os.Stderr.WriteString("last words\n")
		os.Exit(1)
	}
	err := errors.Join(os.WriteFile(os.Args[2], []byte(strconv.Itoa(os.Getpid())), 0o600), guard.Ready())
	if err != nil {
		os.Stderr.WriteString(err.Error())
		os.Exit(1)
	}
	time.Sleep(time.Minute)
}

func TestStart(t *testing.T) {
	dir := t.TempDir()
	log, said := filepath.Join(dir, "log"), filepath.Join(dir, "pid")
	// A pipe without close-on-exec, as a careless caller has one.
	var careless [2]int
	if err := unix.Pipe(careless[:]); err != nil {
		t.Fatal(err)
	}
	if err := guard.Start(t.Context(), []string{"guard-waits", said}, log); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(said)
	if err != nil {
		t.Fatalf("it said that it was ready before it was: %v", err)
	}
	pid, err := strconv.Atoi(string(text))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Kill(pid, unix.SIGKILL) })
	if sid, err := unix.Getsid(pid); err != nil || sid != pid {
		t.Errorf("its session is %d, its number %d: %v", sid, pid, err)
	}
	links, err := filepath.Glob("/proc/" + string(text) + "/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		to, err := os.Readlink(link)
		if err == nil && strings.HasPrefix(to, "pipe:") {
			t.Errorf("it holds %s open: %s", filepath.Base(link), to)
		}
	}
	if cwd, err := os.Readlink("/proc/" + string(text) + "/cwd"); err != nil || cwd != "/" {
		t.Errorf("it is in %s: %v", cwd, err)
	}
	at, err := guard.Started(pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := guard.End(pid, at+1); err != nil || unix.Kill(pid, 0) != nil {
		t.Errorf("another process of that number was ended: %v", err)
	}
	if err := guard.End(pid, at); err != nil {
		t.Error(err)
	}
	var status unix.WaitStatus
	if _, err := unix.Wait4(pid, &status, 0, nil); err != nil || status.Signal() != unix.SIGKILL {
		t.Errorf("%v, %v", status, err)
	}
	if err := guard.End(pid, at); err != nil {
		t.Errorf("a process that is gone: %v", err)
	}
}

func TestStartFails(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	err := guard.Start(t.Context(), []string{"guard-fails"}, log)
	if err == nil || !strings.Contains(err.Error(), "it ended before it was ready; see "+log) {
		t.Errorf("%v", err)
	}
	if text, err := os.ReadFile(log); err != nil || string(text) != "last words\n" {
		t.Errorf("%q, %v", text, err)
	}
	if err := guard.Start(t.Context(), nil, filepath.Join(log, "x")); err == nil {
		t.Error("a log that cannot be is no error")
	}
}

// TestStarted reads the start of a process whose name is made to mislead.
func TestStarted(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a) R 1 2 (b")
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(sleep, name); err != nil {
		t.Fatal(err)
	}
	before, err := guard.Started(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(name, "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }()
	defer func() { _ = cmd.Process.Kill() }()
	at, err := guard.Started(cmd.Process.Pid)
	if err != nil || at < before {
		t.Errorf("started at %d, this process at %d: %v", at, before, err)
	}
	if _, err := guard.Started(1 << 30); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no such process: %v", err)
	}
}
