package operations_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ispctl"
	"ispctl/meter"
	"ispctl/operations"
)

// TestLive turns counters by hand between two readings.
func TestLive(t *testing.T) {
	m := newMetered(t, "2026-10-31T22:00:00Z")
	ctx := t.Context()
	rates := func(q operations.LiveQuery) []operations.LiveView {
		t.Helper()
		l, err := m.Live(ctx, q)
		if err != nil {
			t.Fatal(err)
		}
		for tap, n := range map[meter.Source]uint64{m.tap("web1"): 1000, m.tap("web2"): 3000} {
			c := m.counters[tap]
			c[meter.Internet].In.Bytes += n
			c[meter.Internet].In.Packets += n / 100
			c[meter.Near].Out.Bytes += n / 10
			m.counters[tap] = c
		}
		m.clock.Sleep(ctx, 2*time.Second)
		views, err := l.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return views
	}
	names := func(views []operations.LiveView) (all []ispctl.Name) {
		for _, v := range views {
			all = append(all, v.VM)
		}
		return all
	}
	for _, tt := range []struct {
		q    operations.LiveQuery
		want []ispctl.Name
	}{
		{operations.LiveQuery{Sort: "busy"}, []ispctl.Name{"web2", "web1"}},
		{operations.LiveQuery{Sort: "packets"}, []ispctl.Name{"web2", "web1"}},
		{operations.LiveQuery{Sort: "name"}, []ispctl.Name{"web1", "web2"}},
		{operations.LiveQuery{Sort: "out", Limit: 1}, []ispctl.Name{"web2"}},
		{operations.LiveQuery{Sort: "in", Of: "web1"}, []ispctl.Name{"web1"}},
		{operations.LiveQuery{Sort: "in", Of: "dmz"}, []ispctl.Name{"web2", "web1"}},
	} {
		if diff := cmp.Diff(tt.want, names(rates(tt.q))); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", tt.q, diff)
		}
	}
	v := rates(operations.LiveQuery{Sort: "name", Of: "web1"})[0]
	want := operations.RatesView{InBits: 4000, InPackets: 5}
	if diff := cmp.Diff(want, v.Internet); diff != "" || v.Near.OutBits != 400 || v.Total.OutBits != 400 || v.Seconds != 2 {
		t.Errorf("%+v (-want +got):\n%s", v, diff)
	}
	// A quota that is used up shows, with the ceiling it comes to.
	m.ok(m.SetQuota(ctx, ispctl.Quota{VM: "web1", Volume: 10, Direction: ispctl.DirectionSum, Day: 1, Action: ispctl.ActionThrottle, Rate: ispctl.Mbit}, options{}))
	m.sample()
	if _, err := m.sampler.JudgeQuotas(ctx); err != nil {
		t.Fatal(err)
	}
	if v := rates(operations.LiveQuery{Sort: "name"})[0]; v.Quota != "throttle" || v.Down != 1e6 || v.Up != 1e6 {
		t.Errorf("throttled: %+v", v)
	}
	for _, bad := range []struct {
		q    operations.LiveQuery
		kind ispctl.ErrorKind
	}{
		{operations.LiveQuery{Sort: "colour"}, ispctl.Usage},
		{operations.LiveQuery{Sort: "in", Limit: -1}, ispctl.Usage},
		{operations.LiveQuery{Sort: "in", Of: "nobody"}, ispctl.NotFound},
	} {
		if _, err := m.Live(ctx, bad.q); ispctl.KindOf(err) != bad.kind {
			t.Errorf("%+v: %v", bad.q, err)
		}
	}
}
