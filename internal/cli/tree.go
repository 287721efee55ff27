package cli

import "github.com/spf13/cobra"

// Tree is all commands, for those who write about them. None of them can be
// run.
func Tree() *cobra.Command { return (&app{}).root() }
