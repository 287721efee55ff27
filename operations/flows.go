package operations

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"ispctl"
	"ispctl/meter"
	"ispctl/state"
)

// Connections is where flows are read from: the host's table of connections.
type Connections interface {
	// Dump reads those that live.
	Dump(ctx context.Context) ([]meter.Conn, error)
	// Listen hears of those that end. What it returns after an error or when ctx
	// ends is to be opened anew.
	Listen(ctx context.Context) (ConnEvents, error)
}

// ConnEvents are connections that end, until something fails.
type ConnEvents struct {
	// Next waits for one, or until ctx ends.
	Next  func(ctx context.Context) (meter.Conn, error)
	Close func() error
}

// How often flows are stored, and the host's table is looked at: what is lost
// when the process is killed is at most of so long.
const (
	flowsTick  = 10 * time.Second
	flowsEvery = 5 * time.Minute
)

// FlowRecorder is the resident part that sums, by hour, whom the guests of some
// zones speak to. What it knows of connections it only remembers: after a
// restart it takes those that live as they are, and counts on from there.
type FlowRecorder struct {
	p      *Provider
	usage  *state.Usage
	source Connections
	say    func(string)

	generation int64
	owners     map[netip.Addr]state.Meter // of zones whose flows are recorded
	keep       time.Duration

	tracker meter.Tracker
	table   meter.FlowTable[state.Meter]
	hour    meter.Hour // that is summed into
	stored  time.Time
	forgot  meter.Hour
}

// FlowRecorder opens what recording flows takes.
func (p *Provider) FlowRecorder(ctx context.Context, source Connections, say func(string)) (*FlowRecorder, error) {
	usage, err := p.OpenUsage(ctx)
	if err != nil {
		return nil, err
	}
	return &FlowRecorder{p: p, usage: usage, source: source, say: say, generation: -1}, nil
}

// refresh reads intent if it has changed.
func (r *FlowRecorder) refresh(ctx context.Context) error {
	generation, err := r.p.Store.Generation(ctx)
	if err != nil || generation == r.generation {
		return err
	}
	m, err := r.p.Store.Model(ctx)
	if err != nil {
		return err
	}
	r.generation, r.owners, r.keep = generation, flowOwners(m), m.Metering.KeepFlows()
	return nil
}

// flowOwners are the guests whose flows are recorded, by all of their
// addresses that connections bear.
func flowOwners(m *ispctl.Model) map[netip.Addr]state.Meter {
	owners := map[netip.Addr]state.Meter{}
	of := ownersOf(m)
	for vm := range m.Guests() {
		for _, nic := range vm.ZoneNICs() {
			z, err := m.Zone(string(nic.Zone))
			if err != nil || !z.Flows {
				continue
			}
			who := of[meter.Source(nic.Tap)].Meter
			addresses := []netip.Addr{nic.Addr, nic.Addr6}
			for _, a := range m.AddressesOf(vm.Name, ispctl.RoutedIn) {
				addresses = append(addresses, a.Addr)
			}
			for _, a := range addresses {
				if a.IsValid() {
					owners[a] = who
				}
			}
		}
	}
	return owners
}

// Run records until ctx ends. While no zone wants it, it listens to nothing.
func (r *FlowRecorder) Run(ctx context.Context) error {
	first := true
	for ctx.Err() == nil {
		if err := r.refresh(ctx); err != nil {
			return err
		}
		if len(r.owners) == 0 {
			first = true
			r.p.Clock.Sleep(ctx, flowsTick)
			continue
		}
		err := r.session(ctx, first)
		first = false
		if err != nil && ctx.Err() == nil {
			// What ended meanwhile is lost; what lives is counted by the dump that
			// the next session begins with.
			r.say("flows: " + err.Error() + "; all connections are looked at anew")
			r.p.Clock.Sleep(ctx, time.Second)
		}
	}
	return r.end(context.WithoutCancel(ctx))
}

// end counts what live connections have carried by now, for the next one who
// records takes them as counted.
func (r *FlowRecorder) end(ctx context.Context) error {
	if len(r.owners) > 0 {
		all, err := r.source.Dump(ctx)
		if err != nil {
			return errors.Join(err, r.store(ctx))
		}
		r.alive(all)
	}
	return r.store(ctx)
}

// session listens until something fails or no zone wants it any more.
func (r *FlowRecorder) session(ctx context.Context, first bool) (err error) {
	events, err := r.source.Listen(ctx)
	if err != nil {
		return err
	}
	defer events.Close() //nolint:errcheck // nothing that was heard is in it
	all, err := r.source.Dump(ctx)
	if err != nil {
		return err
	}
	if r.hour == 0 {
		r.hour, r.stored = meter.HourAt(r.p.Clock.Now()), r.p.Clock.Now()
	}
	if first {
		r.tracker.Begin(all)
		r.say(fmt.Sprintf("flows: recorded from now on, of %d addresses", len(r.owners)))
	} else {
		r.alive(all)
	}
	for ctx.Err() == nil {
		if err := r.hear(ctx, events); err != nil {
			return err
		}
		if err := r.tick(ctx); err != nil || len(r.owners) == 0 {
			return err
		}
	}
	return nil
}

// hear counts what ends, for a while.
func (r *FlowRecorder) hear(ctx context.Context, events ConnEvents) error {
	ctx, enough := context.WithTimeout(ctx, flowsTick)
	defer enough()
	for {
		c, err := events.Next(ctx)
		if err == nil {
			r.ended(c)
		}
		switch {
		case ctx.Err() != nil, errors.Is(err, context.DeadlineExceeded):
			return nil
		case err != nil:
			return err
		}
	}
}

// tick stores what was summed when it is time. Nothing is heard of meanwhile:
// what ends after the dump is taken from the socket after it, and so counted
// once.
func (r *FlowRecorder) tick(ctx context.Context) error {
	if err := r.refresh(ctx); err != nil {
		return err
	}
	now := r.p.Clock.Now()
	hour := meter.HourAt(now)
	if hour == r.hour && now.Sub(r.stored).Abs() < flowsEvery {
		return nil
	}
	all, err := r.source.Dump(ctx)
	if err != nil {
		return err
	}
	r.alive(all) // into the hour that was
	r.hour = hour
	if err := r.store(ctx); err != nil {
		r.say("flows: " + err.Error()) // they stay in memory, in as much of it as before
	}
	return nil
}

func (r *FlowRecorder) store(ctx context.Context) error {
	now := r.p.Clock.Now()
	r.stored = now
	if rows := r.table.Rows(); len(rows) > 0 || r.forgot != meter.HourAt(now) {
		if err := r.usage.AddFlows(ctx, now, rows); err != nil {
			return err
		}
		r.table.Clear()
	}
	if r.forgot == meter.HourAt(now) || r.keep == 0 {
		return nil
	}
	r.forgot = meter.HourAt(now)
	return r.usage.ForgetFlows(ctx, now.Add(-r.keep))
}

func (r *FlowRecorder) ended(c meter.Conn) {
	orig, reply, began := r.tracker.Ended(c)
	r.count(c, orig, reply, began)
}

func (r *FlowRecorder) alive(all []meter.Conn) { r.tracker.Alive(all, r.count) }

func (r *FlowRecorder) count(c meter.Conn, orig, reply meter.Way, began bool) {
	meter.Sides(c, orig, reply, began, r.hour, r.owner, r.table.Add)
}

func (r *FlowRecorder) owner(a netip.Addr) (state.Meter, bool) {
	who, is := r.owners[a]
	return who, is
}

// Held is how much it has in memory: sums, and connections it remembers.
func (r *FlowRecorder) Held() string {
	return fmt.Sprintf("%d sums, %d connections", r.table.Len(), r.tracker.Len())
}
