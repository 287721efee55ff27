package operations

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"ispctl"
	"ispctl/meter"
)

// RatesView is what passes each second, as the guest sees it.
type RatesView struct {
	InBits     uint64 `json:"in_bits_per_second"`
	OutBits    uint64 `json:"out_bits_per_second"`
	InPackets  uint64 `json:"in_packets_per_second"`
	OutPackets uint64 `json:"out_packets_per_second"`
}

// LiveView is what passes at a VM now, and what may.
type LiveView struct {
	VM      ispctl.Name `json:"vm"`
	UUID    string      `json:"uuid"`
	Zone    ispctl.Name `json:"zone"`
	At      time.Time   `json:"at"`
	Seconds float64     `json:"seconds"` // between the two readings

	Internet RatesView `json:"internet"`
	Zones    RatesView `json:"zones"`
	Near     RatesView `json:"near"`
	Admin    RatesView `json:"admin"`
	Total    RatesView `json:"total"`

	Down  int64  `json:"down_ceiling_bits_per_second"` // with the Internet; 0: there is none
	Up    int64  `json:"up_ceiling_bits_per_second"`
	Quota string `json:"quota_action"` // throttle or block, where its quota is used up
}

// LiveQuery says whose rates, and in which order.
type LiveQuery struct {
	Of    string // a VM, a zone or a tenant; empty: all VMs
	Sort  string // one of LiveOrders
	Limit int    // no more VMs than that; 0: all
}

// liveOrders are what rates can be sorted by: the most first, names as they are
// read.
var liveOrders = []struct {
	name  string
	order func(a, b LiveView) int
}{
	{"busy", mostOf(func(v LiveView) uint64 { return v.Total.InBits + v.Total.OutBits })},
	{"in", mostOf(func(v LiveView) uint64 { return v.Total.InBits })},
	{"out", mostOf(func(v LiveView) uint64 { return v.Total.OutBits })},
	{"packets", mostOf(func(v LiveView) uint64 { return v.Total.InPackets + v.Total.OutPackets })},
	{"name", func(LiveView, LiveView) int { return 0 }},
}

func mostOf(of func(LiveView) uint64) func(a, b LiveView) int {
	return func(a, b LiveView) int { return cmp.Compare(of(b), of(a)) }
}

// LiveOrders are what rates can be sorted by.
func LiveOrders() []string {
	var names []string
	for _, o := range liveOrders {
		names = append(names, o.name)
	}
	return names
}

func (q LiveQuery) check() error {
	if !slices.Contains(LiveOrders(), q.Sort) {
		return ispctl.Invalid("order", q.Sort, "is not known; have: %s", strings.Join(LiveOrders(), ", "))
	}
	if q.Limit < 0 {
		return ispctl.Invalid("number of VMs", strconv.Itoa(q.Limit), "is less than none")
	}
	return nil
}

// Live tells rates from one reading of the counters to the next. It books
// nothing.
type Live struct {
	s     *Sampler
	query LiveQuery
	last  meter.Reading
}

// Live takes the first reading.
func (p *Provider) Live(ctx context.Context, q LiveQuery) (*Live, error) {
	if err := q.check(); err != nil {
		return nil, err
	}
	l := &Live{s: &Sampler{p: p, generation: -1}, query: q}
	if err := l.s.refresh(ctx); err != nil {
		return nil, err
	}
	if _, err := l.guests(); err != nil {
		return nil, err
	}
	var err error
	l.last, err = l.s.read(ctx)
	return l, err
}

func (l *Live) guests() ([]ispctl.VM, error) { return guestsOf(l.s.model, l.query.Of) }

// Next reads once more, and says what has passed each second since the reading
// before.
func (l *Live) Next(ctx context.Context) ([]LiveView, error) {
	if err := l.s.refresh(ctx); err != nil {
		return nil, err
	}
	vms, err := l.guests()
	if err != nil {
		return nil, err
	}
	r, err := l.s.read(ctx)
	if err != nil {
		return nil, err
	}
	before := l.last
	l.last = r
	seconds := (r.SinceBoot - before.SinceBoot).Seconds()
	views := make([]LiveView, len(vms))
	for i, vm := range vms {
		var passed meter.Counts
		for _, nic := range vm.NICs {
			now, then := r.Of(meter.Source(nic.Tap)), before.Of(meter.Source(nic.Tap))
			passed = passed.Plus(now.Since(&then))
		}
		limits := l.s.model.LimitsOf(vm)
		v := LiveView{VM: vm.Name, UUID: vm.UUID, Zone: vm.Zone, At: r.At, Seconds: seconds}
		if t, is := l.s.model.ThrottleOf(vm.Name); is {
			limits, v.Quota = limits.Under(t), string(t.Action)
		}
		v.Down, v.Up = int64(limits.Down), int64(limits.Up)
		v.Internet, v.Zones = perSecond(passed[meter.Internet], seconds), perSecond(passed[meter.Zones], seconds)
		v.Near, v.Admin = perSecond(passed[meter.Near], seconds), perSecond(passed[meter.Admin], seconds)
		v.Total = perSecond(passed.Total(), seconds)
		views[i] = v
	}
	byName := func(a, b LiveView) int { return cmp.Compare(a.VM, b.VM) }
	for _, o := range liveOrders {
		if o.name == l.query.Sort {
			slices.SortFunc(views, func(a, b LiveView) int { return cmp.Or(o.order(a, b), byName(a, b)) })
		}
	}
	if l.query.Limit > 0 && len(views) > l.query.Limit {
		views = views[:l.query.Limit]
	}
	return views, nil
}

func perSecond(p meter.Pair, seconds float64) RatesView {
	if seconds <= 0 {
		return RatesView{}
	}
	rate := func(n uint64, times float64) uint64 { return uint64(float64(n)*times/seconds + 0.5) }
	return RatesView{
		InBits: rate(p.In.Bytes, 8), OutBits: rate(p.Out.Bytes, 8),
		InPackets: rate(p.In.Packets, 1), OutPackets: rate(p.Out.Packets, 1),
	}
}
