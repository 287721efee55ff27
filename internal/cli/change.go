package cli

import (
	"bufio"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/operations"
)

// dryRunFlag adds --dry-run to a command that changes something.
func dryRunFlag(c *cobra.Command, o *operations.Options) {
	c.Flags().BoolVar(&o.DryRun, "dry-run", false, "print the changes as the commands they equal, and make none")
}

// report prints what an operation came to, whether or not it succeeded: what
// was done is worth knowing most when the rest failed.
func (a *app) report(r operations.Result, o operations.Options, err error) error {
	if err != nil && !r.Changed() {
		return err
	}
	defer a.tellPending(r)
	out := a.streams.Out
	for _, line := range r.Intent {
		fmt.Fprintln(out, line)
	}
	switch {
	case o.DryRun:
		for _, c := range r.Changes {
			fmt.Fprintln(out, c)
		}
		if !r.Changed() {
			fmt.Fprintln(out, "no changes")
		}
	case err != nil:
		return err
	case !r.Changed():
		fmt.Fprintln(out, "no changes")
	default:
		fmt.Fprintf(a.streams.Err, "%s made on the host\n", plural(len(r.Changes), "change"))
	}
	return err
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// confirm asks before something that cannot be undone. Without a terminal it
// does not ask: a script says what it means.
func (a *app) confirm(question string) error {
	if a.yes || !a.streams.Terminal {
		return nil
	}
	fmt.Fprintf(a.streams.Err, "%s [y/N] ", question)
	line, err := bufio.NewReader(a.streams.In).ReadString('\n')
	if err != nil && line == "" {
		return fmt.Errorf("read the answer: %w", err)
	}
	if answer := strings.ToLower(strings.TrimSpace(line)); answer != "y" && answer != "yes" {
		return &ispctl.Error{Kind: ispctl.Usage, Cause: "not confirmed; nothing was done", Next: "answer y, or give --yes"}
	}
	return nil
}

// progress tells of a step on stderr, a line each: it reads the same on a
// terminal and in a log.
func (a *app) progress(e operations.Progress) {
	var b strings.Builder
	if e.Object != "" {
		b.WriteString(e.Object + ": ")
	}
	fmt.Fprintf(&b, "%-9s %s", e.Phase, e.Text)
	if e.Done {
		fmt.Fprintf(&b, " (%s)", e.Took.Round(time.Millisecond))
	}
	fmt.Fprintln(a.streams.Err, b.String())
}

// names collects what a command was given, or says what is missing.
func args(n int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, given []string) error {
		if len(given) == n {
			return nil
		}
		return &ispctl.Error{
			Kind: ispctl.Usage, Object: c.CommandPath(), Cause: fmt.Sprintf("wants %s, has %d", what, len(given)),
			Next: "see: " + c.CommandPath() + " --help",
		}
	}
}

// atLeast is args without an upper bound.
func atLeast(n int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, given []string) error {
		if len(given) < n {
			return args(n, what)(c, given)
		}
		return nil
	}
}

// required marks flags that a command cannot do without; the error is ours, so
// that its exit code is.
func required(c *cobra.Command, flags ...string) {
	before := c.PreRunE
	c.PreRunE = func(c *cobra.Command, given []string) error {
		var errs []error
		for _, name := range flags {
			if !c.Flags().Changed(name) {
				errs = append(errs, &ispctl.Error{
					Kind: ispctl.Usage, Object: c.CommandPath(), Cause: "--" + name + " is missing", Next: "see: " + c.CommandPath() + " --help",
				})
			}
		}
		if before != nil {
			errs = append(errs, before(c, given))
		}
		return errors.Join(errs...)
	}
}
