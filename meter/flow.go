package meter

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// Hour is an hour of UTC: the number of them since 1970.
type Hour int64

// HourAt is the hour a moment is in.
func HourAt(t time.Time) Hour {
	return Hour(t.Truncate(time.Hour).Unix() / int64(time.Hour/time.Second))
}

// Start is the first moment of the hour.
func (h Hour) Start() time.Time { return time.Unix(int64(h)*int64(time.Hour/time.Second), 0).UTC() }

// FlowKey is what connections are summed by. One without a remote prefix is the
// rest: of everything that is not among the largest.
type FlowKey struct {
	Hour   Hour
	Opened bool // by the VM, so that the port is the remote's; otherwise it is the VM's
	Proto  uint8
	Port   uint16 // of the service; 0 where there are none
	Remote netip.Prefix
}

// IsRest reports whether the key is of what is left over.
func (k FlowKey) IsRest() bool { return !k.Remote.IsValid() }

func (k FlowKey) rest() FlowKey { return FlowKey{Hour: k.Hour} }

// FlowSum is what connections have carried, as the guest sees it.
type FlowSum struct {
	Flows uint64 // that began
	Pair
}

// Plus adds.
func (s FlowSum) Plus(o FlowSum) FlowSum { return FlowSum{s.Flows + o.Flows, s.Pair.Plus(o.Pair)} }

func (s FlowSum) bytes() uint64 { return s.In.Bytes + s.Out.Bytes }

// Remote prefixes are as long as what one network is mostly given.
const (
	remoteBits4 = 24
	remoteBits6 = 48
)

// RemotePrefix is the prefix that an address is counted under.
func RemotePrefix(a netip.Addr) netip.Prefix {
	bits := remoteBits4
	if a = a.Unmap(); a.Is6() {
		bits = remoteBits6
	}
	p, _ := a.WithZone("").Prefix(bits) // a length that each of both has
	return p
}

// FlowRow is a sum and whose it is.
type FlowRow[O comparable] struct {
	Owner O
	FlowKey
	FlowSum
}

// Bounds of what is kept. A guest that speaks to all the world is a few hundred
// sums, and what is beyond them is one: it costs no more than another.
const (
	FlowsKept   = 50      // of an owner in an hour, once the hour is over
	flowsAtOnce = 512     // in memory, before the smaller half becomes the rest
	flowsAll    = 1 << 18 // in memory, of all owners and hours
	FlowsLive   = 1 << 18 // connections whose last count is remembered
	flowsFloor  = 16      // of an owner, when there are too many owners
)

// FlowTable sums what connections carry. Nothing that passes is ever missing
// from its sums: what there is no room for is added to the rest.
type FlowTable[O comparable] struct {
	of    map[flowShelf[O]]map[FlowKey]FlowSum
	total int
}

type flowShelf[O comparable] struct {
	owner O
	hour  Hour
}

// Add adds to a sum.
func (t *FlowTable[O]) Add(owner O, k FlowKey, s FlowSum) {
	if s == (FlowSum{}) {
		return
	}
	if t.of == nil {
		t.of = map[flowShelf[O]]map[FlowKey]FlowSum{}
	}
	at := flowShelf[O]{owner, k.Hour}
	shelf := t.of[at]
	if shelf == nil {
		shelf = map[FlowKey]FlowSum{}
		t.of[at] = shelf
	}
	if have, there := shelf[k]; there {
		shelf[k] = have.Plus(s)
		return
	}
	if len(shelf) >= flowsAtOnce {
		t.fold(shelf, flowsAtOnce/2)
	}
	if t.total >= flowsAll {
		for _, one := range t.of {
			t.fold(one, flowsFloor)
		}
	}
	before := len(shelf)
	shelf[k] = shelf[k].Plus(s)
	t.total += len(shelf) - before
}

// fold keeps the largest sums of a shelf, and adds the others to its rest.
func (t *FlowTable[O]) fold(shelf map[FlowKey]FlowSum, keep int) {
	before := len(shelf)
	rows := make([]FlowRow[struct{}], 0, len(shelf))
	for k, s := range shelf {
		rows = append(rows, FlowRow[struct{}]{FlowKey: k, FlowSum: s})
	}
	clear(shelf)
	for _, r := range Largest(rows, keep) {
		shelf[r.FlowKey] = r.FlowSum
	}
	t.total += len(shelf) - before
}

// Len is how many sums there are.
func (t *FlowTable[O]) Len() int { return t.total }

// Rows are all sums, in no order.
func (t *FlowTable[O]) Rows() []FlowRow[O] {
	rows := make([]FlowRow[O], 0, t.total)
	for at, shelf := range t.of {
		for k, s := range shelf {
			rows = append(rows, FlowRow[O]{at.owner, k, s})
		}
	}
	return rows
}

// Clear forgets all sums.
func (t *FlowTable[O]) Clear() { t.of, t.total = nil, 0 }

// Largest are the largest of the sums of one owner and hour, and one of all the
// others.
func Largest[O comparable](rows []FlowRow[O], keep int) []FlowRow[O] {
	slices.SortFunc(rows, func(a, b FlowRow[O]) int {
		return cmp.Or(compareBool(a.IsRest(), b.IsRest()), cmp.Compare(b.bytes(), a.bytes()), cmp.Compare(b.Flows, a.Flows), CompareFlows(a.FlowKey, b.FlowKey))
	})
	named := 0
	for named < len(rows) && !rows[named].IsRest() {
		named++
	}
	if named = min(named, keep); named == len(rows) {
		return rows
	}
	rest := rows[named]
	rest.FlowKey = rest.rest()
	for _, r := range rows[named+1:] {
		rest.FlowSum = rest.Plus(r.FlowSum)
	}
	return append(rows[:named:named], rest)
}

// CompareFlows orders keys: by hour, who opened, protocol, port and prefix.
func CompareFlows(a, b FlowKey) int {
	return cmp.Or(cmp.Compare(a.Hour, b.Hour), compareBool(a.Opened, b.Opened), cmp.Compare(a.Proto, b.Proto), cmp.Compare(a.Port, b.Port),
		a.Remote.Addr().Compare(b.Remote.Addr()), cmp.Compare(a.Remote.Bits(), b.Remote.Bits()))
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}
