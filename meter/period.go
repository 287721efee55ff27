package meter

import (
	"fmt"
	"time"

	"ispctl"
)

// Period is a stretch of time: From is in it and To is not.
type Period struct{ From, To time.Time }

// Contains reports whether a moment is in the period.
func (p Period) Contains(t time.Time) bool { return !t.Before(p.From) && t.Before(p.To) }

// Slots is how many slots begin in the period.
func (p Period) Slots() int { return int(p.last() - p.first()) }

func (p Period) first() Slot { return ceilSlot(p.From) }
func (p Period) last() Slot  { return ceilSlot(p.To) }

// ceilSlot is the first slot that begins at t or later.
func ceilSlot(t time.Time) Slot {
	s := SlotAt(t)
	if s.Start().Before(t) {
		s++
	}
	return s
}

// Has reports whether a slot begins in the period.
func (p Period) Has(s Slot) bool { return s >= p.first() && s < p.last() }

// Range is the slots that begin in the period: the first, and the first after
// it.
func (p Period) Range() (first, end Slot) { return p.first(), p.last() }

// Calendar says when days and months begin.
type Calendar struct{ Zone *time.Location }

// NewCalendar is the calendar of a time zone of the IANA database; empty is
// UTC.
func NewCalendar(zone string) (Calendar, error) {
	if zone == "Local" {
		return Calendar{}, ispctl.Invalid("time zone", zone, "name the zone itself, such as Europe/Berlin: the host's may change")
	}
	loc, err := time.LoadLocation(zone)
	if err != nil {
		return Calendar{}, ispctl.Invalid("time zone", zone, "is not known; have: UTC, Europe/Berlin and the others of tzdata")
	}
	return Calendar{loc}, nil
}

// Day is the day a moment is in.
func (c Calendar) Day(t time.Time) Period {
	y, m, d := t.In(c.Zone).Date()
	return Period{c.midnight(y, m, d), c.midnight(y, m, d+1)}
}

// Month is the month a moment is in, if months begin on that day: 1 is the
// calendar's, others are those of an anniversary. A month without that day
// begins on its last.
func (c Calendar) Month(t time.Time, day int) Period {
	y, m, _ := t.In(c.Zone).Date()
	p := Period{c.turn(y, m, day), c.turn(y, m+1, day)}
	switch {
	case t.Before(p.From):
		return Period{c.turn(y, m-1, day), p.From}
	case !t.Before(p.To):
		return Period{p.To, c.turn(y, m+2, day)}
	}
	return p
}

func (c Calendar) turn(y int, m time.Month, day int) time.Time {
	if last := time.Date(y, m+1, 0, 12, 0, 0, 0, time.UTC).Day(); day > last {
		day = last
	}
	return c.midnight(y, m, max(day, 1))
}

// midnight is the first moment of a day. Where clocks are set at midnight, it
// is the first one that there is.
func (c Calendar) midnight(y int, m time.Month, d int) time.Time {
	t := time.Date(y, m, d, 0, 0, 0, 0, c.Zone)
	want := time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Day()
	if t.Day() != want { // the day began later, and Date went back
		_, t = t.ZoneBounds()
	}
	// A day that has its first hour twice begins with the first of them.
	if before := t.Add(-time.Hour); before.In(c.Zone).Day() == want && before.In(c.Zone).Hour() == 0 {
		t = before
	}
	return t.UTC()
}

// ParseMonth reads "2026-10".
func (c Calendar) ParseMonth(s string) (Period, error) {
	t, err := time.ParseInLocation("2006-01", s, time.UTC)
	if err != nil {
		return Period{}, ispctl.Invalid("month", s, "is not like 2026-10")
	}
	return Period{c.midnight(t.Year(), t.Month(), 1), c.midnight(t.Year(), t.Month()+1, 1)}, nil
}

// MonthName is the calendar month a moment is in, as ParseMonth reads it.
func (c Calendar) MonthName(t time.Time) string {
	local := t.In(c.Zone)
	return fmt.Sprintf("%04d-%02d", local.Year(), local.Month())
}
