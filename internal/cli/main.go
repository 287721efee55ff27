// Package cli is the command line: a cobra tree with a file per command. A
// command parses, calls one operation and prints. Data goes to stdout and
// everything else to stderr.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"golang.org/x/sys/unix"

	"ispctl"
)

// Streams are where a command reads and writes.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
	Terminal bool // In and Err are a terminal: prompts may be asked
}

// exitCodes are what each kind of error becomes; scripts depend on them.
var exitCodes = map[ispctl.ErrorKind]int{
	ispctl.Failed: 1, ispctl.Usage: 2, ispctl.NotFound: 3, ispctl.Permission: 4, ispctl.Conflict: 5, ispctl.TimedOut: 6,
}

// pendingCode is the exit code for "there are changes pending".
const pendingCode = 10

// errPending ends a command that found changes pending, and prints nothing.
var errPending = errors.New("changes are pending")

// saidError ends a command whose child has said already what is wrong.
type saidError struct{ code int }

func (e saidError) Error() string { return fmt.Sprintf("exit code %d", e.code) }

// Main runs the command line in the process's own streams and returns its exit
// code.
func Main(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
	defer stop()
	terminal := isTerminal(os.Stdin) && isTerminal(os.Stderr)
	return Run(ctx, args, Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Terminal: terminal})
}

// Run runs one command line and returns its exit code.
func Run(ctx context.Context, args []string, s Streams) int {
	a := &app{streams: s}
	defer a.close()
	if code, done, err := through(ctx, args); done && err == nil {
		return code
	} else if err != nil {
		fmt.Fprintln(s.Err, "ispctl:", err)
		return exitCodes[ispctl.KindOf(err)]
	}
	root := a.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	code := exitCode(err, func(err error) {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			fmt.Fprintln(s.Err, "ispctl:", line)
		}
	})
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		fmt.Fprintln(s.Err, "ispctl: this needs root")
		return exitCodes[ispctl.Permission]
	}
	return code
}

// exitCode is what a command came to, for the shell; what is wrong is told unless
// it was said already.
func exitCode(err error, tell func(error)) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errPending):
		return pendingCode
	}
	if said, ok := errors.AsType[saidError](err); ok {
		return said.code
	}
	tell(err)
	return exitCodes[ispctl.KindOf(err)]
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
