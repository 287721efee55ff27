package operations

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ispctl/meter"
	"ispctl/state"
)

// How often the counters are read and quotas looked at. What is done about a
// quota is done within a minute of the byte that used it up; what could not be
// done is tried again at once.
const (
	sampleEvery = 10 * time.Second
	quotaEvery  = 30 * time.Second
	retryEvery  = 2 * time.Second
)

// Meterer is the resident part of metering: it books what passes, and judges
// quotas by it. Nothing is lost when it ends at any point: the kernel goes on
// counting, and whoever reads next books what has passed since.
type Meterer struct {
	Sampler  *Sampler
	Converge func(context.Context) error // makes true what was decided of quotas
	Say      func(string)

	judged time.Duration // since boot, when quotas were looked at last
	looked bool
	owed   bool   // a pass is due that has not succeeded
	fault  string // what was said last about books that cannot be written
}

// Run goes on until ctx ends, or until something is wrong that opening it all
// anew may mend.
func (r *Meterer) Run(ctx context.Context) error {
	clock := r.Sampler.p.Clock
	for ctx.Err() == nil {
		began, err := clock.SinceBoot()
		if err != nil {
			return err
		}
		if err := r.step(ctx, began); err != nil {
			return err
		}
		ended, err := clock.SinceBoot()
		if err != nil {
			return err
		}
		every := sampleEvery
		if r.owed {
			every = retryEvery
		}
		clock.Sleep(ctx, max(0, every-(ended-began)))
	}
	return nil
}

// step takes one reading and, when it is time, looks at quotas.
func (r *Meterer) step(ctx context.Context, now time.Duration) error {
	v, err := r.Sampler.Sample(ctx)
	for _, n := range v.Notes {
		r.Say("usage: " + n)
	}
	switch {
	case state.Waits(err):
		r.complain(err)
	case err != nil:
		return err
	case r.fault != "":
		r.Say("usage: the books are written again, and nothing is missing")
		r.fault = ""
	}
	if !r.looked || now-r.judged >= quotaEvery || now < r.judged {
		r.looked, r.judged = true, now
		changed, err := r.Sampler.JudgeQuotas(ctx)
		r.owed = r.owed || changed
		if err != nil {
			r.Say("quota: " + err.Error())
		}
	}
	if r.owed {
		// What was decided is intent by now, and stays owed until a pass has
		// made it true.
		if err := r.Converge(ctx); err != nil {
			r.Say("quota: " + err.Error())
			return nil
		}
		r.owed = false
	}
	return nil
}

// complain says once what is wrong, and again when that changes.
func (r *Meterer) complain(err error) {
	if err.Error() == r.fault {
		return
	}
	r.fault = err.Error()
	r.Say("usage: readings are kept in memory until they can be booked: " + r.fault)
}

// maxWaiting is how many counters of readings that could not be booked are kept
// in memory: 200 MB of them at most.
const maxWaiting = 1 << 20

// wait adds a reading to those that are to be booked. Of each five minutes
// that wait, the first and the last reading are kept: they are what samples are
// made of.
func wait(waiting []meter.Reading, r meter.Reading) []meter.Reading {
	if n := len(waiting); n > 1 && meter.SlotAt(waiting[n-2].At) == meter.SlotAt(r.At) && waiting[n-1].Boot == r.Boot {
		waiting[n-1] = r
		return waiting
	}
	total := len(r.Counts)
	for _, w := range waiting {
		total += len(w.Counts)
	}
	if total > maxWaiting && len(waiting) > 2 {
		// Every second one goes: what passed is then spread over a longer time,
		// and none of it is lost.
		fewer := waiting[:0]
		for i := 0; i < len(waiting); i += 2 {
			fewer = append(fewer, waiting[i])
		}
		waiting = fewer
	}
	return append(waiting, r)
}

// book books all readings that wait, the oldest first.
func (s *Sampler) book(ctx context.Context) (state.Booked, error) {
	var sum state.Booked
	for len(s.waiting) > 0 {
		b, err := s.usage.Book(ctx, s.waiting[0], func(source meter.Source) *state.Meter {
			if o := s.owners[source]; o != nil {
				return &o.Meter
			}
			return nil
		})
		if err != nil {
			if n := len(s.waiting) - 1; n > 0 && state.Waits(err) {
				return sum, errors.Join(err, fmt.Errorf("readings since %s wait", s.waiting[0].At.UTC().Format(time.RFC3339)))
			}
			return sum, err
		}
		s.waiting = s.waiting[1:]
		sum.Samples += b.Samples
		sum.Notes = append(sum.Notes, b.Notes...)
	}
	s.waiting = nil
	return sum, nil
}
