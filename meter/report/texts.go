package report

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"ispctl"
)

// page is a report as texts, which every format for people prints: the same
// words and digits in each.
type page struct {
	title, subtitle string
	cover           [][2]string
	head            []string
	right           []bool // columns of numbers
	groups          []groupTexts
	notes           []string
}

type groupTexts struct {
	title   string
	facts   [][2]string
	rows    [][]string
	tables  []tableTexts // smaller ones, below
	details []string
	chart   Chart
	from    time.Time
	to      time.Time
}

// tableTexts is a table below that of a group's VMs. Its first columns are words,
// and the others are numbers; widths are millimetres of paper.
type tableTexts struct {
	head   []string
	left   int
	widths []float64
	rows   [][]string
}

// right says which columns are numbers.
func (t tableTexts) right() []bool {
	all := make([]bool, len(t.head))
	for i := range all {
		all[i] = i >= t.left
	}
	return all
}

var (
	heads  = []string{"VM", "Plan", "In (bytes)", "Out (bytes)", "95th (bit/s)", "Peak (bit/s)", "Peak at (UTC)", "Owed"}
	rights = []bool{false, false, true, true, true, true, false, true}
)

func (r *Report) page() page {
	p := page{title: "Traffic in " + monthText(r.Month), head: heads, right: rights}
	if r.SoFar {
		p.title += ", so far"
	}
	p.subtitle = fmt.Sprintf("%s to %s, in days of %s", r.day(r.From), r.day(r.To.Add(-time.Second)), zoneText(r.TimeZone))
	var vms int
	var in, out int64
	var owed []Money
	for _, g := range r.Groups {
		vms, in, out = vms+len(g.VMs), in+g.In, out+g.Out
		owed = addMoney(owed, g.Owed)
		p.groups = append(p.groups, r.groupTexts(g))
	}
	p.cover = [][2]string{
		{"VMs", strconv.Itoa(vms)},
		{"In", bytesText(in)},
		{"Out", bytesText(out)},
		{"Owed", owedText(owed)},
		{"Complete up to", momentText(r.Until)},
	}
	for _, n := range r.Notes {
		p.notes = append(p.notes, momentText(n.At)+": "+n.Text)
	}
	return p
}

func (r *Report) groupTexts(g Group) groupTexts {
	t := groupTexts{
		title: strings.ToUpper(g.Kind[:1]) + g.Kind[1:] + " " + g.Name, chart: g.Chart, from: r.From, to: r.To,
		facts: [][2]string{
			{"In", bytesText(g.In)},
			{"Out", bytesText(g.Out)},
			{"95th percentile in", rateText(g.Measured.In)},
			{"95th percentile out", rateText(g.Measured.Out)},
			{"95th percentile of the larger", rateText(g.Measured.Max)},
			{"Peak", peakText(g.Peak)},
			{"Owed", owedText(g.Owed)},
		},
	}
	t.tables = append(append(billText(g), quotasText(g)...), topsText(g)...)
	if len(g.VMs) == 0 {
		t.details = append(t.details, "There was no VM in this month.")
	}
	for _, v := range g.VMs {
		name := v.Name
		if v.Gone {
			name += " (destroyed)"
		}
		at := ""
		if v.Peak.Rate > 0 {
			at = v.Peak.At.Format("01-02 15:04")
		}
		t.rows = append(t.rows, []string{
			name, v.Plan, digits(v.In), digits(v.Out), digits(int64(v.Measured.Max)), digits(int64(v.Peak.Rate)), at, strings.TrimSpace(v.Owed + " " + v.Currency),
		})
		t.details = append(t.details, details(v)...)
	}
	return t
}

// billText is what the bills of a group's VMs are made of.
func billText(g Group) []tableTexts {
	t := tableTexts{head: []string{"Billed", "Measure", "Used", "Included", "Above", "Price", "Amount"}, left: 2, widths: []float64{31, 32, 27, 25, 25, 20, 20}}
	for _, v := range g.VMs {
		for _, b := range v.Bill {
			measure, of := "bytes, "+directionText(b.Direction), "GB"
			if b.Measure != "volume" {
				measure, of = "95th bit/s, "+directionText(b.Direction), "Mbit/s"
			}
			t.rows = append(t.rows, []string{
				v.Name, measure, digits(int64(b.Used)), digits(int64(b.Included)), digits(int64(b.Over)), b.Price + "/" + of, b.Amount + " " + v.Currency,
			})
		}
	}
	return t.unlessEmpty()
}

// quotasText is how much of their quotas a group's VMs have used.
func quotasText(g Group) []tableTexts {
	t := tableTexts{head: []string{"Quota of", "Counts", "Volume (bytes)", "Used (bytes)", "Used (%)"}, left: 2, widths: []float64{46, 46, 33, 33, 22}}
	for _, v := range g.VMs {
		if q := v.Quota; q != nil {
			t.rows = append(t.rows, []string{
				v.Name, "bytes, " + directionText(q.Direction), digits(q.Volume), digits(int64(q.Used)), strconv.Itoa(int(float64(q.Used) / float64(max(q.Volume, 1)) * 100)),
			})
		}
	}
	return t.unlessEmpty()
}

func (t tableTexts) unlessEmpty() []tableTexts {
	if len(t.rows) == 0 {
		return nil
	}
	return []tableTexts{t}
}

// details are sentences below the tables: what was corrected, and why.
func details(v VM) []string {
	var all []string
	for _, c := range v.Corrections {
		all = append(all, fmt.Sprintf("%s: corrected by %s bytes in and %s out on %s: %s", v.Name, signed(c.In), signed(c.Out), momentText(c.At), c.Reason))
	}
	return all
}

// day is a day in the report's time zone.
func (r *Report) day(t time.Time) string {
	if zone, err := time.LoadLocation(zoneText(r.TimeZone)); err == nil {
		t = t.In(zone)
	}
	return t.Format("2 January 2006")
}

func momentText(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

func monthText(month string) string {
	t, err := time.Parse("2006-01", month)
	if err != nil {
		return month
	}
	return t.Format("January 2006")
}

func zoneText(zone string) string {
	if zone == "" {
		return "UTC"
	}
	return zone
}

func directionText(d ispctl.Direction) string {
	switch d {
	case ispctl.DirectionIn:
		return "in"
	case ispctl.DirectionOut:
		return "out"
	case ispctl.DirectionMax:
		return "larger way"
	}
	return "both ways"
}

// digits groups an exact number in threes.
func digits(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, s = "-", s[1:]
	}
	var b strings.Builder
	for i, c := range s {
		if i > 0 && (len(s)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(c)
	}
	return sign + b.String()
}

func signed(n int64) string {
	if n > 0 {
		return "+" + digits(n)
	}
	return digits(n)
}

// short is a number with three digits and the prefix of its power of a
// thousand.
func short(n float64, unit string) string {
	prefixes := []string{"", "k", "M", "G", "T", "P", "E"}
	i := 0
	for n >= 999.5 && i < len(prefixes)-1 {
		n, i = n/1000, i+1
	}
	places := 0
	switch {
	case i == 0:
	case n < 9.995:
		places = 2
	case n < 99.95:
		places = 1
	}
	return strconv.FormatFloat(n, 'f', places, 64) + " " + prefixes[i] + unit
}

func bytesText(n int64) string {
	if n < 0 {
		return digits(n) + " bytes"
	}
	return digits(n) + " bytes (" + short(float64(n), "B") + ")"
}

func rateText(n uint64) string {
	return digits(int64(n)) + " bit/s (" + short(float64(n), "bit/s") + ")"
}

func peakText(p Peak) string {
	if p.Rate == 0 {
		return "none"
	}
	return rateText(p.Rate) + " " + string(p.Direction) + " at " + momentText(p.At)
}

func addMoney(sum, more []Money) []Money {
next:
	for _, m := range more {
		for i, have := range sum {
			if have.Currency == m.Currency {
				a, _ := ispctl.ParsePrice(have.Amount)
				b, _ := ispctl.ParsePrice(m.Amount)
				sum[i].Amount = (a + b).String()
				continue next
			}
		}
		sum = append(sum, m)
	}
	return sum
}

func owedText(all []Money) string {
	if len(all) == 0 {
		return "nothing is billed"
	}
	texts := make([]string, len(all))
	for i, m := range all {
		texts[i] = m.Amount + " " + m.Currency
	}
	return strings.Join(texts, ", ")
}
