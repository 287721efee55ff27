package meter

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Source names what counters belong to on the host: a tap, or an address.
type Source string

// ID is the number of a meter: of a VM while it is in one zone and with one
// tenant, or of an address.
type ID int64

// Reading is what all counters say at one moment.
type Reading struct {
	At        time.Time     // by the wall clock
	SinceBoot time.Duration // by the clock that knows no jumps
	Boot      string        // which boot that clock counts from
	Counts    map[Source]*Counts
}

// Of is what a source has counted; one that is not there counted nothing.
func (r Reading) Of(s Source) Counts {
	if c := r.Counts[s]; c != nil {
		return *c
	}
	return Counts{}
}

// Slot is five minutes of UTC: the number of them since 1970.
type Slot int64

// SlotLength is how long a slot is.
const SlotLength = 5 * time.Minute

// SlotAt is the slot a moment is in.
func SlotAt(t time.Time) Slot {
	s := t.Unix()
	if s < 0 {
		s -= int64(SlotLength/time.Second) - 1
	}
	return Slot(s / int64(SlotLength/time.Second))
}

// Start is the first moment of the slot.
func (s Slot) Start() time.Time { return time.Unix(int64(s)*int64(SlotLength/time.Second), 0).UTC() }

// Sample is what passed a meter in a slot, or a part of it: samples of the same
// slot and meter add up.
type Sample struct {
	Slot   Slot
	Meter  ID
	Counts Counts
}

// Ledger is how far the counters have been booked.
type Ledger struct {
	At        time.Time // of the last reading
	SinceBoot time.Duration
	Boot      string
	Last      map[Source]*Counts
	Slot      Slot           // the one that is open
	Open      map[ID]*Counts // what has passed in it
}

// Note is what a reading found that is worth knowing: a sentence.
type Note string

// maxSpread bounds over how much time a long silence is spread.
const maxSpread = 7 * 24 * time.Hour

// Take books a reading: it changes the ledger, and returns the samples that are
// complete, by slot and meter. Sources that are nobody's are not booked; what
// they say is remembered all the same.
func (l *Ledger) Take(r Reading, owner func(Source) (ID, bool)) ([]Sample, []Note) {
	notes := l.notes(r)
	elapsed := r.SinceBoot
	switch l.Boot {
	case r.Boot:
		elapsed = max(0, r.SinceBoot-l.SinceBoot)
	case "":
		elapsed = 0 // the first reading there is: nothing is booked of a time when nothing of ours was there
	default:
		l.Last = nil
	}
	elapsed = min(elapsed, maxSpread)
	parts := spread(r.At, elapsed)
	now := parts[len(parts)-1].slot
	var done []Sample
	if l.Slot != now {
		done = l.flush(now)
	}
	if l.Last == nil {
		l.Last = make(map[Source]*Counts, len(r.Counts))
	}
	for source, counts := range r.Counts {
		last, known := l.Last[source]
		switch {
		case !known:
			last = &Counts{}
			l.Last[source] = last
		case *counts == *last:
			continue
		}
		delta := counts.Since(last)
		*last = *counts
		if delta.IsZero() {
			continue
		}
		meter, owned := owner(source)
		if !owned {
			continue
		}
		done = l.book(done, meter, delta, parts)
	}
	if len(l.Last) > len(r.Counts) {
		for source := range l.Last {
			// A counter that is not there now may be seen again: one that was
			// made anew says less, and one that was only missed says more.
			if _, there := r.Counts[source]; !there {
				if _, owned := owner(source); !owned {
					delete(l.Last, source)
				}
			}
		}
	}
	l.At, l.SinceBoot, l.Boot = r.At, r.SinceBoot, r.Boot
	return merge(done), notes
}

// merge sorts samples by slot and meter, and adds up what is of the same.
func merge(all []Sample) []Sample {
	slices.SortFunc(all, func(a, b Sample) int { return cmp.Or(cmp.Compare(a.Slot, b.Slot), cmp.Compare(a.Meter, b.Meter)) })
	var one []Sample
	for _, s := range all {
		if n := len(one); n > 0 && one[n-1].Slot == s.Slot && one[n-1].Meter == s.Meter {
			one[n-1].Counts = one[n-1].Counts.Plus(s.Counts)
			continue
		}
		one = append(one, s)
	}
	return one
}

// flush closes the open slot and opens another.
func (l *Ledger) flush(next Slot) []Sample {
	var done []Sample
	for _, meter := range slices.Sorted(maps.Keys(l.Open)) {
		done = append(done, Sample{Slot: l.Slot, Meter: meter, Counts: *l.Open[meter]})
	}
	l.Slot, l.Open = next, make(map[ID]*Counts, len(l.Open))
	return done
}

// book puts what passed into the slots it passed in.
func (l *Ledger) book(done []Sample, meter ID, delta Counts, parts []part) []Sample {
	if l.Open == nil {
		l.Open = map[ID]*Counts{}
	}
	var before Counts
	for i, p := range parts {
		until := delta
		if i < len(parts)-1 {
			until = delta.part(p.until, parts[len(parts)-1].until)
		}
		here := until.minus(before)
		before = until
		switch {
		case here.IsZero():
		case p.slot == l.Slot:
			if open, there := l.Open[meter]; there {
				*open = open.Plus(here)
			} else {
				l.Open[meter] = &here
			}
		default:
			done = append(done, Sample{Slot: p.slot, Meter: meter, Counts: here})
		}
	}
	return done
}

// part is a stretch of time inside one slot.
type part struct {
	slot  Slot
	until uint64 // milliseconds from the beginning of the first part to the end of this one
}

// spread cuts the time that ends at a moment into slots. There is always one
// part, and the last is of the slot the moment is in.
func spread(at time.Time, elapsed time.Duration) []part {
	from := at.Add(-elapsed)
	var parts []part
	for s := SlotAt(from); s < SlotAt(at); s++ {
		if until := uint64((s + 1).Start().Sub(from).Milliseconds()); until > 0 {
			parts = append(parts, part{s, until})
		}
	}
	return append(parts, part{SlotAt(at), max(1, uint64(elapsed.Milliseconds()))})
}

// How much is worth a note. A silence that is no longer than a slot makes two
// samples inexact at most.
const (
	jumpWorthNoting    = 2 * time.Second
	silenceWorthNoting = SlotLength
)

func (l *Ledger) notes(r Reading) []Note {
	var notes []Note
	switch {
	case l.Boot == "":
		return nil
	case l.Boot != r.Boot:
		return []Note{Note("the host was restarted: what passed between the last reading at " + l.At.UTC().Format(time.RFC3339) + " and its end is not known")}
	}
	elapsed := r.SinceBoot - l.SinceBoot
	if jump := r.At.Sub(l.At) - elapsed; jump.Abs() >= jumpWorthNoting {
		way := "forward"
		if jump < 0 {
			way = "back"
		}
		notes = append(notes, Note("the clock was set "+way+" by "+jump.Abs().Round(time.Second).String()))
	}
	if elapsed >= silenceWorthNoting {
		notes = append(notes, Note("nothing was read for "+elapsed.Round(time.Second).String()+": what passed is spread evenly over that time"))
	}
	return notes
}
