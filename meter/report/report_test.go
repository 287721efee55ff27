package report_test

import (
	"bytes"
	"compress/zlib"
	"encoding/csv"
	"encoding/json"
	"html"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"ispctl"
	"ispctl/meter"
	"ispctl/meter/report"
)

// sample is a month of two VMs, of which one is destroyed.
func sample(t testing.TB) *report.Report {
	t.Helper()
	c, err := meter.NewCalendar("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	period, err := c.ParseMonth("2026-10")
	if err != nil {
		t.Fatal(err)
	}
	m := report.NewMaker(report.Frame{
		Name: "2026-10", TimeZone: "Europe/Berlin", Period: period, Until: period.To, Now: period.To.Add(time.Hour),
		Notes: []report.Note{{At: period.From, Text: "the host was restarted"}},
	}, report.ByTenant)
	for i, name := range []string{"web1", "<script>alert(1)</script>"} {
		s := meter.NewSeries(period)
		first, end := period.Range()
		for slot := first; slot < end; slot++ {
			n := uint64(slot*7919%9973) * 12_345 * uint64(i+1)
			s.Add(slot, meter.Counts{meter.Internet: {In: meter.Way{Bytes: n, Packets: 1}, Out: meter.Way{Bytes: n / 3, Packets: 1}}})
		}
		tariff := ispctl.Tariff{Plan: "small", Currency: "EUR", Volume: ispctl.DirectionSum, Included: ispctl.GiB, PerGB: 10_000, Percentile: ispctl.DirectionMax, PerMbit: 500_000}
		quota := ispctl.Quota{VM: "web1", Volume: ispctl.TiB, Direction: ispctl.DirectionSum, Day: 1, Action: ispctl.ActionNotify}
		m.Add(report.Subject{
			Name: name, UUID: "u" + strconv.Itoa(i), Zone: "dmz", Plan: "small", Gone: i == 1, Series: s, Tariff: &tariff, Quota: &quota,
			Corrections: []report.Correction{{At: period.From, In: -5, Out: 7, Reason: "a test", Actor: "me"}},
			Services:    talks("tcp/443", 12), Remotes: talks("198.51.100.0/24", 3),
		})
	}
	return m.Report()
}

// talks are sums of connections, the last of all others.
func talks(name string, n int) []report.Talk {
	all := []report.Talk{{Name: "", FlowSum: meter.FlowSum{Flows: 9, Pair: meter.Pair{In: meter.Way{Bytes: 99}}}}}
	for i := range n {
		one := report.Talk{Name: name, FlowSum: meter.FlowSum{Flows: 1, Pair: meter.Pair{In: meter.Way{Bytes: 7_654_321}, Out: meter.Way{Bytes: 1_234_567}}}}
		if i > 0 {
			one.Name += "+" + strconv.Itoa(i)
			one.In.Bytes, one.Out.Bytes = uint64(100*i), 3
		}
		all = append(all, one)
	}
	return all
}

// TestTops: the largest are named, in all formats, and the others summed.
func TestTops(t *testing.T) {
	r := sample(t)
	g := r.Groups[0]
	if len(g.Services) != 9 || g.Services[0] != (report.Top{Name: "tcp/443", Flows: 2, In: 15_308_642, Out: 2_469_134}) || g.Services[8].Name != "" {
		t.Errorf("%+v", g.Services)
	}
	var in, flows uint64
	for _, s := range g.Services {
		in, flows = in+s.In, flows+s.Flows
	}
	if in != 2*(7_654_321+6600+99) || flows != 2*(12+9) {
		t.Errorf("in all %d bytes, %d connections", in, flows)
	}
	for format, text := range map[string]string{"table": write(t, r, "table"), "html": write(t, r, "html"), "pdf": pdfText(t, write(t, r, "pdf")), "json": write(t, r, "json")} {
		for _, want := range []string{"tcp/443", "198.51.100.0/24", "15308642"} {
			if !strings.Contains(strings.ReplaceAll(text, ",", ""), want) {
				t.Errorf("%s: no %q", format, want)
			}
		}
	}
}

func write(t testing.TB, r *report.Report, format string) string {
	t.Helper()
	var b bytes.Buffer
	if err := r.Write(&b, format); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

var (
	streams = regexp.MustCompile(`(?s)stream\r?\n(.*?)\r?\nendstream`)
	shown   = regexp.MustCompile(`\(((?:[^()\\]|\\.)*)\) ?Tj`)
	tags    = regexp.MustCompile(`<[^>]*>`)
)

// pdfText is what a PDF shows, in order.
func pdfText(t testing.TB, pdf string) string {
	t.Helper()
	var all strings.Builder
	for _, s := range streams.FindAllStringSubmatch(pdf, -1) {
		z, err := zlib.NewReader(strings.NewReader(s[1]))
		if err != nil {
			continue // no text
		}
		page, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range shown.FindAllStringSubmatch(string(page), -1) {
			all.WriteString(strings.NewReplacer(`\(`, "(", `\)`, ")", `\\`, `\`).Replace(one[1]) + "\n")
		}
	}
	return all.String()
}

// TestFiguresAgree reads every format back and holds each figure of the JSON
// against it.
func TestFiguresAgree(t *testing.T) {
	r := sample(t)
	var figures report.Report
	if err := json.Unmarshal([]byte(write(t, r, "json")), &figures); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(strings.NewReader(write(t, r, "csv"))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{
		"table": write(t, r, "table"), "html": html.UnescapeString(tags.ReplaceAllString(write(t, r, "html"), " ")), "pdf": pdfText(t, write(t, r, "pdf")),
	}
	for i, v := range figures.Groups[0].VMs {
		row := map[string]string{}
		for c, head := range rows[0] {
			row[head] = rows[i+1][c]
		}
		for head, want := range map[string]string{
			"vm": v.Name, "in_bytes": strconv.FormatInt(v.In, 10), "out_bytes": strconv.FormatInt(v.Out, 10),
			"percentile95_max": strconv.FormatUint(v.Measured.Max, 10), "peak": strconv.FormatUint(v.Peak.Rate, 10), "owed": v.Owed,
		} {
			if row[head] != want {
				t.Errorf("csv: %s of %s is %s, want %s", head, v.Name, row[head], want)
			}
		}
		for format, text := range texts {
			plain := strings.ReplaceAll(text, ",", "")
			for _, want := range []string{
				strconv.FormatInt(v.In, 10), strconv.FormatInt(v.Out, 10), strconv.FormatUint(v.Measured.Max, 10), strconv.FormatUint(v.Peak.Rate, 10), v.Owed + " EUR",
			} {
				if !strings.Contains(plain, want) {
					t.Errorf("%s lacks %s of %s", format, want, v.Name)
				}
			}
			if format != "html" && !strings.Contains(text, v.Name) {
				t.Errorf("%s lacks %s", format, v.Name)
			}
		}
	}
}

// TestPageIsSelfContained: no other file, no script, and nothing of a name is
// taken for markup.
func TestPageIsSelfContained(t *testing.T) {
	page := write(t, sample(t), "html")
	for _, bad := range []string{"http:", "https:", "<script", "src=", "@import", "url("} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %s", bad)
		}
	}
	if !strings.Contains(page, "<svg") || !strings.Contains(page, "stroke-dasharray") {
		t.Error("no chart, or no line of the percentile")
	}
}

// TestSameFiguresSameFile: a report can be compared with one that was sent.
func TestSameFiguresSameFile(t *testing.T) {
	for _, format := range report.Formats() {
		if a, b := write(t, sample(t), format), write(t, sample(t), format); a != b {
			t.Errorf("%s differs from run to run", format)
		}
	}
}

// TestNoVMs: a tenant without VMs has a report, too.
func TestNoVMs(t *testing.T) {
	r := &report.Report{Month: "2026-10", SoFar: true, Groups: []report.Group{{Kind: "zone", Name: "mail"}}}
	for _, format := range []string{"table", "html"} {
		if text := write(t, r, format); !strings.Contains(text, "so far") || !strings.Contains(text, "There was no VM") {
			t.Errorf("%s:\n%s", format, text)
		}
	}
	write(t, r, "pdf")
}

// TestLongNames holds that a name takes a second line rather than letters that
// nobody can read, and that none of it is lost.
func TestLongNames(t *testing.T) {
	c, err := meter.NewCalendar("")
	if err != nil {
		t.Fatal(err)
	}
	period, err := c.ParseMonth("2026-10")
	if err != nil {
		t.Fatal(err)
	}
	m := report.NewMaker(report.Frame{Name: "2026-10", Period: period, Until: period.To, Now: period.To.Add(time.Hour)}, report.ByTenant)
	name := strings.Repeat("shop-frontend-staging-", 3)[:63]
	m.Add(report.Subject{Name: name, UUID: "u", Zone: "dmz", Plan: "small", Series: meter.NewSeries(period)})
	text := pdfText(t, write(t, m.Report(), "pdf"))
	if strings.Contains(text, name+"\n") {
		t.Errorf("the name is on one line")
	}
	if !strings.Contains(strings.ReplaceAll(text, "\n", ""), name[len(name)-10:]) {
		t.Errorf("the end of the name is missing in:\n%s", text)
	}
}
