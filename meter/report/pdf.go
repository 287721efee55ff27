package report

import (
	"io"

	"codeberg.org/go-pdf/fpdf"
)

// A4 in millimetres, and what is left of it.
const (
	pdfMargin = 15.0
	pdfWidth  = 210 - 2*pdfMargin
	pdfChart  = 42.0
	pdfAxis   = 18.0 // for the texts beside a chart
	pdfTable  = 8.0  // points
	pdfRow    = 5.5
)

// pdfColumns are the widths of the table's columns.
var pdfColumns = []float64{37, 15, 26, 26, 19, 19, 19, 19}

type ink [3]int

var (
	black = ink{28, 36, 48}
	faint = ink{102, 112, 127}
	rule  = ink{216, 221, 228}
	blue  = ink{47, 111, 178}
	amber = ink{217, 131, 36}
	red   = ink{179, 38, 58}
)

type pdf struct {
	*fpdf.Fpdf
	tr func(string) string // to the letters that the built-in fonts have
}

// PDF writes the same page as HTML, on paper.
func (r *Report) PDF(out io.Writer) error {
	f := fpdf.New("P", "mm", "A4", "")
	d := &pdf{f, f.UnicodeTranslatorFromDescriptor("")}
	p := r.page()
	// The same figures make the same file.
	f.SetCreationDate(r.Until)
	f.SetModificationDate(r.Until)
	f.SetCatalogSort(true)
	f.SetTitle(p.title, true)
	f.SetMargins(pdfMargin, pdfMargin, pdfMargin)
	f.SetAutoPageBreak(true, pdfMargin)
	f.SetFooterFunc(func() {
		f.SetY(-10)
		d.text(8, "", faint, p.title, "R")
	})
	f.AddPage()
	d.text(20, "B", black, p.title, "L")
	d.text(9, "", faint, p.subtitle, "L")
	f.Ln(3)
	d.facts(p.cover)
	for _, g := range p.groups {
		d.group(p, g)
	}
	if len(p.notes) > 0 {
		d.heading("Notes", 20)
		d.details(p.notes)
	}
	return f.Output(out)
}

func (d *pdf) ink(c ink)  { d.SetTextColor(c[0], c[1], c[2]) }
func (d *pdf) draw(c ink) { d.SetDrawColor(c[0], c[1], c[2]) }

func (d *pdf) text(size float64, style string, c ink, s, align string) {
	d.SetFont("Helvetica", style, size)
	d.ink(c)
	d.CellFormat(0, size*0.5, d.tr(s), "", 1, align, false, 0, "")
}

// heading begins a part, on a new page unless there is room for some of it.
func (d *pdf) heading(s string, room float64) {
	if _, height := d.GetPageSize(); d.GetY()+room > height-pdfMargin {
		d.AddPage()
	}
	d.Ln(5)
	d.draw(black)
	d.SetLineWidth(0.5)
	d.Line(pdfMargin, d.GetY(), pdfMargin+pdfWidth, d.GetY())
	d.Ln(3)
	d.text(13, "B", black, s, "L")
	d.Ln(1)
}

func (d *pdf) facts(all [][2]string) {
	for _, f := range all {
		d.SetFont("Helvetica", "", 9.5)
		d.ink(faint)
		d.CellFormat(52, 5, d.tr(f[0]), "", 0, "L", false, 0, "")
		d.ink(black)
		d.CellFormat(0, 5, d.tr(f[1]), "", 1, "L", false, 0, "")
	}
}

func (d *pdf) group(p page, g groupTexts) {
	d.heading(g.title, 110)
	d.facts(g.facts)
	d.chart(g)
	d.table(p.head, p.right, pdfColumns, g.rows)
	for _, t := range g.tables {
		d.table(t.head, t.right(), t.widths, t.rows)
	}
	d.details(g.details)
}

func (d *pdf) table(head []string, right []bool, columns []float64, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	d.Ln(3)
	// A table that a page has room for stays in one piece.
	if _, height := d.GetPageSize(); len(rows) < 20 && d.GetY()+pdfRow*float64(len(rows)+1) > height-pdfMargin {
		d.AddPage()
	}
	line := func(cells []string, style string, c ink) {
		d.SetFont("Helvetica", style, pdfTable)
		name := d.SplitText(d.tr(cells[0]), columns[0]-1.5) // long names take a second line
		if _, height := d.GetPageSize(); d.GetY()+pdfRow*float64(len(name)) > height-pdfMargin {
			d.AddPage()
		}
		d.draw(c)
		d.SetLineWidth(0.2)
		d.ink(black)
		for i, cell := range cells {
			border, text := "B", d.tr(cell)
			if i == 0 {
				text = name[0]
			}
			if len(name) > 1 {
				border = ""
			}
			align := "L"
			if right[i] {
				align = "R"
			}
			d.fit(text, columns[i]-1.5, style)
			d.CellFormat(columns[i], pdfRow, text, border, 0, align, false, 0, "")
		}
		d.Ln(-1)
		d.SetFont("Helvetica", style, pdfTable)
		for i, more := range name[1:] {
			border := ""
			if i == len(name)-2 {
				border = "B"
			}
			d.CellFormat(0, pdfRow-1.5, more, border, 1, "L", false, 0, "")
		}
	}
	line(head, "B", black)
	for _, row := range rows {
		line(row, "", rule)
	}
}

// fit makes letters small enough for a cell: a figure is never cut off.
func (d *pdf) fit(s string, width float64, style string) {
	for size := pdfTable; size >= 4; size -= 0.25 {
		d.SetFont("Helvetica", style, size)
		if d.GetStringWidth(s) <= width {
			return
		}
	}
}

func (d *pdf) details(all []string) {
	d.Ln(2)
	d.SetFont("Helvetica", "", 8)
	d.ink(faint)
	for _, s := range all {
		d.MultiCell(0, 4, d.tr(s), "", "L", false)
	}
}

// chart draws what the page of HTML has as SVG.
func (d *pdf) chart(g groupTexts) {
	c := draw(g.chart, g.from, g.to, pdfWidth-pdfAxis, pdfChart)
	if c.Empty {
		return
	}
	d.Ln(4)
	x, y := pdfMargin+pdfAxis, d.GetY()
	d.SetFont("Helvetica", "", 6.5)
	d.ink(faint)
	d.SetLineWidth(0.15)
	d.draw(rule)
	for _, l := range c.Lines {
		d.Line(x, y+l.At, x+c.Width, y+l.At)
		d.SetXY(pdfMargin, y+l.At-1.5)
		d.CellFormat(pdfAxis-1.5, 3, d.tr(l.Text), "", 0, "R", false, 0, "")
	}
	for _, day := range c.Days {
		d.Text(x+day.At, y+c.Height+3.5, day.Text)
	}
	area := []fpdf.PointType{{X: x, Y: y + c.Height}}
	for _, p := range c.In {
		area = append(area, fpdf.PointType{X: x + p.X, Y: y + p.Y})
	}
	area = append(area, fpdf.PointType{X: x + c.Width, Y: y + c.Height})
	d.SetFillColor(168, 195, 224)
	d.draw(blue)
	d.Polygon(area, "FD")
	d.draw(amber)
	d.SetLineWidth(0.25)
	for i := 1; i < len(c.Out); i++ {
		d.Line(x+c.Out[i-1].X, y+c.Out[i-1].Y, x+c.Out[i].X, y+c.Out[i].Y)
	}
	d.draw(red)
	d.SetLineWidth(0.35)
	d.SetDashPattern([]float64{2, 1}, 0)
	d.Line(x, y+c.Percentile, x+c.Width, y+c.Percentile)
	d.SetDashPattern(nil, 0)
	d.SetXY(pdfMargin, y+c.Height+5)
	d.SetFont("Helvetica", "", 8)
	for _, k := range []struct {
		c ink
		s string
	}{{blue, "in"}, {amber, "out"}, {red, c.PercentileIs}} {
		d.SetFillColor(k.c[0], k.c[1], k.c[2])
		d.Rect(d.GetX()+2, d.GetY()+0.8, 2.4, 2.4, "F")
		d.SetX(d.GetX() + 5)
		d.CellFormat(d.GetStringWidth(k.s)+3, 4, d.tr(k.s), "", 0, "L", false, 0, "")
	}
	d.Ln(4)
}
