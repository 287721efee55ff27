package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"ispctl"
)

var shells = []string{"bash", "zsh", "fish"}

func (a *app) completionCmd() *cobra.Command {
	return &cobra.Command{
		Use: "completion " + strings.Join(shells, "|"), Short: "Print a script that makes the shell complete commands and names",
		Example: "  ispctl completion bash > /etc/bash_completion.d/ispctl",
		Args:    args(1, "the name of a shell"), ValidArgsFunction: first(cobra.FixedCompletions(shells, cobra.ShellCompDirectiveNoFileComp)),
		RunE: func(c *cobra.Command, given []string) error {
			switch given[0] {
			case "bash":
				return c.Root().GenBashCompletionV2(a.streams.Out, true)
			case "zsh":
				return c.Root().GenZshCompletion(a.streams.Out)
			case "fish":
				return c.Root().GenFishCompletion(a.streams.Out, true)
			}
			return ispctl.Invalid("shell", given[0], "is not known; have: %s", strings.Join(shells, ", "))
		},
	}
}
