package operations

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"ispctl"
	"ispctl/meter"
)

// LiveFlowView is what a connection of a VM carries now, as the guest sees it.
type LiveFlowView struct {
	VM       ispctl.Name `json:"vm"`
	Zone     ispctl.Name `json:"zone"`
	Protocol string      `json:"protocol"`
	Local    string      `json:"local"`  // the VM's end: address and port
	Remote   string      `json:"remote"` // the other
	Opened   string      `json:"opened"` // by vm or by remote
	At       time.Time   `json:"at"`
	Seconds  float64     `json:"seconds"` // between the two readings
	RatesView
}

// LiveFlows tells what connections carry from one look at the host's table of
// them to the next.
type LiveFlows struct {
	s      *Sampler
	source Connections
	query  LiveQuery
	last   map[flowKey]meter.Conn
	at     time.Time
}

// flowKey is what a connection is known by while it lives.
type flowKey struct {
	id       uint32
	proto    uint8
	src, dst netip.AddrPort
}

// LiveFlows takes the first look.
func (p *Provider) LiveFlows(ctx context.Context, source Connections, q LiveQuery) (*LiveFlows, error) {
	if err := q.check(); err != nil {
		return nil, err
	}
	l := &LiveFlows{s: &Sampler{p: p, generation: -1}, source: source, query: q}
	if err := l.s.refresh(ctx); err != nil {
		return nil, err
	}
	if _, err := l.ends(); err != nil {
		return nil, err
	}
	_, err := l.look(ctx)
	return l, err
}

// ends are the guests that are asked for, by all addresses that connections bear
// of them.
func (l *LiveFlows) ends() (map[netip.Addr]ispctl.VM, error) {
	vms, err := (&Live{s: l.s, query: l.query}).guests()
	if err != nil {
		return nil, err
	}
	ends := make(map[netip.Addr]ispctl.VM, len(vms))
	routed := map[ispctl.Name][]netip.Addr{}
	for _, a := range l.s.model.Addresses {
		if a.Mode == ispctl.RoutedIn {
			routed[a.VM] = append(routed[a.VM], a.Addr)
		}
	}
	for _, vm := range vms {
		addresses := routed[vm.Name]
		for _, nic := range vm.NICs {
			addresses = append(addresses, nic.Addr, nic.Addr6)
		}
		for _, a := range addresses {
			if a.IsValid() {
				ends[a] = vm
			}
		}
	}
	return ends, nil
}

// look reads the table, and remembers it.
func (l *LiveFlows) look(ctx context.Context) ([]meter.Conn, error) {
	all, err := l.source.Dump(ctx)
	if err != nil {
		return nil, err
	}
	l.at, l.last = l.s.p.Clock.Now(), make(map[flowKey]meter.Conn, len(all))
	for _, c := range all {
		l.last[flowKeyOf(c)] = c
	}
	return all, nil
}

func flowKeyOf(c meter.Conn) flowKey { return flowKey{c.ID, c.Proto, c.Src, c.Dst} }

// Next looks once more, and says what each has carried each second since. What
// was opened and has ended in between is not seen; what carried nothing is left
// out.
func (l *LiveFlows) Next(ctx context.Context) ([]LiveFlowView, error) {
	if err := l.s.refresh(ctx); err != nil {
		return nil, err
	}
	ends, err := l.ends()
	if err != nil {
		return nil, err
	}
	before, since := l.last, l.at
	all, err := l.look(ctx)
	if err != nil {
		return nil, err
	}
	seconds := l.at.Sub(since).Seconds()
	views := []LiveFlowView{}
	for _, c := range all {
		was := before[flowKeyOf(c)] // of one that is new: nothing
		sent, back := grown(c.Orig, was.Orig), grown(c.Reply, was.Reply)
		if sent.Bytes+back.Bytes == 0 {
			continue
		}
		add := func(vm ispctl.VM, local, remote netip.AddrPort, opened string, in, out meter.Way) {
			views = append(views, LiveFlowView{
				VM: vm.Name, Zone: vm.Zone, Protocol: protocolName(c.Proto), Local: endText(local), Remote: endText(remote),
				Opened: opened, At: l.at, Seconds: seconds, RatesView: perSecond(meter.Pair{In: in, Out: out}, seconds),
			})
		}
		// Two guests of one host are shown each.
		if vm, is := ends[c.Src.Addr()]; is {
			add(vm, c.Src, c.Dst, openedByVM, back, sent)
		}
		if vm, is := ends[c.ReplySrc.Addr()]; is {
			add(vm, c.ReplySrc, c.Src, openedByRemote, sent, back)
		}
	}
	l.query.sort(views)
	if l.query.Limit > 0 && len(views) > l.query.Limit {
		views = views[:l.query.Limit]
	}
	return views, nil
}

// sort has the most first, and names as they are read.
func (q LiveQuery) sort(views []LiveFlowView) {
	slices.SortFunc(views, func(a, b LiveFlowView) int {
		var most int
		for _, o := range liveOrders {
			if o.name == q.Sort {
				most = o.order(LiveView{Total: a.RatesView}, LiveView{Total: b.RatesView})
			}
		}
		return cmp.Or(most, cmp.Compare(a.VM, b.VM), strings.Compare(a.Remote, b.Remote), strings.Compare(a.Local, b.Local))
	})
}

// grown is what came since; one that counts from the beginning is another.
func grown(now, was meter.Way) meter.Way {
	if now.Bytes < was.Bytes || now.Packets < was.Packets {
		return now
	}
	return meter.Way{Bytes: now.Bytes - was.Bytes, Packets: now.Packets - was.Packets}
}

// endText is an end of a connection; protocols without ports have none.
func endText(a netip.AddrPort) string {
	if a.Port() == 0 {
		return a.Addr().String()
	}
	return a.String()
}
