package cli

import (
	"github.com/spf13/cobra"

	"ispctl/state"
)

// Tree is all commands, for those who write about them. None of them can be
// run.
func Tree() *cobra.Command { return (&app{}).root() }

// TenantTree is all that a tenant can ask by the gateway, likewise.
func TenantTree() *cobra.Command { return (&app{}).tenantTree("", state.Asker{}) }
