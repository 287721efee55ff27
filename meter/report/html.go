package report

import (
	_ "embed"
	"html/template"
	"io"
	"math"
)

//go:embed page.html
var pageHTML string

// Sizes of the chart in units of its SVG; page.html has them, too.
const (
	svgWidth  = 680
	svgHeight = 155
)

type htmlPage struct {
	Title, Subtitle string
	Cover           [][2]string
	Head            []string
	Right           []bool
	Groups          []htmlGroup
	Notes           []string
}

type htmlGroup struct {
	Title   string
	Facts   [][2]string
	Rows    [][]string
	Tables  []htmlTable
	Details []string
	Chart   *htmlChart
}

type htmlTable struct {
	Head  []string
	Right []bool
	Whole bool // as wide as the page
	Rows  [][]string
}

type htmlChart struct {
	Lines, Days     []mark
	InPath, OutPath string
	Percentile      float64
	PercentileIs    string
}

// HTML writes the report as one file that needs nothing else.
func (r *Report) HTML(out io.Writer) error {
	t, err := template.New("page").Parse(pageHTML)
	if err != nil {
		return err
	}
	p := r.page()
	h := htmlPage{p.title, p.subtitle, p.cover, p.head, p.right, nil, p.notes}
	for _, g := range p.groups {
		one := htmlGroup{Title: g.title, Facts: g.facts, Rows: g.rows, Details: g.details}
		for _, t := range g.tables {
			one.Tables = append(one.Tables, htmlTable{t.head, t.right(), len(t.head) > 4, t.rows})
		}
		if d := draw(g.chart, g.from, g.to, svgWidth, svgHeight); !d.Empty {
			one.Chart = &htmlChart{tenths(d.Lines), tenths(d.Days), path(d.In), path(d.Out), tenth(d.Percentile), d.PercentileIs}
		}
		h.Groups = append(h.Groups, one)
	}
	return t.Execute(out, h)
}

func tenth(v float64) float64 { return math.Round(v*10) / 10 }

func tenths(all []mark) []mark {
	some := make([]mark, len(all))
	for i, m := range all {
		some[i] = mark{tenth(m.At), m.Text}
	}
	return some
}
