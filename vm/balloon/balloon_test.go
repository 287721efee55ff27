package balloon

import (
	"maps"
	"math/rand/v2"
	"testing"

	"ispctl"
)

const mib = ispctl.MiB

func guest(id int64, memory, floor, actual, unused ispctl.Size) Guest {
	return Guest{ID: id, Memory: memory * mib, Floor: floor * mib, GuestMemory: ispctl.GuestMemory{Actual: actual * mib, Unused: unused * mib}}
}

func TestTargets(t *testing.T) {
	host := func(available ispctl.Size, stalled float64) ispctl.HostMemory {
		return ispctl.HostMemory{Total: 4096 * mib, Available: available * mib, Stalled: stalled}
	}
	const reserve = 512 * mib
	full := []Guest{guest(1, 1024, 512, 1024, 0), guest(2, 1024, 768, 1024, 0), guest(3, 512, 512, 512, 500)}
	low := []Guest{guest(1, 1024, 512, 512, 0), guest(2, 1024, 768, 896, 0)}
	for name, c := range map[string]struct {
		host   ispctl.HostMemory
		guests []Guest
		want   map[int64]ispctl.Size
	}{
		"enough":                        {host(2000, -1), full, nil},
		"in between nothing moves":      {host(550, 0), low, nil},
		"a little short":                {host(506, 0), full, map[int64]ispctl.Size{1: 1020, 2: 1020}},
		"in proportion to what is more": {host(212, 0), full, map[int64]ispctl.Size{1: 824, 2: 924}},
		"never below a guarantee":       {host(0, 99), full, map[int64]ispctl.Size{1: 680, 2: 852}},
		"desperate":                     {ispctl.HostMemory{Total: 4096 * mib, Available: -4096 * mib}, full, map[int64]ispctl.Size{1: 512, 2: 768}},
		"what is not used goes first": {
			host(312, 0),
			[]Guest{guest(1, 1024, 512, 1024, 400), guest(2, 1024, 512, 1024, 0)},
			map[int64]ispctl.Size{1: 824},
		},
		"stalled, though there seems to be some": {host(2000, 20), []Guest{guest(1, 1024, 512, 1024, 0)}, map[int64]ispctl.Size{1: 940}},
		"given back":                             {host(4000, 0), low, map[int64]ispctl.Size{1: 1024, 2: 1024}},
		"given back in part":                     {host(512+82+320, 0), low, map[int64]ispctl.Size{1: 768, 2: 960}},
		"nobody has more":                        {host(0, 0), []Guest{guest(1, 512, 512, 512, 512)}, nil},
		"does not follow":                        {host(0, 0), []Guest{guest(1, 1024, 512, 1100, 0)}, map[int64]ispctl.Size{1: 588}},
		"below its floor by mistake":             {host(0, 0), []Guest{guest(1, 1024, 512, 400, 100)}, nil},
	} {
		got := Targets(c.host, reserve, c.guests)
		for id := range got {
			got[id] /= mib
		}
		if !maps.Equal(got, c.want) {
			t.Errorf("%s: want %v, have %v", name, c.want, got)
		}
	}
}

// TestNobodyStarves: whatever is asked for, no guest is given less than its
// guarantee nor more than it was sold, and what is short is found where it is.
func TestNobodyStarves(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for range 20_000 {
		h := ispctl.HostMemory{Total: ispctl.Size(random.Int64N(1 << 40)), Stalled: random.Float64()*40 - 10}
		h.Available = ispctl.Size(random.Int64N(int64(h.Total)+1)) - h.Total/8
		reserve := ispctl.Size(random.Int64N(int64(h.Total) + 1))
		byID := map[int64]Guest{}
		var guests []Guest
		var spare ispctl.Size
		for id := range random.Int64N(12) {
			g := Guest{ID: id, Memory: ispctl.Size(random.Int64N(64<<30) + 1)}
			g.Floor = ispctl.Size(random.Int64N(int64(g.Memory)) + 1)
			g.Actual = g.Floor + ispctl.Size(random.Int64N(int64(g.Memory-g.Floor)+1))
			g.Unused = ispctl.Size(random.Int64N(int64(g.Actual) + 1))
			byID[id], guests, spare = g, append(guests, g), spare+g.spare()
		}
		var taken ispctl.Size
		for id, target := range Targets(h, reserve, guests) {
			g := byID[id]
			if target < g.Floor || target > g.Memory || target == g.Actual {
				t.Fatalf("%+v of %+v: target %s", h, g, target)
			}
			taken += g.Actual - target
		}
		slack := ispctl.Size(len(guests)) * 64 // parts are rounded down
		if short := Short(h, reserve); short > 0 && taken+slack < min(short, spare) {
			t.Fatalf("%+v, reserve %s: %s taken of %s that are short, of %s to be had", h, reserve, taken, short, spare)
		}
	}
}
