package lab

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// command is a program that a build runs.
type command struct {
	argv []string
	env  []string
}

// passedOn are variables of our own environment that say how packages are
// reached.
var passedOn = [...]string{"http_proxy", "https_proxy", "no_proxy"}

// run runs a program in a PID namespace and a mount namespace of its own: when
// the context ends, or we are killed, the kernel ends it with all it started,
// and what it mounted is gone. The error has the last lines it printed.
func (c command) run(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, "/bin/sh", append([]string{"-c", `umask 022; exec "$@"`, "sh"}, c.argv...)...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH") + ":/usr/sbin:/sbin", "HOME=/root", "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive"}, c.env...)
	for _, name := range passedOn {
		if value, set := os.LookupEnv(name); set {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWPID, Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL,
	}
	cmd.WaitDelay = 5 * time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	// Pdeathsig is sent when the thread ends that started the program.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return fmt.Errorf("%s: %w\n%s", c.argv[0], err, tail(out.String()))
	}
	return nil
}

// tail is the last lines of a text: as many as the trace of a kernel that
// panics has, with its reason.
func tail(text string) string {
	const keep = 60
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-keep):], "\n")
}
