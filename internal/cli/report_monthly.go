package cli

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/meter/report"
	"ispctl/operations"
)

func (a *app) reportMonthly() *cobra.Command {
	var q operations.ReportQuery
	var format, output, zone, tenant string
	var all bool
	c := &cobra.Command{
		Use: "monthly", Short: "Write what was used in a month and what it costs",
		Long: `Write what was used in a month and what it costs: volume in and out, 95th
percentile, peak, quota, bill, and in HTML and PDF a chart of the month.

The HTML is one file that needs nothing else. With --all there is a file for each
tenant, and for each zone of VMs that are nobody's.`,
		Example: `  ispctl report monthly
  ispctl report monthly --month 2026-10 -o pdf --output october.pdf
  ispctl report monthly --month 2026-10 --zone dmz -o html --output dmz.html
  ispctl report monthly --month 2026-10 --all -o pdf --output reports/`,
		Args: args(0, "no argument"), ValidArgsFunction: nothing,
		RunE: func(c *cobra.Command, _ []string) error {
			switch {
			case all && output == "":
				return &ispctl.Error{Kind: ispctl.Usage, Object: c.CommandPath(), Cause: "--all wants a directory", Next: "give --output DIR"}
			case all && (zone != "" || tenant != ""):
				return &ispctl.Error{Kind: ispctl.Usage, Object: c.CommandPath(), Cause: "--all is of everybody", Next: "leave --tenant and --zone out"}
			case zone != "" && tenant != "":
				return &ispctl.Error{Kind: ispctl.Usage, Object: c.CommandPath(), Cause: "--tenant and --zone are two reports", Next: "give one of them"}
			}
			switch {
			case zone != "":
				q.Kind, q.Group = operations.GroupZone, zone
			case tenant != "":
				q.Kind, q.Group = operations.GroupTenant, tenant
			}
			var empty report.Report
			if err := empty.Write(&bytes.Buffer{}, format); err != nil {
				return err // before anything is read for it
			}
			p, _, err := a.reader(c.Context())
			if err != nil {
				return err
			}
			r, err := p.MonthlyReport(c.Context(), q)
			if err != nil {
				return err
			}
			if all {
				return a.reportEach(r, format, output)
			}
			return a.writeReport(r, format, output)
		},
	}
	c.Flags().StringVar(&q.Month, "month", "", "which, as 2026-10; the present one unless told otherwise")
	c.Flags().StringVar(&tenant, "tenant", "", "of this tenant alone")
	c.Flags().StringVar(&zone, "zone", "", "of this zone alone")
	c.Flags().BoolVar(&all, "all", false, "a file for each tenant and zone")
	c.Flags().StringVar(&output, "output", "", "write to this file, or with --all into this directory")
	c.Flags().StringVarP(&format, "format", "o", "table", "format: "+strings.Join(report.Formats(), ", "))
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(report.Formats(), cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("tenant", a.complete(tenantNames))
	_ = c.RegisterFlagCompletionFunc("zone", a.complete(zoneNames))
	return c
}

// writeReport writes to a file, whole or not at all, or to standard output.
func (a *app) writeReport(r *report.Report, format, file string) error {
	if file == "" {
		return r.Write(a.streams.Out, format)
	}
	var b bytes.Buffer
	if err := r.Write(&b, format); err != nil {
		return err
	}
	return renameio.WriteFile(file, b.Bytes(), 0o640)
}

func (a *app) reportEach(r *report.Report, format, dir string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	suffix := map[string]string{"table": "txt"}[format]
	if suffix == "" {
		suffix = format
	}
	for _, g := range r.Groups {
		one := *r
		one.Groups = []report.Group{g}
		file := filepath.Join(dir, fmt.Sprintf("%s-%s-%s.%s", r.Month, g.Kind, g.Name, suffix))
		if err := a.writeReport(&one, format, file); err != nil {
			return err
		}
		fmt.Fprintln(a.streams.Out, file)
	}
	return nil
}
