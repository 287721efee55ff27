package bench

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"ispctl"
	"ispctl/internal/cli"
	"ispctl/meter"
	"ispctl/meter/report"
	"ispctl/net/count"
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

// BenchmarkBook stores one reading of 10,000 VMs; every thirtieth completes
// their five-minute samples. The benchmark's own turning of the counters is not
// in it.
func BenchmarkBook(b *testing.B) {
	books := newBooks(b)
	counts := map[meter.Source]*meter.Counts{}
	for source := range books.owners {
		counts[source] = &meter.Counts{}
	}
	var cpu time.Duration
	n := 0
	for b.Loop() {
		for _, c := range counts {
			c[meter.Internet].In.Bytes += 123_456
			c[meter.Internet].Out.Bytes += 23_456
			c[meter.Internet].In.Packets += 100
		}
		before := cpuTime(b)
		books.book(b, counts)
		cpu += cpuTime(b) - before
		n++
	}
	b.ReportMetric(milliseconds(cpu)/float64(n), "cpu-ms")
}

// BenchmarkSample is all that serve does every ten seconds for 10,000 VMs (goal
// P13): it reads the kernel's counters of all of them and books what they say.
// All have sent and received meanwhile, with the Internet and near.
func BenchmarkSample(b *testing.B) {
	for _, classes := range [][]string{{"internet"}, {"internet", "near"}} {
		b.Run(strings.Join(classes, "+"), func(b *testing.B) {
			books := newBooks(b)
			inst := ispctl.Installation{Prefix: "bench", Hypervisor: "test:///default"}
			table := inst.Table(count.Layer)
			turn := func(n int) {
				var s strings.Builder
				fmt.Fprintf(&s, "table bridge %s {}; delete table bridge %[1]s; table bridge %[1]s {\n", table)
				for _, class := range []string{"internet", "zones", "near"} {
					for _, way := range []string{"in", "out"} {
						fmt.Fprintf(&s, "set %s-%s { type ifname; size 131072; flags dynamic;", class, way)
						if slices.Contains(classes, class) {
							s.WriteString(" elements = {")
							for i := range vmsMetered {
								fmt.Fprintf(&s, "\"isp-%d-0\" counter packets %d bytes %d,", i, n*100, n*123_456+i)
							}
							s.WriteString("};")
						}
						s.WriteString("}\n")
					}
				}
				s.WriteString("}\n")
				cmd := exec.Command("nft", "-f", "-")
				cmd.Stdin = strings.NewReader(s.String())
				if out, err := cmd.CombinedOutput(); err != nil {
					b.Fatalf("%v: %.500s", err, out)
				}
			}
			b.Cleanup(func() { _ = exec.Command("nft", "delete", "table", "bridge", table).Run() })
			k, err := nft.Open(table)
			check(b, err)
			defer k.Close() //nolint:errcheck // it was only read
			read := cli.Counters(inst, k)
			var cpu time.Duration
			n := 0
			for b.Loop() {
				n++
				turn(n)
				// A hash table that has just grown is still being moved, and a dump
				// meanwhile lacks elements.
				for settled := false; !settled; {
					counts, err := read(b.Context())
					check(b, err)
					settled = len(counts) == vmsMetered
					time.Sleep(100 * time.Millisecond)
				}
				before := cpuTime(b)
				counts, err := read(b.Context())
				check(b, err)
				books.book(b, counts)
				cpu += cpuTime(b) - before
				if len(counts) != vmsMetered {
					b.Fatalf("%d counters", len(counts))
				}
			}
			b.ReportMetric(milliseconds(cpu)/float64(n), "cpu-ms")
			b.ReportMetric(0, "ns/op")
		})
	}
}

const vmsMetered = 10_000

// books are the usage database of 10,000 VMs.
type books struct {
	usage  *state.Usage
	owners map[meter.Source]*state.Meter
	at     time.Time
	up     time.Duration
}

func newBooks(b *testing.B) *books {
	u, err := state.OpenUsage(b.Context(), ispctl.Paths{Root: b.TempDir()})
	check(b, err)
	b.Cleanup(func() { _ = u.Close() }) // the directory goes
	k := &books{usage: u, owners: map[meter.Source]*state.Meter{}, at: time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC), up: time.Hour}
	for i := range vmsMetered {
		source := meter.Source(fmt.Sprintf("isp-%d-0", i))
		k.owners[source] = &state.Meter{Kind: state.VMMeter, Ref: string(source), Name: string(source), Zone: "z"}
	}
	first := map[meter.Source]*meter.Counts{}
	for source := range k.owners {
		first[source] = &meter.Counts{meter.Near: {Out: meter.Way{Bytes: 1, Packets: 1}}}
	}
	k.book(b, first) // who is known after the first reading is known for good
	return k
}

func (k *books) book(b *testing.B, counts map[meter.Source]*meter.Counts) {
	k.at, k.up = k.at.Add(10*time.Second), k.up+10*time.Second
	_, err := k.usage.Book(b.Context(), meter.Reading{At: k.at, SinceBoot: k.up, Boot: "b", Counts: counts}, func(s meter.Source) *state.Meter { return k.owners[s] })
	check(b, err)
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
