package cli_test

import (
	"cmp"
	"strings"
	"testing"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ispctl/internal/cli"
)

// everyCommand runs a test for each command there is.
func everyCommand(t *testing.T, test func(*testing.T, *cobra.Command)) {
	t.Helper()
	n := 0
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		n++
		t.Run(c.CommandPath(), func(t *testing.T) { test(t, c) })
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(cli.Tree())
	if n < 40 {
		t.Errorf("only %d commands: the walk is broken", n)
	}
}

func TestEveryCommandIsDescribed(t *testing.T) {
	everyCommand(t, func(t *testing.T, c *cobra.Command) {
		if c.Short == "" || !unicode.IsUpper([]rune(c.Short)[0]) || strings.HasSuffix(c.Short, ".") {
			t.Errorf("short description %q: begins with a capital and has no full stop", c.Short)
		}
		if c.Example == "" {
			t.Error("no example")
		}
		if !c.HasSubCommands() && c.ValidArgsFunction == nil {
			t.Error("completes nothing, and does not say so")
		}
		if !c.HasSubCommands() && c.Args == nil {
			t.Error("takes any arguments")
		}
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" || unicode.IsUpper([]rune(f.Usage)[0]) && !unicode.IsUpper([]rune(f.Usage)[1]) || strings.HasSuffix(f.Usage, ".") {
				t.Errorf("--%s is described as %q: begins small and has no full stop", f.Name, f.Usage)
			}
		})
	})
}

// TestExamplesParse takes each example as far as it goes without running it.
func TestExamplesParse(t *testing.T) {
	everyCommand(t, func(t *testing.T, c *cobra.Command) {
		shown := false
		for line := range strings.Lines(c.Example) {
			line, _, _ = strings.Cut(strings.TrimSpace(line), " > ")
			for part := range strings.SplitSeq(line, " | ") {
				shown = parses(t, part) == c.CommandPath() || shown
			}
		}
		if !shown && !c.HasSubCommands() && !c.Hidden {
			t.Error("no example shows the command itself")
		}
	})
}

// parses parses a command line, and returns the path of its command.
func parses(t *testing.T, line string) string {
	t.Helper()
	words := strings.Fields(line)
	if len(words) == 0 || words[0] != "ispctl" {
		t.Errorf("%q is no command of ours", line)
		return ""
	}
	c, rest, err := cli.Tree().Find(words[1:])
	if err != nil || c.HasSubCommands() && c.Annotations[cli.RunsByItself] == "" {
		t.Errorf("%q: no such command: %v", line, err)
		return ""
	}
	if err := c.ParseFlags(rest); err != nil {
		t.Errorf("%q: %v", line, err)
		return ""
	}
	if err := c.ValidateArgs(c.Flags().Args()); err != nil {
		t.Errorf("%q: %v", line, err)
	}
	if c.PreRunE != nil {
		if err := c.PreRunE(c, c.Flags().Args()); err != nil {
			t.Errorf("%q: %v", line, err)
		}
	}
	return c.CommandPath()
}

// TestHelp has every command print its help, which begins with what it does and
// shows how.
func TestHelp(t *testing.T) {
	everyCommand(t, func(t *testing.T, c *cobra.Command) {
		args := append(strings.Fields(c.CommandPath())[1:], "--help")
		out := ok(t, t.TempDir(), args...)
		if !strings.HasPrefix(out, cmp.Or(c.Long, c.Short)+"\n") || !strings.Contains(out, "Examples:\n"+c.Example) {
			t.Errorf("help:\n%s", out)
		}
	})
}
