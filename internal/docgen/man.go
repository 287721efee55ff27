package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ispctl/internal/cli"
)

// writeMan is the man page of one command, in section 1 (man(7)).
func writeMan(c *cobra.Command) string {
	var b strings.Builder
	fmt.Fprintf(&b, ".TH %s 1 \"\" \"ispctl %s\" \"ispctl\"\n", strings.ToUpper(roff(pageName(c))), roff(cli.Version))
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", roff(pageName(c)), roff(c.Short))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n", roff(c.UseLine()))
	if c.HasSubCommands() {
		b.WriteString(".SH COMMANDS\n")
		for _, sub := range below(c) {
			fmt.Fprintf(&b, ".TP\n.BR %s (1)\n%s.\n", roff(pageName(sub)), roff(sub.Short))
		}
	} else {
		fmt.Fprintf(&b, ".SH DESCRIPTION\n%s\n", strings.ReplaceAll(roff(description(c)), "\n\n", "\n.PP\n"))
	}
	options(&b, "OPTIONS", c.NonInheritedFlags())
	options(&b, "OPTIONS OF EVERY COMMAND", c.InheritedFlags())
	if c.Example != "" && !c.HasSubCommands() {
		fmt.Fprintf(&b, ".SH EXAMPLES\n.nf\n%s\n.fi\n", roff(unindent(c.Example)))
	}
	b.WriteString(exitStatus)
	b.WriteString(".SH SEE ALSO\n")
	var also []string
	for _, other := range related(c) {
		also = append(also, fmt.Sprintf(".BR %s (1)", roff(pageName(other))))
	}
	b.WriteString(strings.Join(also, ",\n") + "\n")
	return b.String()
}

// exitStatus is the same for all commands.
const exitStatus = `.SH EXIT STATUS
.TP
.B 0
done
.TP
.B 1
it was tried and failed
.TP
.B 2
the input is wrong; nothing was tried
.TP
.B 3
no such object
.TP
.B 4
not permitted
.TP
.B 5
taken, in use, or another ispctl is at work
.TP
.B 6
timed out; it may still come to pass
.TP
.B 10
changes are pending (diff, converge \-\-dry\-run \-\-detailed\-exitcode)
`

func options(b *strings.Builder, title string, flags *pflag.FlagSet) {
	if !flags.HasAvailableFlags() {
		return
	}
	fmt.Fprintf(b, ".SH %s\n", title)
	flags.VisitAll(func(f *pflag.Flag) {
		fmt.Fprintf(b, ".TP\n.B %s\n%s", roff(flagName(f)), roff(f.Usage))
		if text := defaultOf(f); text != "" {
			fmt.Fprintf(b, " (default %s)", roff(text))
		}
		b.WriteString("\n")
	})
}

// roff is text as troff takes it for itself: no line of it is a request.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}
