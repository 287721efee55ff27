package cli

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/operations"
)

func (a *app) zonePolicyList() *cobra.Command {
	c := &cobra.Command{
		Use: "list", Short: "Show what may be opened from where to where, as a matrix",
		Example: "  ispctl zone policy list\n  ispctl zone policy list -o json",
		Args:    args(0, "no argument"), ValidArgsFunction: nothing,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := a.checkFormat(); err != nil {
				return err
			}
			p, _, err := a.reader(c.Context())
			if err != nil {
				return err
			}
			cells, err := p.PolicyMatrix(c.Context())
			if err != nil {
				return err
			}
			if a.format == "table" || a.format == "wide" {
				return a.matrix(cells)
			}
			return cellListing.list(a, cells)
		},
	}
	a.outputFlag(c)
	return c
}

// matrix prints a row for each end that opens and a column for each that is
// opened to; a dash is closed. What holds for one family only says so.
func (a *app) matrix(cells []operations.CellView) error {
	var rows, columns []ispctl.End
	at := map[[2]ispctl.End][]string{}
	for _, c := range cells {
		if !slices.Contains(rows, c.From) {
			rows = append(rows, c.From)
		}
		if !slices.Contains(columns, c.To) {
			columns = append(columns, c.To)
		}
		key := [2]ispctl.End{c.From, c.To}
		for _, s := range c.Services {
			if c.Family == ispctl.IPv6 {
				s += "(v6)"
			}
			at[key] = append(at[key], s)
		}
	}
	w := tabwriter.NewWriter(a.streams.Out, 0, 8, 2, ' ', 0)
	fmt.Fprint(w, "FROM \\ TO")
	for _, to := range columns {
		fmt.Fprintf(w, "\t%s", to)
	}
	for _, from := range rows {
		fmt.Fprintf(w, "\n%s", from)
		for _, to := range columns {
			text := orDash(strings.Join(at[[2]ispctl.End{from, to}], ","))
			if from == to {
				text = "."
			}
			fmt.Fprintf(w, "\t%s", text)
		}
	}
	fmt.Fprintln(w)
	return w.Flush()
}
