package images

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// epoch is the time that files of an image bear at the latest: the release of
// Debian 12, so that two builds of the same packages differ in nothing else.
const epoch = "1686355200" // 2023-06-10T00:00:00Z

// passedOn are variables of our own environment that a build may depend on:
// how packages are reached.
var passedOn = [...]string{"http_proxy", "https_proxy", "no_proxy"}

// command is a program that a build runs.
type command struct {
	argv []string
	env  []string
	line func(string) // told of every line it prints
}

// run runs a program in a PID namespace and a mount namespace of its own. When
// the context ends, or we are killed, the kernel ends the program with all it
// has started, and what they have mounted is gone: nothing that builds a root
// file system is ever left half done on the host.
func (c command) run(ctx context.Context) error {
	// The umask of an operator who guards his own files must not become that
	// of a guest's.
	argv := append([]string{"/bin/sh", "-c", `umask 022; exec "$@"`, "sh"}, c.argv...)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append([]string{
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive", "SOURCE_DATE_EPOCH=" + epoch,
	}, c.env...)
	for _, name := range passedOn {
		if value, set := os.LookupEnv(name); set {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:   syscall.CLONE_NEWPID,
		Unshareflags: syscall.CLONE_NEWNS, // made private by package syscall
		Pdeathsig:    syscall.SIGKILL,
	}
	cmd.WaitDelay = 5 * time.Second
	out, in := io.Pipe()
	cmd.Stdout, cmd.Stderr = in, in

	// Pdeathsig is sent when the thread ends that started the program, so no
	// goroutine that takes its thread with it may get this one meanwhile.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	last := make(chan []string, 1)
	go func() { last <- c.follow(out) }()
	err := cmd.Run()
	err = errors.Join(err, in.Close())
	tail := <-last
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", c.argv[0], err, strings.Join(tail, "\n"))
	}
	return nil
}

// follow reads to the end, passes every line on and returns the last ones.
func (c command) follow(r io.Reader) []string {
	const keep = 15
	var tail []string
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		if line = strings.TrimSpace(line); line != "" {
			c.line(line)
			tail = append(tail, line)
			tail = tail[max(0, len(tail)-keep):]
		}
		if err != nil {
			return tail
		}
	}
}
