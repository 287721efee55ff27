package drift

import (
	"context"
	"log"
	"math"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Keeper looks when there is a reason to, and puts back what is gone.
type Keeper struct {
	// Repair puts back what is not as it should be and says what, a line each.
	// It is urgent when somebody who is not ours was at it.
	Repair func(ctx context.Context, urgent bool) ([]string, error)

	// Glances report whether something is wrong of what no event tells. They
	// are asked every Every; every Whole they are not believed. On a host with so
	// many guests that one of them takes long, it comes less often: see [pace].
	Glances []func(context.Context) (bool, error)

	// Quiet is called when nothing was heard for a while after a look; nil: not. A
	// look at thousands of guests leaves much memory behind, which the runtime
	// would give back in so many steps that they took longer than the look.
	Quiet func()

	// Spent is the processor time that this process has had; nil asks the kernel.
	Spent func() time.Duration

	Every, Whole time.Duration
	Rest         time.Duration // between two looks, at least
	Ours         func(by string) bool
	Say          *log.Logger
}

// A fight is when another tool takes away the same again and again, and we put
// it back. After calm repairs each rest is twice the one before, up to most: what
// has no end must leave the CPU to others, but guests are unwalled meanwhile. It
// is over when it had not to be put back for peace.
const (
	calm  = 5
	most  = time.Second
	peace = time.Minute
)

// quietAfter is how long after a look nothing may be heard for it to be quiet.
const quietAfter = 10 * time.Second

// Keep looks once, and then as events tell, until ctx ends or the channel is
// closed.
func (k Keeper) Keep(ctx context.Context, events <-chan Event) error {
	if k.Spent == nil {
		k.Spent = processTime
	}
	if k.Quiet == nil {
		k.Quiet = func() {}
	}
	due := dues(make([]time.Time, len(k.Glances)))
	for i := range due {
		due[i] = time.Now().Add(k.Every)
	}
	glances, whole, quiet := time.NewTimer(due.next()), time.NewTimer(k.Whole), time.NewTimer(quietAfter)
	defer glances.Stop()
	defer whole.Stop()
	defer quiet.Stop()
	f := fight{rest: k.Rest}
	var seen cause
	for reason := true; ; {
		if reason {
			before := k.Spent()
			did := k.look(ctx, seen)
			whole.Reset(pace(k.Whole, k.Spent()-before))
			quiet.Reset(quietAfter)
			f.note(time.Now(), strings.Join(did, "; "), k.Rest)
			if len(did) > 0 && f.worthSaying() {
				k.say(seen, f)
			}
			// What comes meanwhile is one reason to look again, not many.
			if !sleep(ctx, f.rest) {
				return nil
			}
		}
		reason, seen = false, cause{}
		select {
		case <-ctx.Done():
			return nil
		case e, open := <-events:
			if !open {
				return nil
			}
			seen.add(e, k.Ours)
			reason = true
			if !seen.drain(events, k.Ours) {
				return nil
			}
		case <-glances.C:
			reason = k.glance(ctx, due)
			glances.Reset(due.next())
		case <-whole.C:
			reason = true
		case <-quiet.C:
			k.Quiet()
		}
	}
}

// dues are when each glance is due again.
type dues []time.Time

// next is how long the first of them is away.
func (d dues) next() time.Duration {
	if len(d) == 0 {
		return math.MaxInt64
	}
	return time.Until(slices.MinFunc(d, time.Time.Compare))
}

// glance asks those that are due, and says when they are due again.
func (k Keeper) glance(ctx context.Context, due dues) (wrong bool) {
	for i, glance := range k.Glances {
		if time.Until(due[i]) > k.Every/2 {
			continue // what is nearly due goes along, so that one wakes all
		}
		before := k.Spent()
		found, err := glance(ctx)
		due[i] = time.Now().Add(pace(k.Every, k.Spent()-before))
		if err != nil && ctx.Err() == nil {
			k.Say.Printf("look at what tells nothing: %v", err)
		}
		wrong = wrong || found
	}
	return wrong
}

// pace is how long to leave alone what took so much processor time: not more than
// a four-thousandth of a core is spent on it, whatever the host's size. Up to
// slowest: what nobody told of must be found.
func pace(at, spent time.Duration) time.Duration {
	const share, slowest = 4000, 20 * time.Minute
	return max(at, min(share*spent, slowest))
}

// processTime is getrusage(2), user and system.
func processTime() time.Duration {
	var used unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &used) != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func (k Keeper) look(ctx context.Context, seen cause) []string {
	did, err := k.Repair(ctx, seen.by != "")
	if err != nil && ctx.Err() == nil {
		k.Say.Printf("could not put all back: %v", err)
	}
	return did
}

func (k Keeper) say(seen cause, f fight) {
	text := "put back"
	if seen.by != "" {
		text += " after " + seen.by
	}
	if f.count > calm {
		k.Say.Printf("another tool keeps taking away what is ours: put back %d times in %s (%s: %s); next time after %s",
			f.count, time.Since(f.began).Round(time.Second), text, f.over, f.rest)
		return
	}
	k.Say.Printf("%s: %s", text, f.over)
}

// cause is what the events say of who was at it.
type cause struct{ by string }

func (c *cause) add(e Event, ours func(string) bool) {
	if e.By != "" && !ours(e.By) {
		c.by = e.By
	}
}

// drain takes the events that are there already.
func (c *cause) drain(events <-chan Event, ours func(string) bool) (open bool) {
	for {
		select {
		case e, open := <-events:
			if !open {
				return false
			}
			c.add(e, ours)
		default:
			return true
		}
	}
}

// fight counts repairs of the same that followed close upon each other.
type fight struct {
	over        string
	count       int
	began, last time.Time
	rest        time.Duration
}

func (f *fight) note(now time.Time, did string, rest time.Duration) {
	if now.Sub(f.last) > peace || did != "" && did != f.over {
		*f = fight{rest: rest, began: now, over: did}
	}
	if did == "" {
		return
	}
	f.last = now
	if f.count++; f.count > calm {
		f.rest = min(2*f.rest, most)
	}
}

// worthSaying is each of the first, and later ever more seldom.
func (f *fight) worthSaying() bool { return f.count <= calm || f.count&(f.count-1) == 0 }

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
