package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"

	"github.com/gofrs/flock"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"ispctl"
	"ispctl/operations"
)

// detach is ^], as in telnet(1) and virsh(1).
const detach = 0x1d

func (a *app) vmConsole() *cobra.Command {
	return &cobra.Command{
		Use: "console NAME", Short: "Be at a VM's serial console; ^] leaves it",
		Long: `Be at a VM's serial console, until ^] is typed or the VM stops.

One at a time can be there. What the guest writes goes to the terminal as it is.`,
		Example: "  ispctl vm console web1",
		Args:    args(1, "the name of a VM"), ValidArgsFunction: first(a.complete(vmNames)),
		RunE: func(c *cobra.Command, given []string) error {
			view, err := a.look(c.Context(), given[0])
			if err != nil {
				return err
			}
			return a.atConsole(view, "start it: ispctl vm start "+given[0], false)
		},
	}
}

// atConsole is at a VM's console, alone. Who is far away is told that he is there:
// whether he is at a terminal is his end's to know.
func (a *app) atConsole(view operations.VMView, start string, far bool) error {
	name := string(view.Name)
	if view.Console == "" {
		return &ispctl.Error{Kind: ispctl.Conflict, Object: fmt.Sprintf("vm %q", name), Cause: "is not running", Next: start}
	}
	lock := flock.New(a.paths().ConsoleLock(view.UUID))
	if held, err := lock.TryLock(); err != nil {
		return fmt.Errorf("console of vm %q: %w", name, err)
	} else if !held {
		return ispctl.Conflicting("vm", name, "somebody else is at its console")
	}
	defer lock.Unlock() //nolint:errcheck // it goes with the process
	if far {
		fmt.Fprint(a.streams.Err, consoleGreeting)
	}
	return a.console(view.Console)
}

// consoleGreeting is for a terminal that is raw already.
const consoleGreeting = "connected; ^] leaves\r\n"

// look is `vm show` in a process of its own: one that has opened the embedded
// driver of libvirt keeps everybody else from it until it ends.
func (a *app) look(ctx context.Context, name string) (v operations.VMView, err error) {
	cmd := exec.CommandContext(ctx, "/proc/self/exe", "--root="+a.rootDir, "--lock-timeout="+a.lockWait.String(), "vm", "show", name, "-o", "json")
	cmd.Args[0] = "ispctl"
	cmd.Stderr = a.streams.Err
	out, err := cmd.Output()
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		return v, saidError{e.ExitCode()}
	}
	if err != nil {
		return v, fmt.Errorf("ispctl vm show: %w", err)
	}
	return v, json.Unmarshal(out, &v)
}

// console joins standard input and output with a terminal.
func (a *app) console(path string) error {
	line, err := os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return fmt.Errorf("console: %w", err)
	}
	defer line.Close() //nolint:errcheck // nothing is lost with it
	if _, err := term.MakeRaw(int(line.Fd())); err != nil {
		return fmt.Errorf("console: %w", err)
	}
	if in, ok := a.streams.In.(*os.File); ok && term.IsTerminal(int(in.Fd())) {
		before, err := term.MakeRaw(int(in.Fd()))
		if err != nil {
			return fmt.Errorf("console: %w", err)
		}
		defer term.Restore(int(in.Fd()), before) //nolint:errcheck // there is no more to be done
		fmt.Fprint(a.streams.Err, consoleGreeting)
	}
	ends := make(chan error, 2)
	go func() {
		_, err := io.Copy(a.streams.Out, line)
		ends <- err // the other end is gone: the guest has stopped
	}()
	go func() { ends <- typed(line, a.streams.In) }()
	if err := <-ends; err != nil && !errors.Is(err, unix.EIO) {
		return fmt.Errorf("console: %w", err)
	}
	return nil
}

// typed passes on what is typed, until detach is.
func typed(line io.Writer, in io.Reader) error {
	for b := make([]byte, 256); ; {
		n, err := in.Read(b)
		text, _, leave := bytes.Cut(b[:n], []byte{detach})
		if _, err := line.Write(text); err != nil {
			return err
		}
		if leave || errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
