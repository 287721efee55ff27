package meter

import "net/netip"

// Conn is a connection that the kernel tracks, with what it has carried so far:
// its ends as its first packet had them, and as the answers do.
type Conn struct {
	ID                 uint32 // the kernel's
	Proto              uint8  // IANA's number
	Src, Dst           netip.AddrPort
	ReplySrc, ReplyDst netip.AddrPort
	Orig, Reply        Way // what who opened it sent, and what came back
}

// connKey is what a connection is known by while it lives.
type connKey struct {
	id       uint32
	proto    uint8
	src, dst netip.AddrPort
}

func (c Conn) key() connKey { return connKey{c.ID, c.Proto, c.Src, c.Dst} }

type connCount struct{ orig, reply Way }

// Tracker knows how much of each live connection has been counted, so that none
// of it is counted twice.
type Tracker struct {
	live map[connKey]connCount
	most int // 0: FlowsLive
}

// Begin takes the connections there are as counted: what they have carried was
// for another to count.
func (t *Tracker) Begin(all []Conn) {
	t.live = make(map[connKey]connCount, min(len(all), t.bound()))
	for _, c := range all {
		if len(t.live) < t.bound() {
			t.live[c.key()] = connCount{c.Orig, c.Reply}
		}
	}
}

func (t *Tracker) bound() int {
	if t.most > 0 {
		return t.most
	}
	return FlowsLive
}

// Ended is what of a connection that has ended was not counted yet.
func (t *Tracker) Ended(c Conn) (orig, reply Way, began bool) {
	have, known := t.live[c.key()]
	delete(t.live, c.key())
	return since(c.Orig, have.orig), since(c.Reply, have.reply), !known
}

// Alive counts what live connections have carried since the last time, and
// forgets those that are not there any more. What there is no room to remember
// is counted when it ends.
func (t *Tracker) Alive(all []Conn, count func(c Conn, orig, reply Way, began bool)) {
	next := make(map[connKey]connCount, min(len(all), t.bound()))
	for _, c := range all {
		have, known := t.live[c.key()]
		if !known && len(next) >= t.bound() {
			continue
		}
		next[c.key()] = connCount{c.Orig, c.Reply}
		if orig, reply := since(c.Orig, have.orig), since(c.Reply, have.reply); !known || orig != (Way{}) || reply != (Way{}) {
			count(c, orig, reply, !known)
		}
	}
	t.live = next
}

// Len is how many connections are remembered.
func (t *Tracker) Len() int { return len(t.live) }

// since is what came since an older count; one that is less began anew.
func since(now, before Way) Way {
	if now.Bytes < before.Bytes || now.Packets < before.Packets {
		return now
	}
	return Way{now.Bytes - before.Bytes, now.Packets - before.Packets}
}

// Sides hands out a connection as each guest at its ends sees it: one that it
// opened goes to the port of the other end, one that it was sent to goes to a
// port of its own. owner says whose an address is.
func Sides[O comparable](c Conn, orig, reply Way, began bool, hour Hour, owner func(netip.Addr) (O, bool), give func(O, FlowKey, FlowSum)) {
	flows := uint64(0)
	if began {
		flows = 1
	}
	if who, is := owner(c.Src.Addr()); is {
		give(who, FlowKey{Hour: hour, Opened: true, Proto: c.Proto, Port: c.Dst.Port(), Remote: RemotePrefix(c.Dst.Addr())},
			FlowSum{flows, Pair{In: reply, Out: orig}})
	}
	if who, is := owner(c.ReplySrc.Addr()); is && c.ReplySrc.Addr() != c.Src.Addr() {
		give(who, FlowKey{Hour: hour, Proto: c.Proto, Port: c.ReplySrc.Port(), Remote: RemotePrefix(c.Src.Addr())},
			FlowSum{flows, Pair{In: orig, Out: reply}})
	}
}
