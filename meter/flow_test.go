package meter

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestFlowTableIsBounded: a guest that speaks to a great many others costs no
// more memory than one that speaks to a few hundred, hides nobody else's flows,
// and nothing it sends is missing from the sums.
func TestFlowTableIsBounded(t *testing.T) {
	var table FlowTable[string]
	heavy := FlowKey{Hour: 1, Opened: true, Proto: 6, Port: 443, Remote: netip.MustParsePrefix("198.51.100.0/24")}
	var sent uint64
	for i := range 300_000 {
		a := netip.AddrFrom4([4]byte{byte(i >> 16), byte(i >> 8), byte(i), 1})
		table.Add("flooder", FlowKey{Hour: 1, Opened: true, Proto: 17, Port: uint16(i), Remote: RemotePrefix(a)}, FlowSum{1, Pair{Out: Way{60, 1}}})
		sent += 60
		if i%1000 == 0 {
			table.Add("flooder", heavy, FlowSum{1, Pair{In: Way{5000, 5}}})
			table.Add("other", heavy, FlowSum{1, Pair{In: Way{7, 1}}})
			sent += 5007
		}
	}
	if table.Len() > 2*flowsAtOnce {
		t.Errorf("%d sums in memory", table.Len())
	}
	var got, flows uint64
	found := map[string]uint64{}
	for _, r := range table.Rows() {
		got, flows = got+r.bytes(), flows+r.Flows
		if r.FlowKey == heavy {
			found[r.Owner] = r.In.Bytes
		}
	}
	if got != sent || flows != 300_600 {
		t.Errorf("%d bytes of %d, %d flows", got, sent, flows)
	}
	if diff := cmp.Diff(map[string]uint64{"flooder": 300 * 5000, "other": 300 * 7}, found); diff != "" {
		t.Errorf("the ones that count (-want +got):\n%s", diff)
	}
}

// TestFlowTableOfMany: many owners share one bound.
func TestFlowTableOfMany(t *testing.T) {
	var table FlowTable[int]
	var sent uint64
	for owner := range 1500 {
		for i := range 200 {
			table.Add(owner, FlowKey{Hour: 1, Proto: 6, Port: uint16(i), Remote: netip.MustParsePrefix("198.51.100.0/24")}, FlowSum{1, Pair{Out: Way{uint64(i), 1}}})
			sent += uint64(i)
		}
	}
	var got uint64
	for _, r := range table.Rows() {
		got += r.bytes()
	}
	if table.Len() > flowsAll || got != sent {
		t.Errorf("%d sums, %d bytes of %d", table.Len(), got, sent)
	}
}

// TestTracker walks connections through dumps, ends, losses of events and
// restarts: what was counted of each is what it carried since tracking began,
// but for what ended unseen; never more.
func TestTracker(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tracker := Tracker{most: 5}
		type truth struct {
			Conn
			base, counted uint64
			began         int
		}
		var live []*truth
		var all []*truth
		next := uint32(0)
		conns := func() (some []Conn) {
			for _, l := range live {
				some = append(some, l.Conn)
			}
			return some
		}
		find := func(c Conn) *truth {
			for _, one := range all {
				if one.ID == c.ID {
					return one
				}
			}
			return nil
		}
		count := func(c Conn, orig, reply Way, began bool) {
			one := find(c)
			one.counted += orig.Bytes + reply.Bytes
			if began {
				one.began++
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"open": func(*rapid.T) {
				next++
				one := &truth{Conn: Conn{ID: next, Proto: 6}}
				live, all = append(live, one), append(all, one)
			},
			"send": func(t *rapid.T) {
				if len(live) > 0 {
					one := live[rapid.IntRange(0, len(live)-1).Draw(t, "which")]
					one.Orig.Bytes, one.Orig.Packets = one.Orig.Bytes+10, one.Orig.Packets+1
					one.Reply.Bytes, one.Reply.Packets = one.Reply.Bytes+100, one.Reply.Packets+1
				}
			},
			"end": func(t *rapid.T) {
				if len(live) == 0 {
					return
				}
				i := rapid.IntRange(0, len(live)-1).Draw(t, "which")
				one := live[i]
				live = append(live[:i:i], live[i+1:]...)
				if rapid.Bool().Draw(t, "seen") {
					orig, reply, began := tracker.Ended(one.Conn)
					count(one.Conn, orig, reply, began)
					if one.counted+one.base != one.Orig.Bytes+one.Reply.Bytes {
						t.Fatalf("%d counted of %+v, which began at %d", one.counted, one.Conn, one.base)
					}
				}
			},
			"dump": func(*rapid.T) { tracker.Alive(conns(), count) },
			"": func(t *rapid.T) {
				if tracker.Len() > 5 {
					t.Fatalf("%d remembered", tracker.Len())
				}
				for _, one := range all {
					if one.counted > one.Orig.Bytes+one.Reply.Bytes || one.began > 1 {
						t.Fatalf("%d counted, %d times, of %+v", one.counted, one.began, one.Conn)
					}
				}
			},
		})
	})
}

func TestSides(t *testing.T) {
	at := netip.MustParseAddrPort
	owners := map[netip.Addr]string{netip.MustParseAddr("10.10.0.2"): "web1", netip.MustParseAddr("10.20.0.2"): "mail1"}
	owner := func(a netip.Addr) (string, bool) { o, is := owners[a]; return o, is }
	for _, tt := range []struct {
		name string
		conn Conn
		want []FlowRow[string]
	}{
		{"out, translated", Conn{Proto: 6, Src: at("10.10.0.2:40000"), Dst: at("198.51.100.7:443"), ReplySrc: at("198.51.100.7:443"), ReplyDst: at("203.0.113.10:40000")}, []FlowRow[string]{
			{"web1", FlowKey{1, true, 6, 443, netip.MustParsePrefix("198.51.100.0/24")}, FlowSum{1, Pair{In: Way{2, 2}, Out: Way{1, 1}}}},
		}},
		{"in by a forward", Conn{Proto: 6, Src: at("198.51.100.7:40000"), Dst: at("203.0.113.10:2222"), ReplySrc: at("10.10.0.2:22"), ReplyDst: at("198.51.100.7:40000")}, []FlowRow[string]{
			{"web1", FlowKey{1, false, 6, 22, netip.MustParsePrefix("198.51.100.0/24")}, FlowSum{1, Pair{In: Way{1, 1}, Out: Way{2, 2}}}},
		}},
		{"between guests", Conn{Proto: 17, Src: at("10.10.0.2:40000"), Dst: at("10.20.0.2:53"), ReplySrc: at("10.20.0.2:53"), ReplyDst: at("10.10.0.2:40000")}, []FlowRow[string]{
			{"web1", FlowKey{1, true, 17, 53, netip.MustParsePrefix("10.20.0.0/24")}, FlowSum{1, Pair{In: Way{2, 2}, Out: Way{1, 1}}}},
			{"mail1", FlowKey{1, false, 17, 53, netip.MustParsePrefix("10.10.0.0/24")}, FlowSum{1, Pair{In: Way{1, 1}, Out: Way{2, 2}}}},
		}},
		{"between others", Conn{Proto: 6, Src: at("192.0.2.1:1"), Dst: at("192.0.2.2:2"), ReplySrc: at("192.0.2.2:2"), ReplyDst: at("192.0.2.1:1")}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []FlowRow[string]
			Sides(tt.conn, Way{1, 1}, Way{2, 2}, true, 1, owner, func(o string, k FlowKey, s FlowSum) { got = append(got, FlowRow[string]{o, k, s}) })
			if diff := cmp.Diff(tt.want, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if p := RemotePrefix(netip.MustParseAddr("2001:db8:1:2::3")); p != netip.MustParsePrefix("2001:db8:1::/48") {
		t.Error(p)
	}
	if h := HourAt(time.Date(2026, 10, 1, 12, 59, 59, 0, time.UTC)); h.Start() != time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC) {
		t.Error(h.Start())
	}
}
