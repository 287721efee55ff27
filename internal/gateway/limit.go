package gateway

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// Limits are how much a stranger and a tenant may have of the gateway.
type Limits struct {
	Grace       time.Duration // for a stranger to say who he is
	Strangers   int           // connections of strangers at once, all together
	OfOne       int           // the same, from one source
	Failures    int           // failed logins from one source within Window
	Window      time.Duration
	Connections int // of a tenant at once
	Sessions    int // of a tenant at once
	Idle        time.Duration
}

// DefaultLimits leave room for people and none for floods.
var DefaultLimits = Limits{
	Grace: 20 * time.Second, Strangers: 64, OfOne: 8, Failures: 10, Window: time.Minute,
	Connections: 16, Sessions: 8, Idle: time.Hour,
}

// maxSources bounds what is remembered of sources.
const maxSources = 1 << 14

// strangers keeps count of those who have not said who they are.
type strangers struct {
	limits Limits
	now    func() time.Time

	mu   sync.Mutex
	all  int
	from map[netip.Prefix]*source
}

type source struct {
	open     int
	failures []time.Time
}

func newStrangers(l Limits) *strangers {
	return &strangers{limits: l, now: time.Now, from: map[netip.Prefix]*source{}}
}

// sourceOf is an address of IPv4, or the net of a host of IPv6.
func sourceOf(a net.Addr) netip.Prefix {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	addr, _ := netip.AddrFromSlice(tcp.IP)
	if addr = addr.Unmap(); addr.Is6() {
		p, _ := addr.Prefix(64)
		return p
	}
	return netip.PrefixFrom(addr, 32)
}

// enter lets a stranger in, or not.
func (s *strangers) enter(p netip.Prefix) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.from[p]
	if one == nil {
		if len(s.from) >= maxSources {
			s.forget()
		}
		if len(s.from) >= maxSources {
			return false
		}
		one = &source{}
		s.from[p] = one
	}
	one.age(s.now().Add(-s.limits.Window))
	if s.all >= s.limits.Strangers || one.open >= s.limits.OfOne || len(one.failures) >= s.limits.Failures {
		return false
	}
	s.all++
	one.open++
	return true
}

// leave ends the time as a stranger: known by now, or failed.
func (s *strangers) leave(p netip.Prefix, failed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all--
	one := s.from[p] // what is open is never forgotten
	one.open--
	if failed {
		one.failures = append(one.failures, s.now())
	}
}

// forget drops those that nothing is to be known of any more.
func (s *strangers) forget() {
	since := s.now().Add(-s.limits.Window)
	for p, one := range s.from {
		if one.age(since); one.open == 0 && len(one.failures) == 0 {
			delete(s.from, p)
		}
	}
}

func (s *source) age(since time.Time) {
	for len(s.failures) > 0 && s.failures[0].Before(since) {
		s.failures = s.failures[1:]
	}
}

// tally counts what each tenant has open.
type tally struct {
	mu sync.Mutex
	n  map[string]int
}

func (t *tally) take(tenant string, most int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n[tenant] >= most {
		return false
	}
	t.n[tenant]++
	return true
}

func (t *tally) give(tenant string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n[tenant]--; t.n[tenant] <= 0 {
		delete(t.n, tenant)
	}
}
