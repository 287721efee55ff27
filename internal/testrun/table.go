package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
)

// columns of the table, from the rings on the host to the flavours of the lab.
var columns = []string{"pure", "libvirt", "kernel", "guest", "debian-12", "debian-13", "systemd", "xen"}

// The table stands between two comments of docs/testing.md.
const tableBegin, tableEnd = "<!-- the table: written by internal/testrun -->\n", "<!-- the table's end -->\n"

// table is the record for people: each feature by ring and flavour.
func (rec record) table() string {
	sums := make([]map[string]*counts, len(features))
	total := map[string]*counts{}
	for i := range sums {
		sums[i] = map[string]*counts{}
	}
	add := func(to map[string]*counts, name string, c counts) {
		if to[name] == nil {
			to[name] = &counts{}
		}
		to[name].add(c)
	}
	for name, col := range rec {
		for pkg, all := range col.Tests {
			for test, c := range all {
				if i := featureOf(pkg, test); i >= 0 {
					add(sums[i], name, c)
				}
				add(total, name, c)
			}
		}
	}
	var b strings.Builder
	row := func(name string, cell func(column string) string) {
		b.WriteString("| " + name)
		for _, c := range columns {
			b.WriteString(" | " + cell(c))
		}
		b.WriteString(" |\n")
	}
	row("promise", func(c string) string { return c })
	row("---", func(string) string { return "---:" })
	for i, f := range features {
		row(f.name, func(c string) string { return cell(sums[i][c]) })
	}
	row("all", func(c string) string { return cell(total[c]) })
	row("run last", func(c string) string {
		if rec[c] == nil {
			return "never"
		}
		return rec[c].Ran
	})
	return b.String()
}

// cell says how many passed; what did not is said too.
func cell(c *counts) string {
	if c == nil {
		return ""
	}
	text := fmt.Sprint(c.Passed)
	if c.Failed > 0 {
		text += fmt.Sprintf(", %d failed", c.Failed)
	}
	if c.Skipped > 0 {
		text += fmt.Sprintf(", %d skipped", c.Skipped)
	}
	return text
}

// splice puts the table into the page.
func splice(page []byte, table string) ([]byte, error) {
	before, rest, ok := bytes.Cut(page, []byte(tableBegin))
	_, after, ok2 := bytes.Cut(rest, []byte(tableEnd))
	if !ok || !ok2 {
		return nil, errors.New("the page has no place for the table")
	}
	return bytes.Join([][]byte{before, []byte(tableBegin), []byte(table), []byte(tableEnd), after}, nil), nil
}

func writeTable(page, table string) error {
	data, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	if data, err = splice(data, table); err != nil {
		return fmt.Errorf("%s: %w", page, err)
	}
	return os.WriteFile(page, data, 0o644)
}
