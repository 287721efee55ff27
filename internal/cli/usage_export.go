package cli

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

func (a *app) usageExport() *cobra.Command {
	var since, until string
	c := &cobra.Command{
		Use: "export", Short: "Write five-minute samples as CSV, for another host to import",
		Example: "  ispctl usage export --since 2026-10-01 > usage.csv",
		Args:    args(0, "no argument"), ValidArgsFunction: nothing,
		RunE: func(c *cobra.Command, _ []string) error {
			p, _, err := a.reader(c.Context())
			if err != nil {
				return err
			}
			from, to, err := span(c.Context(), p, since, until)
			if err != nil {
				return err
			}
			return p.ExportUsage(c.Context(), a.streams.Out, from, to)
		},
	}
	spanFlags(c, &since, &until)
	return c
}

func (a *app) usageImport() *cobra.Command {
	return &cobra.Command{
		Use: "import FILE", Short: "Book samples that another host exported",
		Long: `Book samples that another host exported.

All of the file is booked, or nothing. Where the same VM or address has been
metered here at the same time it is refused, so that nothing is counted twice.`,
		Example: "  ispctl usage import usage.csv",
		Args:    args(1, "the name of a file"),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveDefault
		},
		RunE: func(c *cobra.Command, given []string) error {
			p, _, err := a.reader(c.Context())
			if err != nil {
				return err
			}
			f, err := os.Open(given[0])
			if err != nil {
				return err
			}
			defer f.Close() //nolint:errcheck // it was only read
			n, err := p.ImportUsage(c.Context(), given[0], f)
			if err != nil {
				return err
			}
			fmt.Fprintf(a.streams.Out, "+ %s\n", plural(n, "sample"))
			return nil
		},
	}
}
