package operations

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"ispctl"
	"ispctl/meter"
	"ispctl/state"
)

// Counters reads what the host's counters say: by tap, where it counts near,
// other zones and the Internet apart, and by external address.
type Counters func(context.Context) (map[meter.Source]*meter.Counts, error)

// Sampler books readings, one after the other. Nothing in it would be missed:
// what it remembers is only there to be quick.
type Sampler struct {
	p     *Provider
	usage *state.Usage

	generation int64 // of the intent that the rest was made of
	model      *ispctl.Model
	calendar   meter.Calendar
	owners     map[meter.Source]*owner

	waiting []meter.Reading // to be booked: the last one, or more where there was no room for them

	used usedCache
	kept meter.Period // the day on which the books of the one before were kept
}

// owner is whom a source belongs to, and what its NIC is for.
type owner struct {
	state.Meter
	role ispctl.NICRole
}

// Sampler opens what is needed to take readings.
func (p *Provider) Sampler(ctx context.Context) (*Sampler, error) {
	if p.Counters == nil || p.OpenUsage == nil {
		return nil, errors.New("no counters were opened")
	}
	usage, err := p.OpenUsage(ctx)
	if err != nil {
		return nil, err
	}
	return &Sampler{p: p, usage: usage, generation: -1}, nil
}

// refresh reads intent if it has changed.
func (s *Sampler) refresh(ctx context.Context) error {
	generation, err := s.p.Store.Generation(ctx)
	if err != nil || generation == s.generation {
		return err
	}
	m, err := s.p.Store.Model(ctx)
	if err != nil {
		return err
	}
	c, err := meter.NewCalendar(m.Metering.TimeZone)
	if err != nil {
		return err
	}
	s.generation, s.model, s.calendar, s.owners = generation, m, c, ownersOf(m)
	s.used = usedCache{}
	return nil
}

// ownersOf are the owners of all taps and external addresses. VMs that are
// being destroyed still own theirs.
func ownersOf(m *ispctl.Model) map[meter.Source]*owner {
	owners := make(map[meter.Source]*owner, len(m.VMs)+len(m.Addresses))
	for _, vm := range m.VMs {
		for _, nic := range vm.NICs {
			zone := nic.Zone
			if nic.Role == ispctl.AdminNIC {
				zone = vm.Zone
			}
			owners[meter.Source(nic.Tap)] = &owner{state.Meter{
				Kind: state.VMMeter, Ref: vm.UUID, Name: string(vm.Name), Zone: string(zone), Tenant: string(vm.Tenant), Plan: string(vm.Plan),
			}, nic.Role}
		}
	}
	address := func(a string) {
		owners[meter.Source(a)] = &owner{state.Meter{Kind: state.AddressMeter, Ref: a, Name: a}, ispctl.ZoneNIC}
	}
	for _, a := range m.Addresses {
		address(a.Addr.String())
	}
	for _, own := range []netip.Prefix{m.Uplink.Address, m.Uplink.Address6} {
		if own.IsValid() {
			address(own.Addr().String())
		}
	}
	return owners
}

// asRole says what passed by what a NIC is for: a leg is all admin; on the
// uplink's own bridge there is nothing but the Internet.
func asRole(c meter.Counts, role ispctl.NICRole) meter.Counts {
	switch role {
	case ispctl.AdminNIC:
		return meter.Counts{meter.Admin: c.Total()}
	case ispctl.WireNIC:
		return meter.Counts{meter.Internet: c[meter.Internet].Plus(c[meter.Near]), meter.Zones: c[meter.Zones]}
	}
	return c
}

// SampleView is what a reading came to, as scripts see it.
type SampleView struct {
	At       time.Time `json:"at"`
	Counters int       `json:"counters"` // taps and addresses that have counted
	Samples  int       `json:"samples"`  // five-minute samples that it completed
	Folded   int       `json:"days_folded"`
	Notes    []string  `json:"notes"`
}

// Sample takes one reading and books it.
func (s *Sampler) Sample(ctx context.Context) (SampleView, error) {
	if err := s.refresh(ctx); err != nil {
		return SampleView{}, err
	}
	r, err := s.read(ctx)
	if err != nil {
		return SampleView{}, err
	}
	s.waiting = wait(s.waiting, r)
	b, err := s.book(ctx)
	if err != nil {
		return SampleView{}, err
	}
	v := SampleView{At: r.At, Counters: len(r.Counts), Samples: b.Samples, Notes: []string{}}
	for _, n := range b.Notes {
		v.Notes = append(v.Notes, string(n))
	}
	if day := s.calendar.Day(r.At); day != s.kept {
		if v.Folded, err = s.keepBooks(ctx, r.At); err == nil && !r.At.Before(day.From.Add(bookTime)) {
			s.kept = day
		}
	}
	return v, err
}

func (s *Sampler) read(ctx context.Context) (meter.Reading, error) {
	boot, err := s.p.Clock.BootID()
	if err != nil {
		return meter.Reading{}, err
	}
	since, err := s.p.Clock.SinceBoot()
	if err != nil {
		return meter.Reading{}, err
	}
	at := s.p.Clock.Now()
	counts, err := s.p.Counters(ctx)
	if err != nil {
		return meter.Reading{}, err
	}
	for source, c := range counts {
		if o := s.owners[source]; o != nil && o.role != ispctl.ZoneNIC {
			*c = asRole(*c, o.role)
		}
	}
	return meter.Reading{At: at, SinceBoot: since, Boot: boot, Counts: counts}, nil
}

// bookTime is how long after midnight the books of the day before are kept, and
// then not again that day.
const bookTime = 20 * time.Minute

// keepBooks does, after the turn of a day, what is done once a day.
func (s *Sampler) keepBooks(ctx context.Context, now time.Time) (int, error) {
	days, err := s.usage.Fold(ctx, s.calendar, now)
	if err != nil {
		return days, err
	}
	if err := s.closeMonths(ctx, now); err != nil || days == 0 {
		return days, err
	}
	s.used = usedCache{}
	return days, s.usage.BackUp(ctx)
}

// lastSample books what VMs that are about to go have used. That it fails stops
// nobody from destroying them.
func (p *Provider) lastSample(ctx context.Context) {
	if p.Counters == nil || p.OpenUsage == nil {
		return
	}
	s, err := p.Sampler(ctx)
	if err == nil {
		_, err = s.Sample(ctx)
	}
	if err != nil {
		p.progress(Progress{Phase: "usage", Text: "what passed since the last sample is not booked: " + err.Error(), Done: true})
	}
}
