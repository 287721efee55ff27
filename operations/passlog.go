package operations

import (
	"time"

	"ispctl/state"
)

// phaseOf is what the work of a layer means to someone who waits for a VM.
var phaseOf = map[string]string{
	"disks": "disk", "cgroups": "boot", "ksm": "boot", "domains": "boot",
	"connections": "network", "wire": "network", "bridge": "network", "count": "network", "firewall": "network", "vpn": "network", "nat": "network",
	"route": "network", "qos.classes": "network", "qos": "network", "dhcp": "network",
}

// passLog follows one pass: it tells of each layer as it ends, and keeps when
// each phase did.
type passLog struct {
	p      *Provider
	start  time.Time
	phases []state.Phase
}

func newPassLog(p *Provider) *passLog { return &passLog{p: p, start: time.Now()} }

func (l *passLog) begin(string, int) { l.start = time.Now() }

func (l *passLog) end(layer string, err error) {
	now := time.Now()
	phase := phaseOf[layer]
	if err != nil {
		return
	}
	l.p.progress(Progress{Phase: phase, Text: layer, Done: true, Took: now.Sub(l.start)})
	if n := len(l.phases); n > 0 && l.phases[n-1].Name == phase {
		l.phases[n-1].At = now.UTC()
		return
	}
	l.phases = append(l.phases, state.Phase{Name: phase, At: now.UTC()})
}

func (l *passLog) worked() bool { return len(l.phases) > 0 }
