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

// Class is where the other end of what passed a tap is.
type Class int

// The classes.
const (
	Internet Class = iota
	Zones
	Near
)

// classes are what the sets of taps count, in the order of [tapSets].
var classes = []struct {
	class Class
	in    bool
}{{Internet, false}, {Internet, true}, {Zones, false}, {Zones, true}, {Near, false}, {Near, true}}

// Visitor is told of every counter that is not zero.
type Visitor struct {
	Size    func(taps int) // before the first, about how many taps there are; may be nil
	Tap     func(name string, class Class, in bool, w Way)
	Address func(a netip.Addr, in bool, w Way)
}

// Each reads every counter, a dump for each set. What has not passed a packet
// is not in it. There are tens of thousands of counters: none is looked up here.
func Each(ctx context.Context, i ispctl.Installation, c Counter, v Visitor) error {
	bySet := make([][]nft.Counted, len(tapSets))
	most := 0
	for n, set := range tapSets {
		var err error
		if bySet[n], err = c.Counts(ctx, nft.Bridge, tableName(i), set); err != nil {
			return err
		}
		most = max(most, len(bySet[n]))
	}
	if v.Size != nil {
		v.Size(most)
	}
	for n, counts := range bySet {
		for _, one := range counts {
			v.Tap(strings.TrimRight(one.Key, "\x00"), classes[n].class, classes[n].in, way(one.Tally))
		}
	}
	for _, set := range []string{out4, in4, out6, in6} {
		counts, err := c.Counts(ctx, nft.Inet, tableName(i), set)
		if err != nil {
			return err
		}
		for _, one := range counts {
			addr, _ := netip.AddrFromSlice([]byte(one.Key))
			v.Address(addr, set == in4 || set == in6, way(one.Tally))
		}
	}
	return nil
}

// Read is all of [Each], by tap and by address.
func Read(ctx context.Context, i ispctl.Installation, c Counter) (Reading, error) {
	r := Reading{Taps: map[string]*Tap{}, Addresses: map[netip.Addr]Pair{}}
	return r, Each(ctx, i, c, Visitor{
		Tap: func(name string, class Class, in bool, w Way) {
			t := r.Taps[name]
			if t == nil {
				t = &Tap{}
				r.Taps[name] = t
			}
			p := map[Class]*Pair{Internet: &t.Internet, Zones: &t.Zones, Near: &t.Near}[class]
			*p = p.with(in, w)
		},
		Address: func(a netip.Addr, in bool, w Way) { r.Addresses[a] = r.Addresses[a].with(in, w) },
	})
}

func (p Pair) with(in bool, w Way) Pair {
	if in {
		p.In = w
	} else {
		p.Out = w
	}
	return p
}

func way(t nft.Tally) Way { return Way{Packets: t.Packets, Bytes: t.Bytes + etherHeader*t.Packets} }
