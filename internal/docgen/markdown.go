package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// writeMarkdown is the page of one command.
func writeMarkdown(c *cobra.Command) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n%s\n\n```\n%s\n```\n", c.CommandPath(), description(c), c.UseLine())
	if c.Example != "" && !c.HasSubCommands() {
		fmt.Fprintf(&b, "\n## Examples\n\n```sh\n%s\n```\n", unindent(c.Example))
	}
	flagTable(&b, "Flags", c.NonInheritedFlags())
	flagTable(&b, "Flags of every command", c.InheritedFlags())
	if all := related(c); len(all) > 0 {
		b.WriteString("\n## See also\n\n")
		for _, other := range all {
			fmt.Fprintf(&b, "- [%s](%s.md): %s\n", other.CommandPath(), pageName(other), other.Short)
		}
	}
	return b.String()
}

func flagTable(b *strings.Builder, title string, flags *pflag.FlagSet) {
	if !flags.HasAvailableFlags() {
		return
	}
	fmt.Fprintf(b, "\n## %s\n\n| flag | default | meaning |\n| --- | --- | --- |\n", title)
	flags.VisitAll(func(f *pflag.Flag) {
		fallback := ""
		if text := defaultOf(f); text != "" {
			fallback = "`" + text + "`"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", flagName(f), fallback, strings.ReplaceAll(f.Usage, "|", `\|`))
	})
}

// flagName is a flag as it is given, with a word for its value.
func flagName(f *pflag.Flag) string {
	name := "--" + f.Name
	if f.Shorthand != "" {
		name = "-" + f.Shorthand + ", " + name
	}
	if f.Value.Type() == "bool" {
		return name
	}
	return name + " " + valueWord(f)
}

func valueWord(f *pflag.Flag) string {
	switch f.Value.Type() {
	case "stringArray", "stringSlice", "string":
		return "TEXT"
	case "int":
		return "N"
	}
	return strings.ToUpper(f.Value.Type())
}

// defaultOf is a default that is worth a word.
func defaultOf(f *pflag.Flag) string {
	switch f.DefValue {
	case "false", "[]", "0", "0s":
		return ""
	}
	return strings.TrimSuffix(strings.TrimPrefix(f.DefValue, "["), "]")
}

// unindent takes off what an example is indented by in --help.
func unindent(text string) string {
	lines := strings.Split(strings.Trim(text, "\n"), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimPrefix(line, "  ")
	}
	return strings.Join(lines, "\n")
}
