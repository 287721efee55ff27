package bench

import (
	"context"
	"fmt"
	"testing"
	"time"

	"ispctl"
	"ispctl/converge"
	"ispctl/operations"
	"ispctl/operations/document"
)

// BenchmarkCreate is one VM more on a host that has some already, on libvirt's
// test driver. Own is what is not the driver's defining and starting it.
func BenchmarkCreate(b *testing.B) {
	for _, n := range []int{10, 1000} {
		b.Run(fmt.Sprintf("beside=%d", n), func(b *testing.B) {
			h := newHost(b)
			h.apply(b, n)
			domains := &stopwatch{Layer: h.Layers[len(h.Layers)-1]}
			h.Layers[len(h.Layers)-1] = domains
			b.Run("vm", func(b *testing.B) { h.benchmarkCreate(b, domains) })
		})
	}
}

func (h *host) benchmarkCreate(b *testing.B, domains *stopwatch) {
	var total, own []time.Duration
	name := ispctl.Name("one-more")
	before := cpuTime(b)
	var destroying time.Duration
	for b.Loop() {
		domains.took = 0
		took := timed(func() {
			_, err := h.CreateVM(b.Context(), operations.VMSpec{
				Name: name, Template: "micro", Zone: "z0", Plan: "small", SSHKeys: []string{key},
			}, false, operations.Options{})
			check(b, err)
		})
		total, own = append(total, took), append(own, took-domains.took)
		start := cpuTime(b)
		_, err := h.DestroyVMs(b.Context(), []string{string(name)}, false, operations.Options{})
		check(b, err)
		destroying += cpuTime(b) - start
	}
	b.ReportMetric(milliseconds(cpuTime(b)-before-destroying)/float64(b.N), "cpu-ms")
	reportMedian(b, total, "total-ms")
	reportMedian(b, own, "own-ms")
	b.ReportMetric(0, "ns/op") // the medians say it
}

// BenchmarkApply is a whole provider made by one apply, on libvirt's test
// driver. It takes its own time whatever -benchtime says.
func BenchmarkApply(b *testing.B) {
	for _, n := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("vms=%d", n), func(b *testing.B) {
			h := newHost(b)
			stopwatches := make([]*stopwatch, len(h.Layers))
			for i, l := range h.Layers {
				stopwatches[i] = &stopwatch{Layer: l}
				h.Layers[i] = stopwatches[i]
			}
			var took time.Duration
			before := cpuTime(b)
			for range b.N {
				h.wipe(b)
				doc, err := document.Parse("bench.yaml", providerDocument(n))
				check(b, err)
				for _, s := range stopwatches {
					s.took = 0
				}
				before = cpuTime(b)
				took = timed(func() {
					_, err = h.Apply(b.Context(), doc, true, operations.Options{})
					check(b, err)
				})
			}
			b.ReportMetric(took.Seconds(), "total-s")
			b.ReportMetric(milliseconds(took)/float64(n), "vm-ms")
			b.ReportMetric((cpuTime(b) - before).Seconds(), "cpu-s")
			for _, s := range stopwatches {
				b.ReportMetric(s.took.Seconds(), s.Name()+"-s")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// wipe applies an empty document, so that the next one has all to make.
func (h *host) wipe(b *testing.B) {
	doc, err := document.Parse("empty.yaml", []byte("version: 1\n"))
	check(b, err)
	_, err = h.Apply(b.Context(), doc, true, operations.Options{})
	check(b, err)
}

// stopwatch keeps how long a layer takes to make what is pending.
type stopwatch struct {
	converge.Layer
	took time.Duration
}

// Apply implements [converge.Layer].
func (s *stopwatch) Apply(ctx context.Context, changes []converge.Change) (err error) {
	s.took += timed(func() { err = s.Layer.Apply(ctx, changes) })
	return err
}
