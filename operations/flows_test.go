package operations_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ispctl"
	"ispctl/meter"
	"ispctl/operations"
)

// host of connections, in memory: what happens next is a list of steps, one for
// each time that somebody waits for an event.
type connTable struct {
	clock *operations.FakeClock
	live  []meter.Conn
	steps []func() (meter.Conn, error)
	stop  context.CancelFunc

	dumps, listens int
}

func (c *connTable) Dump(context.Context) ([]meter.Conn, error) { c.dumps++; return c.live, nil }

func (c *connTable) Listen(context.Context) (operations.ConnEvents, error) {
	c.listens++
	return operations.ConnEvents{Close: func() error { return nil }, Next: func(ctx context.Context) (meter.Conn, error) {
		if len(c.steps) == 0 {
			c.stop()
			<-ctx.Done()
			return meter.Conn{}, ctx.Err()
		}
		step := c.steps[0]
		c.steps = c.steps[1:]
		return step()
	}}, nil
}

func webConn(id uint32, remote string, port uint16, out, in uint64) meter.Conn {
	web, far := netip.MustParseAddrPort("10.10.0.2:40000"), netip.AddrPortFrom(netip.MustParseAddr(remote), port)
	return meter.Conn{
		ID: id, Proto: 6, Src: web, Dst: far, ReplySrc: far, ReplyDst: netip.MustParseAddrPort("203.0.113.10:40000"),
		Orig: meter.Way{Bytes: out, Packets: 1}, Reply: meter.Way{Bytes: in, Packets: 1},
	}
}

// record runs the recorder over steps.
func (m *metered) record(c *connTable) (said []string) {
	m.t.Helper()
	ctx, stop := context.WithCancel(m.t.Context())
	defer stop()
	c.stop, c.clock = stop, m.clock
	sleeps := 0
	m.clock.OnSleep = func(*operations.FakeClock) {
		if sleeps++; sleeps > 3 { // there is nothing to do
			stop()
		}
	}
	defer func() { m.clock.OnSleep = nil }()
	r, err := m.FlowRecorder(ctx, c, func(text string) { said = append(said, text) })
	if err != nil {
		m.t.Fatal(err)
	}
	if err := r.Run(ctx); err != nil {
		m.t.Fatal(err)
	}
	return said
}

func (m *metered) flows(q operations.FlowQuery) (lines []string) {
	m.t.Helper()
	all, err := m.FlowUsage(m.t.Context(), q)
	if err != nil {
		m.t.Fatal(err)
	}
	for _, v := range all {
		lines = append(lines, fmt.Sprintf("%s %s %s %s/%d %s %d: %d in, %d out", v.VM, v.From.Format("15:04"), v.Opened, v.Protocol, v.Port, v.Remote, v.Flows, v.InBytes, v.OutBytes))
	}
	return lines
}

// TestFlows: connections that end, that live past an hour, and that were there
// before; events that are lost; a zone that wants none of it.
func TestFlows(t *testing.T) {
	m := newMetered(t, "2026-10-31T20:30:00Z")
	ctx := t.Context()
	old := webConn(1, "198.51.100.1", 443, 1000, 10_000)
	if said := m.record(&connTable{}); said != nil {
		t.Fatalf("nobody wants it: %q", said)
	}
	m.ok(m.SetZone(ctx, "dmz", operations.ZoneChange{Flows: new(true)}, options{}))
	c := &connTable{live: []meter.Conn{old}}
	pass := func(d time.Duration, live ...meter.Conn) func() (meter.Conn, error) {
		return func() (meter.Conn, error) {
			m.clock.Wall = m.clock.Wall.Add(d)
			c.live = live
			return meter.Conn{}, context.DeadlineExceeded
		}
	}
	ends := func(conn meter.Conn) func() (meter.Conn, error) {
		return func() (meter.Conn, error) { return conn, nil }
	}
	grown := func(out, in uint64) meter.Conn { return webConn(1, "198.51.100.1", 443, out, in) }
	c.steps = []func() (meter.Conn, error){
		ends(webConn(2, "198.51.100.2", 443, 50, 500)), // of the same /24
		ends(webConn(3, "192.0.2.2", 25, 70, 70)),
		pass(30*time.Minute, grown(1500, 10_100)), // the hour ends: 500 and 100 more
		ends(grown(1600, 10_300)),
		func() (meter.Conn, error) {
			c.live = []meter.Conn{webConn(5, "192.0.2.5", 53, 1, 2)}
			return meter.Conn{}, errors.New("lost")
		},
	}
	said := strings.Join(m.record(c), "\n")
	if !strings.Contains(said, "lost; all connections are looked at anew") {
		t.Errorf("said %q", said)
	}
	since := time.Date(2026, 10, 31, 20, 0, 0, 0, time.UTC)
	want := []string{
		"web1 20:00 vm tcp/443 198.51.100.0/24 1: 600 in, 550 out",
		"web1 20:00 vm tcp/25 192.0.2.0/24 1: 70 in, 70 out",
		"web1 21:00 vm tcp/443 198.51.100.0/24 0: 200 in, 100 out",
		"web1 21:00 vm tcp/53 192.0.2.0/24 1: 2 in, 1 out",
	}
	m.clock.Wall = since.Add(2 * time.Hour)
	if diff := cmp.Diff(want, m.flows(operations.FlowQuery{Since: since, By: "hour"})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"web1 20:00 vm tcp/443 198.51.100.0/24 1: 800 in, 650 out", "web1 20:00  /0  2: 72 in, 71 out"},
		m.flows(operations.FlowQuery{Of: "web1", Since: since, Limit: 1})); diff != "" {
		t.Errorf("the largest (-want +got):\n%s", diff)
	}
	var b bytes.Buffer
	if err := m.ExportFlows(ctx, &b, operations.FlowQuery{Since: since}); err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(b.String(), "\n")
	var line map[string]any
	if err := json.Unmarshal([]byte(first), &line); err != nil {
		t.Fatal(err)
	}
	delete(line, "virtualStationUUID")
	if diff := cmp.Diff(map[string]any{
		"flowStartMilliseconds": "2026-10-31T20:00:00Z", "flowEndMilliseconds": "2026-10-31T21:00:00Z", "virtualStationName": "web1", "observationDomainName": "dmz",
		"protocolIdentifier": 6.0, "destinationTransportPort": 25.0, "destinationIPv4Prefix": "192.0.2.0", "destinationIPv4PrefixLength": 24.0, "biflowDirection": 1.0,
		"deltaFlowCount": 1.0, "octetDeltaCount": 56.0, "layer2OctetDeltaCount": 70.0, "packetDeltaCount": 1.0,
		"reverseOctetDeltaCount": 56.0, "reverseLayer2OctetDeltaCount": 70.0, "reversePacketDeltaCount": 1.0,
	}, line); diff != "" {
		t.Errorf("(-want +got):\n%s\n%s", diff, b.String())
	}
	for _, bad := range []struct {
		q    operations.FlowQuery
		kind ispctl.ErrorKind
		say  string
	}{
		{operations.FlowQuery{Of: "nobody"}, ispctl.NotFound, "web1"},
		{operations.FlowQuery{By: "month"}, ispctl.Usage, "have: hour, day"},
		{operations.FlowQuery{Since: m.clock.Wall.Add(time.Hour)}, ispctl.Usage, "is not before"},
	} {
		_, err := m.FlowUsage(ctx, bad.q)
		refused(t, err, bad.kind, bad.say)
	}
	// They are forgotten after their time, and usage is not.
	m.ok(m.SetMetering(ctx, func(s *ispctl.Metering) { s.FlowDays = 1 }, options{}))
	m.clock.Wall = m.clock.Wall.Add(48 * time.Hour)
	m.record(&connTable{})
	if left := m.flows(operations.FlowQuery{Since: since}); left != nil {
		t.Errorf("after two days: %q", left)
	}
}

// TestFlowsOfAFlooder: a guest that opens connections without end to all the
// world takes no more room than another, in memory and in the books.
func TestFlowsOfAFlooder(t *testing.T) {
	m := newMetered(t, "2026-10-31T20:30:00Z")
	m.ok(m.SetZone(t.Context(), "dmz", operations.ZoneChange{Flows: new(true)}, options{}))
	c := &connTable{}
	n := uint32(0)
	var flood func() (meter.Conn, error)
	flood = func() (meter.Conn, error) {
		if n++; n < 100_000 {
			c.steps = append(c.steps, flood)
		} else {
			m.clock.Wall = m.clock.Wall.Add(time.Hour)
		}
		a := netip.AddrFrom4([4]byte{byte(n >> 16), byte(n >> 8), byte(n), 9})
		return webConn(n, a.String(), uint16(n), 60, 0), nil
	}
	c.steps = []func() (meter.Conn, error){flood}
	m.record(c)
	all, err := m.FlowUsage(t.Context(), operations.FlowQuery{Since: m.clock.Wall.Add(-2 * time.Hour), Until: m.clock.Wall.Add(time.Hour), By: "hour"})
	if err != nil {
		t.Fatal(err)
	}
	var flows, bytes uint64
	for _, v := range all {
		flows, bytes = flows+v.Flows, bytes+v.OutBytes
	}
	if flows != 100_000 || bytes != 6_000_000 || len(all) > 2*meter.FlowsKept+2 {
		t.Errorf("%d flows, %d bytes in %d rows", flows, bytes, len(all))
	}
}
