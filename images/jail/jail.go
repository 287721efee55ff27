// Package jail runs a program that reads what strangers made, such as qemu-img
// on a disk image, so that it can do little harm when it is taken over.
//
// What it has: one directory of the caller's, /spool; the host's /usr, read-only;
// standard input and output. What it has not: any other file, a network, other
// processes, capabilities, a user that anything else belongs to, the right to
// gain any of these, more memory, time or file size than it was given.
//
// It takes root, and mount(8), prlimit(1), setpriv(1) of util-linux and
// chroot(8) of coreutils, which no Debian is without. See namespaces(7),
// mount_namespaces(7), setrlimit(2).
package jail

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"ispctl"
)

// UID is the user, and the group, that a program in jail runs as. It lies where
// systemd's table of users has "unused", above all ranges for people, services
// and containers: nothing on the host belongs to it but what is in a spool.
const UID = 0x78000000

// Spool is where a program in jail finds the directory it was given.
const Spool = "/spool"

// Program is a program to run in jail, once.
type Program struct {
	Argv []string // the program without a path: it comes from /usr/bin

	// Dir becomes /spool. It must belong to [UID], and is the only place
	// where the program can write. The jail is built on a directory in its
	// parent, so that both have one owner.
	Dir string

	Stdin  *os.File  // nil: empty
	Stdout io.Writer // nil: it goes where messages go

	Memory   ispctl.Size   // of addresses, not of what is used
	FileSize ispctl.Size   // of the largest file it may write; 0: none
	CPU      time.Duration // whole seconds

	Well []int // exit codes beside 0 by which it says that it did what it should
}

// script builds the jail inside mount and network namespaces of its own, and
// turns into the program.
//
//go:embed jail.sh
var script string

// ErrProgram is in the error's tree when the program ran and failed.
var ErrProgram = errors.New("the program failed")

// Run runs a program to its end, or to that of the context or of this process,
// and with it all that it has started. The error of one that failed has the
// last it said.
func (p Program) Run(ctx context.Context) error {
	if os.Geteuid() != 0 {
		return &ispctl.Error{Kind: ispctl.Permission, Object: "program " + strconv.Quote(p.Argv[0]), Cause: "only root can confine it"}
	}
	root, err := os.MkdirTemp(p.Dir+"/..", ".jail-")
	if err != nil {
		return err
	}
	defer os.Remove(root) //nolint:errcheck // it is an empty directory, and goes with its parent
	cmd := exec.CommandContext(ctx, "/bin/sh", append([]string{
		"-c", script, "jail", root, p.Dir, strconv.Itoa(UID),
		"--as=" + strconv.FormatInt(int64(p.Memory), 10), "--fsize=" + strconv.FormatInt(int64(p.FileSize), 10),
		"--cpu=" + strconv.Itoa(int(p.CPU.Seconds())),
	}, p.Argv...)...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "MALLOC_ARENA_MAX=2"}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:   syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS,
		Unshareflags: syscall.CLONE_NEWNS, // made private by package syscall
		Pdeathsig:    syscall.SIGKILL,
	}
	cmd.WaitDelay = 5 * time.Second
	var said tail
	cmd.Stderr = &said
	if cmd.Stdout = &said; p.Stdout != nil {
		cmd.Stdout = p.Stdout
	}
	if p.Stdin != nil {
		cmd.Stdin = p.Stdin
	}
	// Pdeathsig is sent when the thread ends that started the program.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err = cmd.Run()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		if slices.Contains(p.Well, exit.ExitCode()) {
			return nil
		}
		return fmt.Errorf("%s: %w: %s: %s", p.Argv[0], ErrProgram, exit.ProcessState, said.text())
	}
	return err
}

// tail keeps the end of what a program says.
type tail struct{ b bytes.Buffer }

const mostSaid = 4096

func (t *tail) Write(p []byte) (int, error) {
	t.b.Write(p)
	if n := t.b.Len(); n > mostSaid {
		t.b.Next(n - mostSaid)
	}
	return len(p), nil
}

// text has nothing in it that a terminal would obey: a message may quote the
// file that was read.
func (t *tail) text() string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.TrimSpace(t.b.String()))
}
