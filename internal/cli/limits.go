package cli

import (
	"github.com/spf13/cobra"

	"ispctl"
)

// limitFlags adds a flag per limit, and returns what reads those that were
// given.
func limitFlags(c *cobra.Command, words string) func() map[string]string {
	texts := map[string]*string{}
	for _, f := range ispctl.LimitTable() {
		texts[f.Name] = c.Flags().String(f.Name, "", f.Help+" ("+f.Unit+words+")")
	}
	return func() map[string]string {
		given := map[string]string{}
		for name, text := range texts {
			if c.Flags().Changed(name) {
				given[name] = *text
			}
		}
		return given
	}
}
