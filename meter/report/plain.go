package report

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// Table writes the report for a terminal.
func (r *Report) Table(out io.Writer) error {
	p := r.page()
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintf(w, "%s\n%s\n\n", p.title, p.subtitle)
	for _, c := range p.cover {
		fmt.Fprintf(w, "%s\t%s\n", c[0], c[1])
	}
	for _, g := range p.groups {
		fmt.Fprintf(w, "\n%s\n", g.title)
		for _, f := range g.facts {
			fmt.Fprintf(w, "%s\t%s\n", f[0], f[1])
		}
		if len(g.rows) > 0 {
			fmt.Fprintf(w, "\n%s\n", strings.Join(p.head, "\t"))
		}
		for _, row := range g.rows {
			fmt.Fprintln(w, strings.Join(row, "\t"))
		}
		for _, top := range g.tables {
			fmt.Fprintf(w, "\n%s\n", strings.Join(top.head, "\t"))
			for _, row := range top.rows {
				fmt.Fprintln(w, strings.Join(row, "\t"))
			}
		}
		if len(g.details) > 0 {
			fmt.Fprintln(w)
		}
		for _, d := range g.details {
			fmt.Fprintln(w, d)
		}
	}
	if len(p.notes) > 0 {
		fmt.Fprintln(w)
	}
	for _, n := range p.notes {
		fmt.Fprintf(w, "note: %s\n", n)
	}
	return w.Flush()
}

// JSON writes the figures.
func (r *Report) JSON(out io.Writer) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(r)
}

var csvHead = []string{
	"month", "so_far", "group_kind", "group", "vm", "uuid", "zone", "plan", "in_bytes", "out_bytes",
	"percentile95_in", "percentile95_out", "percentile95_sum", "percentile95_max", "peak", "peak_direction", "peak_at",
	"quota_volume", "quota_used", "currency", "owed",
}

// CSV writes a row for each VM.
func (r *Report) CSV(out io.Writer) error {
	w := csv.NewWriter(out)
	if err := w.Write(csvHead); err != nil {
		return err
	}
	for _, g := range r.Groups {
		for _, v := range g.VMs {
			at, volume, used := "", "", ""
			if v.Peak.Rate > 0 {
				at = v.Peak.At.UTC().Format(time.RFC3339)
			}
			if v.Quota != nil {
				volume, used = strconv.FormatInt(v.Quota.Volume, 10), strconv.FormatUint(v.Quota.Used, 10)
			}
			if err := w.Write([]string{
				r.Month, strconv.FormatBool(r.SoFar), g.Kind, g.Name, v.Name, v.UUID, v.Zone, v.Plan,
				strconv.FormatInt(v.In, 10), strconv.FormatInt(v.Out, 10),
				strconv.FormatUint(v.Measured.In, 10), strconv.FormatUint(v.Measured.Out, 10), strconv.FormatUint(v.Measured.Sum, 10), strconv.FormatUint(v.Measured.Max, 10),
				strconv.FormatUint(v.Peak.Rate, 10), string(v.Peak.Direction), at, volume, used, v.Currency, v.Owed,
			}); err != nil {
				return err
			}
		}
	}
	w.Flush()
	return w.Error()
}
