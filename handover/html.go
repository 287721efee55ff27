package handover

import (
	"html/template"
	"io"
	"strings"
	"time"
)

// page is one file with all that it needs.
var page = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex"><title>{{.Heading}}</title>
<style>
body{font:15px/1.5 system-ui,sans-serif;color:#1c2430;max-width:46rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem;margin-bottom:0}h2{font-size:1.15rem;margin-top:2rem;border-bottom:1px solid #d8dde4}
dl{display:grid;grid-template-columns:minmax(8rem,14rem) 1fr;gap:.35rem 1rem}dt{color:#66707f}dd{margin:0;white-space:pre-line;overflow-wrap:anywhere;font-family:ui-monospace,monospace}
pre{background:#f3f5f8;padding:.8rem;overflow-x:auto}p,small{color:#66707f}svg{width:18rem;height:18rem}
@media(max-width:34rem){dl{grid-template-columns:1fr}}
</style></head><body>
<h1>{{.Heading}}</h1><small>{{.Made}}</small>
{{range .Sections}}<h2>{{.Title}}</h2>
{{if .Facts}}<dl>{{range .Facts}}<dt>{{.Name}}</dt><dd>{{.Value}}</dd>{{end}}</dl>{{end}}
{{with .Note}}<p>{{.}}</p>{{end}}{{with .Code}}<pre>{{.}}</pre>{{end}}
{{end}}{{with .Path}}<svg role="img" aria-label="QR code of the VPN's configuration" viewBox="-4 -4 {{$.Size}} {{$.Size}}" shape-rendering="crispEdges"><rect x="-4" y="-4" width="100%" height="100%" fill="#fff"/><path fill="#000" d="{{.}}"/></svg>{{end}}
</body></html>
`))

type pageFact struct{ Name, Value string }

type pageSection struct {
	Title, Code, Note string
	Facts             []pageFact
}

// HTML writes it as one page.
func (d Document) HTML(out io.Writer) error {
	view := struct {
		Heading, Made, Path string
		Size                int
		Sections            []pageSection
	}{Heading: d.heading(), Made: d.Made.UTC().Format(time.RFC3339)}
	for _, s := range d.sections() {
		p := pageSection{Title: s.title, Code: s.code, Note: s.note}
		for _, f := range s.facts {
			p.Facts = append(p.Facts, pageFact{f.name, f.value})
		}
		view.Sections = append(view.Sections, p)
	}
	if d.VPN != nil {
		view.Size, view.Path = len(d.VPN.QR)+8, path(d.VPN.QR)
	}
	return page.Execute(out, view)
}

// path draws the dots of a QR code, a square each.
func path(rows [][]bool) string {
	var b strings.Builder
	for y, row := range rows {
		for x, black := range row {
			if black {
				b.WriteString("M" + number(x) + " " + number(y) + "h1v1h-1z")
			}
		}
	}
	return b.String()
}
