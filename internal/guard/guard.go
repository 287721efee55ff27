// Package guard starts processes that outlive whoever starts them: the command,
// its session and terminal, and the control group that they are killed by. Each
// keeps a second one beside it and is replaced by it when it is killed, so that
// only who kills both at the same moment ends the guard; what it guards is on
// disk and is looked at by the next command and at boot.
//
// See setsid(2), cgroups(7), proc_pid_oom_score_adj(5) and close_range(2).
package guard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// program is what is running now, even if the file was replaced since.
const program = "/proc/self/exe"

// readyFD is the descriptor by which a guard tells that it is ready: the first
// after the standard three.
const readyFD = 3

// ready is what it says.
const ready = "ready"

// patience is how long a guard may take to become ready.
const patience = 15 * time.Second

// Start starts the program with args as a session of its own, with its output
// appended to the file log, and returns when it has called [Ready]. One that
// does not is ended.
func Start(ctx context.Context, args []string, log string) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close() //nolint:errcheck // it was only read
	cmd, err := command(args, log, w)
	err = errors.Join(err, w.Close())
	if err != nil {
		return err
	}
	deadline := time.Now().Add(patience)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	if err := r.SetReadDeadline(deadline); err != nil {
		return errors.Join(err, cmd.Process.Kill())
	}
	said, err := io.ReadAll(r)
	if string(said) == ready {
		return cmd.Process.Release()
	}
	kill := cmd.Process.Kill()
	_ = cmd.Wait() // it was killed, or had died; the log has its last words
	return errors.Join(fmt.Errorf("it ended before it was ready; see %s", log), err, ignore(kill, os.ErrProcessDone))
}

// command starts the program, detached, with one more descriptor.
func command(args []string, log string, extra ...*os.File) (*exec.Cmd, error) {
	out, err := os.OpenFile(log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close() //nolint:errcheck // nothing was written
	// What the caller was started with, a lock of flock(1) or the other end of
	// somebody's pipe, is not for the guard to hold open.
	if err := unix.CloseRange(readyFD, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return nil, fmt.Errorf("close_range: %w", err)
	}
	cmd := exec.Command(program)
	cmd.Args = append([]string{"ispctl"}, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = "/", out, out, extra
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd, cmd.Start()
}

// Ready tells who called [Start] that this process is.
func Ready() error {
	f := os.NewFile(readyFD, "ready")
	_, err := f.WriteString(ready)
	return errors.Join(err, f.Close())
}

// unkillable is the score of what the kernel never kills for want of memory.
const unkillable = "-1000"

// Harden takes this process out of reach: of the terminal's and the session's
// signals, of the control group that its starter is in, and of the kernel's
// hunger for memory. What this host does not permit is left; [Soften] undoes
// what a child of this process should not inherit.
func Harden() error {
	signal.Ignore(unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGPIPE, unix.SIGTSTP, unix.SIGTTOU)
	var errs []error
	groups := []string{"/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/unified/cgroup.procs", "/sys/fs/cgroup/systemd/cgroup.procs"}
	groups = slices.DeleteFunc(groups, func(f string) bool { _, err := os.Stat(f); return err != nil })
	for _, procs := range groups {
		errs = append(errs, os.WriteFile(procs, []byte("0"), 0))
	}
	return errors.Join(append(errs, os.WriteFile("/proc/self/oom_score_adj", []byte(unkillable), 0))...)
}

// Soften gives this process back to the kernel: what it starts from now on may
// be killed for want of memory like anything else.
func Soften() error { return os.WriteFile("/proc/self/oom_score_adj", []byte("0"), 0) }

// Pair keeps a second process with args beside this one until ctx ends or the
// second ends well. A second one, whose leader is not 0, first waits until its
// leader has died, and is the leader then.
func Pair(ctx context.Context, leader int, log string, args func(leader int) []string) error {
	const poll, again = 100 * time.Millisecond, 500 * time.Millisecond
	for leader != 0 && os.Getppid() == leader {
		if !sleep(ctx, poll) {
			return nil
		}
	}
	// A leader that ended because all was done is not to be replaced: this
	// process finds out by itself meanwhile.
	for leader == 0 || sleep(ctx, again) {
		leader = os.Getpid()
		cmd, err := command(args(leader), log)
		if err == nil {
			err = cmd.Wait()
		}
		if err == nil || ctx.Err() != nil {
			return nil
		}
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// Started is when a process started, in clock ticks since boot: field 22 of
// proc_pid_stat(5). The name before it may hold anything, so it is cut off at
// its last bracket.
func Started(pid int) (uint64, error) {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0, err
	}
	const startField = 22 - 3 // the third is the first after the name
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) <= startField {
		return 0, fmt.Errorf("process %d: its stat has %d fields", pid, len(fields))
	}
	return strconv.ParseUint(fields[startField], 10, 64)
}

// End kills a process if it is the one that started then, and nobody who got its
// number since: the descriptor stands for the process, not for the number
// (pidfd_open(2)).
func End(pid int, started uint64) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return ignore(err, unix.ESRCH)
	}
	defer unix.Close(fd) //nolint:errcheck // it was only signalled through
	if at, err := Started(pid); err != nil || at != started {
		return ignore(err, os.ErrNotExist)
	}
	return ignore(unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0), unix.ESRCH)
}

func ignore(err, fine error) error {
	if errors.Is(err, fine) {
		return nil
	}
	return err
}
