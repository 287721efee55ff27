package handover

import (
	"io"
	"strconv"
	"time"

	"codeberg.org/go-pdf/fpdf"
)

func number(n int) string { return strconv.Itoa(n) }

// A4 in millimetres.
const (
	pdfMargin = 18.0
	pdfWidth  = 210 - 2*pdfMargin
	pdfQR     = 70.0
)

// PDF writes it on paper.
func (d Document) PDF(out io.Writer) error {
	f := fpdf.New("P", "mm", "A4", "")
	tr := f.UnicodeTranslatorFromDescriptor("")
	f.SetCreationDate(d.Made)
	f.SetModificationDate(d.Made)
	f.SetCatalogSort(true)
	f.SetTitle(d.heading(), true)
	f.SetMargins(pdfMargin, pdfMargin, pdfMargin)
	f.SetAutoPageBreak(true, pdfMargin)
	f.AddPage()
	write := func(font, style string, size, height float64, text string) {
		f.SetFont(font, style, size)
		f.MultiCell(pdfWidth, height, tr(text), "", "L", false)
	}
	write("Helvetica", "B", 18, 9, d.heading())
	write("Helvetica", "", 9, 6, d.Made.UTC().Format(time.RFC3339))
	for _, s := range d.sections() {
		f.Ln(4)
		write("Helvetica", "B", 12, 7, s.title)
		for _, one := range s.facts {
			write("Helvetica", "", 8, 4.5, one.name)
			write("Courier", "", 10, 5, one.value)
			f.Ln(1)
		}
		if s.note != "" {
			write("Helvetica", "", 9, 5, s.note)
		}
		if s.code != "" {
			write("Courier", "", 8, 4, s.code)
		}
	}
	if d.VPN != nil && len(d.VPN.QR) > 0 {
		if f.GetY() > 297-pdfMargin-pdfQR {
			f.AddPage()
		}
		dot, left, top := pdfQR/float64(len(d.VPN.QR)), f.GetX(), f.GetY()+6
		f.SetFillColor(0, 0, 0)
		for y, row := range d.VPN.QR {
			for x, black := range row {
				if black {
					f.Rect(left+float64(x)*dot, top+float64(y)*dot, dot, dot, "F")
				}
			}
		}
	}
	return f.Output(out)
}
