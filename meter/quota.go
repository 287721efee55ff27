package meter

import (
	"time"

	"ispctl"
)

// Standing is how far somebody has come in the present period of a quota.
type Standing struct {
	Period Period
	Step   int           // 0, 80 or 100: the last mark in a hundred that was passed
	Acting ispctl.Action // throttle or block; empty: nothing is done
	Rate   ispctl.Rate
	Lifted bool // nothing is done until the period ends
}

// Event is something that became of a quota, for whoever is notified.
type Event string

// The events.
const (
	Warned   Event = "warned"   // 80 in a hundred are used
	Reached  Event = "reached"  // all of it is
	Released Event = "released" // what was done is done no more
)

// marks are passed in this order.
var marks = []struct {
	step  int
	event Event
}{{80, Warned}, {100, Reached}}

// Judge says how somebody stands who has used so many bytes by now, and what
// came of it. A quota that is raised, or a correction, releases at once.
func Judge(q ispctl.Quota, used uint64, before Standing, c Calendar, now time.Time) (Standing, []Event) {
	next := Standing{Period: c.Month(now, q.Day)}
	if before.Period == next.Period {
		next.Step, next.Lifted = before.Step, before.Lifted
	}
	step := 0
	var events []Event
	for _, m := range marks {
		if !reaches(used, q.Volume, m.step) {
			break
		}
		if step = m.step; step > next.Step {
			events = append(events, m.event)
		}
	}
	next.Step = step
	if step == 100 && q.Action != ispctl.ActionNotify && !next.Lifted {
		next.Acting, next.Rate = q.Action, q.Rate
	}
	if before.Acting != "" && next.Acting == "" {
		events = append(events, Released)
	}
	return next, events
}

// reaches reports whether used is percent of volume or more. The division comes
// first, so that nothing overflows; what it cuts off is below a hundred bytes.
func reaches(used uint64, volume ispctl.Size, percent int) bool {
	v := uint64(volume)
	return used >= v/100*uint64(percent)+(v%100*uint64(percent)+99)/100
}

// Unlimited is the standing of who has no quota any more.
func Unlimited(before Standing) []Event {
	if before.Acting != "" {
		return []Event{Released}
	}
	return nil
}
