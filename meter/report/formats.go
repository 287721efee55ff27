package report

import (
	"io"
	"strings"

	"ispctl"
)

// Formats are what a report can be written as.
func Formats() []string { return []string{"table", "csv", "json", "html", "pdf"} }

// Write writes the report in a format.
func (r *Report) Write(out io.Writer, format string) error {
	switch format {
	case "table":
		return r.Table(out)
	case "csv":
		return r.CSV(out)
	case "json":
		return r.JSON(out)
	case "html":
		return r.HTML(out)
	case "pdf":
		return r.PDF(out)
	}
	return ispctl.Invalid("output format", format, "is not known; have: %s", strings.Join(Formats(), ", "))
}
