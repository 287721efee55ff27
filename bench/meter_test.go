package bench

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"ispctl"
	"ispctl/meter"
	"ispctl/meter/report"
	"ispctl/net/nft"
	"ispctl/state"
)

// BenchmarkReadCounters is 10,000 counters in one dump (goal P12), against the
// same by `nft -j`, in turn.
func BenchmarkReadCounters(b *testing.B) {
	var s strings.Builder
	s.WriteString("table inet ispctl-bench { set c { type ipv4_addr; size 65535; flags dynamic; elements = {")
	for i := range 10_000 {
		fmt.Fprintf(&s, "10.0.%d.%d counter packets %d bytes %d,", i/256, i%256, i, i*1000)
	}
	s.WriteString("}; }; }")
	cmd := exec.Command("nft", "-f", "-")
	cmd.Stdin = strings.NewReader(s.String())
	out, err := cmd.CombinedOutput()
	if err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	b.Cleanup(func() { _ = exec.Command("nft", "delete", "table", "inet", "ispctl-bench").Run() })
	k, err := nft.Open("ispctl-bench")
	check(b, err)
	defer k.Close() //nolint:errcheck // it was only read
	var ours, theirs []time.Duration
	for b.Loop() {
		ours = append(ours, timed(func() {
			all, err := k.Counts(context.Background(), nft.Inet, "ispctl-bench", "c")
			check(b, err)
			if len(all) != 10_000 {
				b.Fatalf("%d counters", len(all))
			}
		}))
		theirs = append(theirs, timed(func() { check(b, exec.Command("nft", "-j", "list", "table", "inet", "ispctl-bench").Run()) }))
	}
	reportMedian(b, ours, "ours-ms")
	reportMedian(b, theirs, "nft-json-ms")
	b.ReportMetric(float64(median(theirs))/float64(median(ours)), "times")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkBook stores one reading of 10,000 VMs (goal P13); every thirtieth
// completes their five-minute samples.
func BenchmarkBook(b *testing.B) {
	u, err := state.OpenUsage(b.Context(), ispctl.Paths{Root: b.TempDir()})
	check(b, err)
	defer u.Close() //nolint:errcheck // the directory goes
	counts := map[meter.Source]meter.Counts{}
	owners := map[meter.Source]state.Meter{}
	for i := range 10_000 {
		source := meter.Source(fmt.Sprintf("isp-%d-0", i))
		counts[source] = meter.Counts{}
		owners[source] = state.Meter{Kind: state.VMMeter, Ref: string(source), Name: string(source), Zone: "z"}
	}
	at, up := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC), time.Hour
	before := cpuTime(b)
	n := 0
	for b.Loop() {
		for source, c := range counts {
			c[meter.Internet].In.Bytes += 123_456
			c[meter.Internet].Out.Bytes += 23_456
			c[meter.Internet].In.Packets += 100
			counts[source] = c
		}
		at, up = at.Add(10*time.Second), up+10*time.Second
		_, err := u.Book(b.Context(), meter.Reading{At: at, SinceBoot: up, Boot: "b", Counts: counts}, func(s meter.Source) (state.Meter, bool) {
			m, ok := owners[s]
			return m, ok
		})
		check(b, err)
		n++
	}
	b.ReportMetric(milliseconds(cpuTime(b)-before)/float64(n), "cpu-ms")
}

// BenchmarkCloseMonth makes the report of a month of 1,000 VMs with all of its
// 8,928 samples (goal P14), from a database that was just opened.
func BenchmarkCloseMonth(b *testing.B) {
	paths := ispctl.Paths{Root: b.TempDir()}
	cal, err := meter.NewCalendar("UTC")
	check(b, err)
	period, err := cal.ParseMonth("2026-10")
	check(b, err)
	u, err := state.OpenUsage(b.Context(), paths)
	check(b, err)
	meters := make([]state.Meter, 1000)
	for i := range meters {
		meters[i] = state.Meter{Kind: state.VMMeter, Ref: fmt.Sprint(i), Name: fmt.Sprint("vm", i), Zone: fmt.Sprint("z", i/100), Since: period.From}
	}
	first, end := period.Range()
	for s := first; s < end; s += 288 {
		check(b, u.Add(b.Context(), period.To, meters, func(ids []meter.ID) []meter.Sample {
			all := make([]meter.Sample, 0, 288*len(ids))
			for slot := s; slot < min(s+288, end); slot++ {
				for i, id := range ids {
					n := uint64(slot)*7919%99_991*1000 + uint64(i)
					all = append(all, meter.Sample{Slot: slot, Meter: id, Counts: meter.Counts{meter.Internet: {In: meter.Way{Bytes: n, Packets: n / 900}, Out: meter.Way{Bytes: n / 7, Packets: n / 6000}}}})
				}
			}
			return all
		}, "bench"))
	}
	_, err = u.Fold(b.Context(), cal, period.To.Add(time.Hour))
	check(b, err)
	check(b, u.Close())
	var took []time.Duration
	for b.Loop() {
		took = append(took, timed(func() {
			u, err := state.OpenUsage(b.Context(), paths)
			check(b, err)
			all, err := u.Meters(b.Context())
			check(b, err)
			ids := make([]meter.ID, len(all))
			for i, m := range all {
				ids[i] = m.ID
			}
			maker := report.NewMaker(report.Frame{Name: "2026-10", Period: period, Until: period.To, Now: period.To}, report.ByZone)
			i := 0
			check(b, u.EachSeries(b.Context(), period, ids, func(_ meter.ID, s *meter.Series) error {
				maker.Add(report.Subject{Name: all[i].Name, UUID: all[i].Ref, Zone: all[i].Zone, Series: s})
				i++
				return nil
			}))
			if r := maker.Report(); len(r.Groups) != 10 || r.Groups[0].VMs[0].Measured.Max == 0 {
				b.Fatal("not the month that was stored")
			}
			check(b, u.Close())
		}))
	}
	reportMedian(b, took, "ms")
	b.ReportMetric(0, "ns/op")
}
