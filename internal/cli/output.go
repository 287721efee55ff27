package cli

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v4"

	"ispctl"
)

// formats are what -o takes.
var formats = []string{"table", "wide", "json", "yaml", "csv", "name"}

// outputFlag adds -o to a command that prints data.
func (a *app) outputFlag(c *cobra.Command) {
	c.Flags().StringVarP(&a.format, "output", "o", "table", "format: "+strings.Join(formats, ", "))
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
}

// column is one column of a table, and one field of what `show` prints.
type column[T any] struct {
	head string
	wide bool // only in wide tables and in show
	text func(T) string
}

// listing says how a kind of object is printed. Tables are for people and may
// change; JSON and YAML are the object's own fields and may only grow.
type listing[T any] struct {
	name    func(T) string
	columns []column[T]
}

func (l listing[T]) list(a *app, all []T) error {
	if all == nil {
		all = []T{}
	}
	switch a.format {
	case "table", "wide":
		return l.table(a.streams.Out, all, a.format == "wide")
	case "csv":
		return l.csv(a.streams.Out, all)
	}
	return l.data(a, all, all)
}

func (l listing[T]) show(a *app, one T) error {
	switch a.format {
	case "table", "wide":
		w := tabwriter.NewWriter(a.streams.Out, 0, 8, 2, ' ', 0)
		for _, c := range l.columns {
			fmt.Fprintf(w, "%s\t%s\n", strings.ToLower(c.head), orDash(c.text(one)))
		}
		return w.Flush()
	case "csv":
		return l.csv(a.streams.Out, []T{one})
	}
	return l.data(a, one, []T{one})
}

func (l listing[T]) data(a *app, value any, all []T) error {
	switch a.format {
	case "json":
		return printJSON(a.streams.Out, value)
	case "yaml":
		return printYAML(a.streams.Out, value)
	case "name":
		for _, one := range all {
			fmt.Fprintln(a.streams.Out, l.name(one))
		}
		return nil
	}
	return unknownFormat(a.format)
}

func unknownFormat(format string) error {
	return ispctl.Invalid("output format", format, "is not known; have: %s", strings.Join(formats, ", "))
}

// checkFormat refuses a format before anything is done for it.
func (a *app) checkFormat() error {
	if !slices.Contains(formats, a.format) {
		return unknownFormat(a.format)
	}
	return nil
}

func (l listing[T]) table(out io.Writer, all []T, wide bool) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	row := func(cell func(column[T]) string) {
		var cells []string
		for _, c := range l.columns {
			if wide || !c.wide {
				cells = append(cells, cell(c))
			}
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	row(func(c column[T]) string { return c.head })
	for _, one := range all {
		row(func(c column[T]) string { return orDash(c.text(one)) })
	}
	return w.Flush()
}

func (l listing[T]) csv(out io.Writer, all []T) error {
	w := csv.NewWriter(out)
	row := func(cell func(column[T]) string) error {
		cells := make([]string, len(l.columns))
		for i, c := range l.columns {
			cells[i] = cell(c)
		}
		return w.Write(cells)
	}
	if err := row(func(c column[T]) string { return strings.ToLower(c.head) }); err != nil {
		return err
	}
	for _, one := range all {
		if err := row(func(c column[T]) string { return c.text(one) }); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

func printJSON(out io.Writer, value any) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(value)
}

// printYAML prints the same names as JSON.
func printYAML(out io.Writer, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	var plain any
	if err := json.Unmarshal(data, &plain); err != nil {
		return err
	}
	text, err := yaml.Dump(plain)
	if err != nil {
		return err
	}
	_, err = out.Write(text)
	return err
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func join[T ~string](all []T) string {
	texts := make([]string, len(all))
	for i, one := range all {
		texts[i] = string(one)
	}
	return strings.Join(texts, ",")
}
