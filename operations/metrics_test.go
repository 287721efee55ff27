package operations_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"ispctl"
	"ispctl/internal/prom"
	"ispctl/meter"
	"ispctl/operations"
)

// TestMetrics holds that figures are the counters' own, and that asking without
// end costs one dump a second.
func TestMetrics(t *testing.T) {
	m := newMetered(t, "2026-10-31T22:00:00Z")
	ctx := t.Context()
	tap := m.tap("web1")
	m.counters[tap] = meter.Counts{meter.Internet: {In: meter.Way{Bytes: 1500, Packets: 3}}, meter.Near: {Out: meter.Way{Bytes: 7, Packets: 1}}}
	m.counters["203.0.113.10"] = meter.Counts{meter.Internet: {Out: meter.Way{Bytes: 70, Packets: 1}}}
	m.Drops = func(context.Context, *ispctl.Model) (operations.Drops, error) {
		return operations.Drops{string(tap): {"spoofed": {Packets: 5, Bytes: 300}}}, nil
	}
	m.ok(m.SetQuota(ctx, ispctl.Quota{VM: "web1", Volume: 10, Direction: ispctl.DirectionSum, Day: 1, Action: ispctl.ActionThrottle, Rate: ispctl.Mbit}, options{}))
	m.sample()
	if _, err := m.sampler.JudgeQuotas(ctx); err != nil {
		t.Fatal(err)
	}
	metrics := m.Metrics()
	read := func() string {
		t.Helper()
		all, err := metrics.Read(ctx)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		if err := prom.Write(&b, all); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	text := read()
	for _, line := range []string{
		`ispctl_vm_bytes_total{vm="web1",zone="dmz",with="internet",direction="in"} 1500`,
		`ispctl_vm_packets_total{vm="web1",zone="dmz",with="near",direction="out"} 1`,
		`ispctl_vm_bytes_total{vm="web2",zone="dmz",with="internet",direction="in"} 0`,
		`ispctl_vm_dropped_packets_total{vm="web1",zone="dmz",reason="spoofed"} 5`,
		`ispctl_vm_ceiling_bits_per_second{vm="web1",zone="dmz",direction="in"} 1000000`,
		`ispctl_vm_quota_used_up{vm="web1",zone="dmz",action="throttle"} 1`,
		`ispctl_address_bytes_total{address="203.0.113.10",direction="out"} 70`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no line %s in:\n%s", line, text)
		}
	}
	m.counters[tap] = meter.Counts{meter.Internet: {In: meter.Way{Bytes: 9999, Packets: 4}}}
	if read() != text {
		t.Error("the counters were read twice within a second")
	}
	m.clock.Sleep(ctx, 2*time.Second)
	if !strings.Contains(read(), `direction="in"} 9999`) {
		t.Error("the counters were not read again")
	}
}
