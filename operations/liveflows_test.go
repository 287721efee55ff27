package operations_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ispctl"
	"ispctl/meter"
	"ispctl/operations"
)

// TestLiveFlows: connections that go on, that are new, that carry nothing, that
// another took the number of, and that are nobody's.
func TestLiveFlows(t *testing.T) {
	m := newMetered(t, "2026-10-31T20:30:00Z")
	ctx := t.Context()
	look := func(q operations.LiveQuery, before, after []meter.Conn) (lines []string) {
		t.Helper()
		c := &connTable{live: before}
		l, err := m.LiveFlows(ctx, c, q)
		if err != nil {
			t.Fatal(err)
		}
		c.live = after
		m.clock.Wall = m.clock.Wall.Add(2 * time.Second)
		views, err := l.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range views {
			lines = append(lines, fmt.Sprintf("%s %s %s %s by %s: %d %d", v.VM, v.Protocol, v.Local, v.Remote, v.Opened, v.InBits, v.OutBits))
		}
		return lines
	}
	foreign := webConn(9, "192.0.2.9", 443, 500, 500)
	foreign.Src, foreign.ReplyDst = foreign.Dst, foreign.Dst
	foreign.ReplySrc = foreign.Dst
	before := []meter.Conn{
		webConn(1, "198.51.100.1", 443, 1000, 10_000), webConn(2, "198.51.100.2", 443, 50, 500), webConn(3, "198.51.100.3", 25, 5000, 5000),
	}
	after := []meter.Conn{
		webConn(1, "198.51.100.1", 443, 2000, 30_000), webConn(2, "198.51.100.2", 443, 50, 500), webConn(3, "198.51.100.3", 25, 100, 200),
		webConn(4, "192.0.2.4", 53, 1000, 10), foreign,
	}
	own := before[0].Src.String()
	first := "web1 tcp " + own + " 198.51.100.1:443 by vm: 80000 4000"
	fresh := "web1 tcp " + own + " 192.0.2.4:53 by vm: 40 4000"
	anew := "web1 tcp " + own + " 198.51.100.3:25 by vm: 800 400"
	for _, tt := range []struct {
		q    operations.LiveQuery
		want []string
	}{
		{operations.LiveQuery{Sort: "busy"}, []string{first, fresh, anew}},
		{operations.LiveQuery{Sort: "in", Of: "dmz"}, []string{first, anew, fresh}},
		{operations.LiveQuery{Sort: "out", Of: "web1", Limit: 1}, []string{fresh}},
		{operations.LiveQuery{Sort: "busy", Of: "web2"}, nil},
	} {
		if diff := cmp.Diff(tt.want, look(tt.q, before, after)); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", tt.q, diff)
		}
	}
	// What a guest was asked for, through a forward, is its connection, too.
	asked := meter.Conn{
		ID: 7, Proto: 17, Src: before[0].Dst, Dst: foreign.Dst, ReplySrc: before[0].Src, ReplyDst: before[0].Dst,
		Orig: meter.Way{Bytes: 200, Packets: 2}, Reply: meter.Way{Bytes: 100, Packets: 1},
	}
	if diff := cmp.Diff([]string{"web1 udp " + own + " 198.51.100.1:443 by remote: 800 400"}, look(operations.LiveQuery{Sort: "busy"}, nil, []meter.Conn{asked})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, bad := range []struct {
		q    operations.LiveQuery
		kind ispctl.ErrorKind
	}{
		{operations.LiveQuery{Sort: "colour"}, ispctl.Usage}, {operations.LiveQuery{Sort: "in", Limit: -1}, ispctl.Usage}, {operations.LiveQuery{Sort: "in", Of: "nobody"}, ispctl.NotFound},
	} {
		if _, err := m.LiveFlows(ctx, &connTable{}, bad.q); ispctl.KindOf(err) != bad.kind {
			t.Errorf("%+v: %v", bad.q, err)
		}
	}
}
