// Package balloon says how much memory each guest is to have when the host runs
// short, and when it does not any more. It is pure: what it decides by is handed
// to it.
//
// Below the reserve, memory is taken from guests that have more than their
// guarantee: first what they could do without, as they say themselves, then from
// all in proportion to what they have above it. Nobody goes below his guarantee,
// whatever happens to the host. When there is more than the reserve and a margin,
// what is beyond it is given back, in proportion to what each lacks. In between
// nothing moves, so that nothing swings.
//
// Sources: https://docs.kernel.org/accounting/psi.html; proc(5), MemAvailable;
// Waldspurger, Memory Resource Management in VMware ESX Server (OSDI 2002).
package balloon

import (
	"cmp"
	"slices"

	"ispctl"
)

// Guest is one that runs.
type Guest struct {
	ID     int64
	Memory ispctl.Size // that it was sold
	Floor  ispctl.Size // that it keeps
	ispctl.GuestMemory
}

// stall is the pressure, in percent, from which on the host is short whatever
// seems to be available.
const stall = 10

// step is the unit in which memory moves, and what is too little to move.
const step = 4 * ispctl.MiB

// Margin is how much above the reserve has to be available before memory is
// given back.
func Margin(h ispctl.HostMemory) ispctl.Size { return max(64*ispctl.MiB, h.Total/50) }

// Short is how much is missing to the reserve; 0: nothing.
func Short(h ispctl.HostMemory, reserve ispctl.Size) ispctl.Size {
	short := max(reserve-h.Available, 0)
	if h.Stalled >= stall {
		short = max(short, h.Total/50)
	}
	return short
}

// Plenty is how much can be given back.
func Plenty(h ispctl.HostMemory, reserve ispctl.Size) ispctl.Size {
	if Short(h, reserve) > 0 {
		return 0
	}
	return max(h.Available-reserve-Margin(h), 0)
}

// Targets are what guests are to have, of those that are to have another amount
// than they have.
func Targets(h ispctl.HostMemory, reserve ispctl.Size, guests []Guest) map[int64]ispctl.Size {
	if short := Short(h, reserve); short > 0 {
		return Take(short, guests)
	}
	return give(Plenty(h, reserve), guests)
}

// Take is where an amount of memory comes from, or as much of it as there is.
func Take(short ispctl.Size, guests []Guest) map[int64]ispctl.Size {
	guests = sorted(guests)
	taken := make([]ispctl.Size, len(guests))
	for _, limit := range []func(Guest) ispctl.Size{
		func(g Guest) ispctl.Size { return min(g.Unused, g.spare()) },
		Guest.spare,
	} {
		room := make([]ispctl.Size, len(guests))
		for i, g := range guests {
			room[i] = max(limit(g)-taken[i], 0)
		}
		for i, n := range divide(short, room) {
			taken[i] += n
			short -= n
		}
	}
	targets := map[int64]ispctl.Size{}
	for i, g := range guests {
		// Up to whole steps, but for the last one above the floor.
		n := min((taken[i]+step-1)/step*step, g.spare())
		if n > 0 {
			targets[g.ID] = g.Actual - n
		}
	}
	return targets
}

func give(plenty ispctl.Size, guests []Guest) map[int64]ispctl.Size {
	guests = sorted(guests)
	room := make([]ispctl.Size, len(guests))
	for i, g := range guests {
		room[i] = max(g.Memory-g.Actual, 0)
	}
	targets := map[int64]ispctl.Size{}
	for i, n := range divide(plenty, room) {
		if n < room[i] {
			n = n / step * step
		}
		if n > 0 {
			targets[guests[i].ID] = guests[i].Actual + n
		}
	}
	return targets
}

// spare is what a guest has above its floor.
func (g Guest) spare() ispctl.Size { return max(g.Actual-g.Floor, 0) }

func sorted(guests []Guest) []Guest {
	return slices.SortedFunc(slices.Values(guests), func(a, b Guest) int { return cmp.Compare(a.ID, b.ID) })
}

// divide shares an amount out in proportion to how much each has room for, and
// never more than that.
func divide(amount ispctl.Size, room []ispctl.Size) []ispctl.Size {
	var all ispctl.Size
	for _, n := range room {
		all += n
	}
	parts := make([]ispctl.Size, len(room))
	if all == 0 || amount <= 0 {
		return parts
	}
	if amount >= all {
		copy(parts, room)
		return parts
	}
	for i, n := range room {
		parts[i] = min(ispctl.Size(float64(amount)*(float64(n)/float64(all))), n)
	}
	return parts
}
