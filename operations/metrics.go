package operations

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"ispctl"
	"ispctl/internal/prom"
	"ispctl/meter"
	"ispctl/state"
)

// metricsFor is how long figures stand: who asks more often gets the same ones,
// and costs no dump of the counters.
const metricsFor = time.Second

// Metrics gives the present figures to who collects them. They are the
// counters' own, which begin anew with the host: collectors know of that.
type Metrics struct {
	mu   sync.Mutex
	s    *Sampler
	last []prom.Family
	at   time.Duration // since boot
}

// Metrics reads nothing yet.
func (p *Provider) Metrics() *Metrics { return &Metrics{s: &Sampler{p: p, generation: -1}} }

// Read reads the counters, unless that was done a moment ago.
func (m *Metrics) Read(ctx context.Context) ([]prom.Family, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now, err := m.s.p.Clock.SinceBoot()
	if err != nil {
		return nil, err
	}
	if m.last != nil && now-m.at < metricsFor {
		return m.last, nil
	}
	if err := m.s.refresh(ctx); err != nil {
		return nil, err
	}
	r, err := m.s.read(ctx)
	if err != nil {
		return nil, err
	}
	drops, err := m.s.p.readDrops(ctx, m.s.model)
	if err != nil {
		return nil, err
	}
	m.last, m.at = metricsOf(m.s.model, r, drops), now
	return m.last, nil
}

// metricsOf says readings as families.
func metricsOf(m *ispctl.Model, r meter.Reading, drops Drops) []prom.Family {
	passed := []string{"vm", "zone", "with", "direction"}
	bytes := prom.Family{Name: "ispctl_vm_bytes_total", Help: "Bytes of frames that passed a VM, as the guest sees them.", Kind: prom.Counter, Labels: passed}
	packets := prom.Family{Name: "ispctl_vm_packets_total", Help: "Frames that passed a VM, as the guest sees them.", Kind: prom.Counter, Labels: passed}
	dropped := prom.Family{Name: "ispctl_vm_dropped_packets_total", Help: "Frames of a VM that the wall or its shapers dropped.", Kind: prom.Counter, Labels: []string{"vm", "zone", "reason"}}
	ceiling := prom.Family{Name: "ispctl_vm_ceiling_bits_per_second", Help: "The most a VM may use with the Internet, where that is limited.", Kind: prom.Gauge, Labels: []string{"vm", "zone", "direction"}}
	quota := prom.Family{Name: "ispctl_vm_quota_used_up", Help: "1 while a VM is throttled or blocked for its quota.", Kind: prom.Gauge, Labels: []string{"vm", "zone", "action"}}
	address := prom.Family{Name: "ispctl_address_bytes_total", Help: "Bytes of frames from and to the Internet, by external address.", Kind: prom.Counter, Labels: []string{"address", "direction"}}
	for vm := range m.Guests() {
		name, zone := string(vm.Name), string(vm.Zone)
		var c meter.Counts
		reasons := map[string]uint64{}
		for _, nic := range vm.NICs {
			c = c.Plus(r.Of(meter.Source(nic.Tap)))
			for reason, n := range drops[nic.Tap] {
				reasons[reason] += n.Packets
			}
		}
		for _, class := range meter.Classes() {
			for _, way := range []struct {
				direction string
				meter.Way
			}{{"in", c[class].In}, {"out", c[class].Out}} {
				bytes.Add(way.Bytes, name, zone, class.String(), way.direction)
				packets.Add(way.Packets, name, zone, class.String(), way.direction)
			}
		}
		for _, reason := range slices.Sorted(maps.Keys(reasons)) {
			dropped.Add(reasons[reason], name, zone, reason)
		}
		limits := m.LimitsOf(vm)
		if t, is := m.ThrottleOf(vm.Name); is {
			limits = limits.Under(t)
			quota.Add(1, name, zone, string(t.Action))
		}
		if limits.Down > 0 {
			ceiling.Add(uint64(limits.Down), name, zone, "in")
		}
		if limits.Up > 0 {
			ceiling.Add(uint64(limits.Up), name, zone, "out")
		}
	}
	owners := ownersOf(m)
	for _, source := range slices.Sorted(maps.Keys(owners)) {
		if o := owners[source]; o.Kind == state.AddressMeter {
			c := r.Of(source)[meter.Internet]
			address.Add(c.In.Bytes, o.Name, "in")
			address.Add(c.Out.Bytes, o.Name, "out")
		}
	}
	return []prom.Family{bytes, packets, dropped, ceiling, quota, address}
}
