package count

import (
	"context"
	"net/netip"
	"strings"

	"ispctl"
	"ispctl/net/nft"
)

// Way is what passed in one direction. Bytes are those of the link.
type Way struct{ Packets, Bytes uint64 }

// Pair is both directions, as the guest sees them.
type Pair struct{ In, Out Way }

// Tap is what passed a tap, by where the other end is.
type Tap struct{ Internet, Zones, Near Pair }

// Reading is all that has been counted since the tables were made.
type Reading struct {
	Taps      map[string]*Tap // by name
	Addresses map[netip.Addr]Pair
}

// Counter is an edge that can read counters: [nft.Kernel] or [nft.Fake].
type Counter interface {
	Counts(ctx context.Context, family nft.Family, table, set string) ([]nft.Counted, error)
}

var (
	_ Counter = (*nft.Kernel)(nil)
	_ Counter = (*nft.Fake)(nil)
)

// Read reads every counter, a dump for each set. What has not passed a packet
// is not in it.
func Read(ctx context.Context, i ispctl.Installation, c Counter) (Reading, error) {
	r := Reading{Taps: map[string]*Tap{}, Addresses: map[netip.Addr]Pair{}}
	var bySet [6][]nft.Counted
	most := 0
	for n, set := range tapSets {
		var err error
		if bySet[n], err = c.Counts(ctx, nft.Bridge, tableName(i), set); err != nil {
			return r, err
		}
		most = max(most, len(bySet[n]))
	}
	// There are tens of thousands of counters: each tap is looked up once for each
	// of its own, and never moved.
	r.Taps = make(map[string]*Tap, most)
	taps := make([]Tap, 0, most)
	for n, place := range []func(*Tap) *Way{
		func(t *Tap) *Way { return &t.Internet.Out }, func(t *Tap) *Way { return &t.Internet.In },
		func(t *Tap) *Way { return &t.Zones.Out }, func(t *Tap) *Way { return &t.Zones.In },
		func(t *Tap) *Way { return &t.Near.Out }, func(t *Tap) *Way { return &t.Near.In },
	} {
		for _, tally := range bySet[n] {
			name := strings.TrimRight(tally.Key, "\x00")
			t := r.Taps[name]
			if t == nil {
				if len(taps) == cap(taps) {
					taps = make([]Tap, 0, most)
				}
				taps = append(taps, Tap{})
				t = &taps[len(taps)-1]
				r.Taps[name] = t
			}
			*place(t) = way(tally.Tally)
		}
	}
	for _, set := range []string{out4, in4, out6, in6} {
		counts, err := c.Counts(ctx, nft.Inet, tableName(i), set)
		if err != nil {
			return r, err
		}
		for _, tally := range counts {
			addr, _ := netip.AddrFromSlice([]byte(tally.Key))
			p := r.Addresses[addr]
			if set == out4 || set == out6 {
				p.Out = way(tally.Tally)
			} else {
				p.In = way(tally.Tally)
			}
			r.Addresses[addr] = p
		}
	}
	return r, nil
}

func way(t nft.Tally) Way { return Way{Packets: t.Packets, Bytes: t.Bytes + etherHeader*t.Packets} }
