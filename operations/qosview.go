package operations

import (
	"context"
	"slices"
	"time"

	"ispctl"
)

// LimitsView is limits as scripts see them; 0: there is none.
type LimitsView struct {
	Down            int64  `json:"down_bits_per_second"`
	Up              int64  `json:"up_bits_per_second"`
	Guarantee       int64  `json:"guarantee_bits_per_second"`
	Burst           int64  `json:"burst_bytes"`
	Local           int64  `json:"local_bits_per_second"`
	DSCP            string `json:"dscp"` // trust, clear, or a mark; empty: they pass unheeded
	CPUCeiling      int64  `json:"cpu_ceiling_percent"`
	CPUShares       int64  `json:"cpu_shares"`
	MemoryGuarantee int64  `json:"memory_guarantee_bytes"`
	ReadIOPS        int64  `json:"read_iops"`
	WriteIOPS       int64  `json:"write_iops"`
	ReadRate        int64  `json:"read_bytes_per_second"`
	WriteRate       int64  `json:"write_bytes_per_second"`
	CPUGuarantee    int64  `json:"cpu_guarantee_percent"`
	CPUPin          string `json:"cpu_pin"`
	ReadIOPSBurst   int64  `json:"read_iops_burst"`
	WriteIOPSBurst  int64  `json:"write_iops_burst"`
	ReadBurst       int64  `json:"read_burst_bytes"`
	WriteBurst      int64  `json:"write_burst_bytes"`
	DiskWeight      int64  `json:"disk_weight"`
	Connections     int64  `json:"connections"`
	NewConnections  int64  `json:"new_connections_per_second"`
	Packets         int64  `json:"packets_per_second"`
}

func viewLimits(l ispctl.Limits) LimitsView {
	return LimitsView{
		Down: int64(l.Down), Up: int64(l.Up), Guarantee: int64(l.Guarantee), Burst: int64(l.Burst), Local: int64(l.Local), DSCP: l.DSCP.String(),
		CPUCeiling: int64(l.CPUCeiling), CPUShares: l.CPUShares, MemoryGuarantee: int64(l.MemoryGuarantee),
		ReadIOPS: l.ReadIOPS, WriteIOPS: l.WriteIOPS, ReadRate: int64(l.ReadRate), WriteRate: int64(l.WriteRate),
		CPUGuarantee: int64(l.CPUGuarantee), CPUPin: string(l.CPUPin), DiskWeight: l.DiskWeight,
		ReadIOPSBurst: l.ReadIOPSBurst, WriteIOPSBurst: l.WriteIOPSBurst, ReadBurst: int64(l.ReadBurst), WriteBurst: int64(l.WriteBurst),
		Connections: l.Connections, NewConnections: l.NewConnections, Packets: l.Packets,
	}
}

// QoSView is what a VM may use, and what it uses now.
type QoSView struct {
	VM         ispctl.Name       `json:"vm"`
	Zone       ispctl.Name       `json:"zone"`
	Plan       ispctl.Name       `json:"plan"`
	Tenant     ispctl.Name       `json:"tenant"`
	Configured map[string]string `json:"configured"` // its own limits, in place of the plan's
	Effective  LimitsView        `json:"effective"`
	Flows      []FlowView        `json:"flows"`

	// What it received and sent while it was looked at, by all its NICs.
	DownNow int64 `json:"down_now_bits_per_second"`
	UpNow   int64 `json:"up_now_bits_per_second"`

	// What its processes used meanwhile, and what they hold. MemoryLeft is what
	// its balloon was last told to leave it; 0: all.
	CPUNow     float64 `json:"cpu_now_percent"`
	MemoryNow  int64   `json:"memory_now_bytes"`
	MemoryLeft int64   `json:"memory_left_bytes"`
	ReadNow    int64   `json:"read_now_bytes_per_second"`
	WriteNow   int64   `json:"write_now_bytes_per_second"`
}

// FlowView is a flow limit as scripts see it.
type FlowView struct {
	VM     ispctl.Name `json:"vm"`
	Match  string      `json:"match"`
	Remote string      `json:"remote"`
	Rate   int64       `json:"bits_per_second"` // 0: only a priority

	PerConnection bool   `json:"per_connection"` // the rate is each connection's
	Priority      string `json:"priority"`       // interactive, normal or bulk; empty: normal, or what the VM's marks say
}

func viewFlow(f ispctl.Flow) FlowView {
	v := FlowView{VM: f.VM, Match: f.Match.String(), Rate: int64(f.Rate), PerConnection: f.Each, Priority: string(f.Urgency)}
	if f.Remote.IsValid() {
		v.Remote = f.Remote.String()
	}
	return v
}

// Octets is what has passed a tap: to its guest, and from it.
type Octets struct{ Down, Up uint64 }

// Traffic reads what has passed every tap, by its name.
type Traffic func(context.Context) (map[string]Octets, error)

// lookFor is how long a rate is watched.
const lookFor = 500 * time.Millisecond

// rates are what passes each tap now, in bits per second.
func (p *Provider) rates(ctx context.Context) (map[string]Octets, error) {
	if p.Traffic == nil {
		return nil, nil
	}
	before, err := p.Traffic(ctx)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(lookFor):
	}
	after, err := p.Traffic(ctx)
	seconds := time.Since(start).Seconds()
	now := make(map[string]Octets, len(after))
	for tap, a := range after {
		if b, there := before[tap]; there && a.Down >= b.Down && a.Up >= b.Up {
			now[tap] = Octets{uint64(float64(a.Down-b.Down) * 8 / seconds), uint64(float64(a.Up-b.Up) * 8 / seconds)}
		}
	}
	return now, err
}

// QoS shows what VMs may use and what they use now: all, those of a zone or of a
// tenant, or one.
func (p *Provider) QoS(ctx context.Context, of string) ([]QoSView, error) {
	m, err := p.Store.Model(ctx)
	if err != nil {
		return nil, err
	}
	vms, err := guestsOf(m, of)
	if err != nil {
		return nil, err
	}
	stop, err := p.watchUse(ctx, vms)
	if err != nil {
		return nil, err
	}
	now, err := p.rates(ctx)
	if err != nil {
		return nil, err
	}
	used, err := stop()
	if err != nil {
		return nil, err
	}
	views := make([]QoSView, len(vms))
	for i, vm := range vms {
		v := QoSView{VM: vm.Name, Zone: vm.Zone, Plan: vm.Plan, Tenant: vm.Tenant, Configured: map[string]string{}, Effective: viewLimits(m.LimitsOf(vm)), Flows: []FlowView{}}
		for _, f := range ispctl.LimitTable() {
			if text := f.Text(vm.Limits); text != "" {
				v.Configured[f.Key()] = text
			}
		}
		for _, f := range m.FlowsOf(vm.Name) {
			v.Flows = append(v.Flows, viewFlow(f))
		}
		for _, nic := range vm.NICs {
			v.DownNow += int64(now[nic.Tap].Down)
			v.UpNow += int64(now[nic.Tap].Up)
		}
		used[vm.ID].into(&v)
		views[i] = v
	}
	return views, nil
}

// guestsOf are the VMs of a zone or of a tenant, or the one of that name; without
// a name, all. A VM comes first, then a zone.
func guestsOf(m *ispctl.Model, name string) ([]ispctl.VM, error) {
	if name == "" {
		return slices.Collect(m.Guests()), nil
	}
	vm, err := m.VM(name)
	if err == nil {
		return []ispctl.VM{vm}, nil
	}
	of := func(vm ispctl.VM) ispctl.Name { return vm.Zone }
	if _, noZone := m.Zone(name); noZone != nil {
		if _, noTenant := m.Tenant(name); noTenant != nil {
			return nil, err
		}
		of = func(vm ispctl.VM) ispctl.Name { return vm.Tenant }
	}
	some := []ispctl.VM{}
	for vm := range m.Guests() {
		if string(of(vm)) == name {
			some = append(some, vm)
		}
	}
	return some, nil
}

// Flows lists the flow limits.
func (p *Provider) Flows(ctx context.Context) ([]FlowView, error) {
	m, err := p.Store.Model(ctx)
	if err != nil {
		return nil, err
	}
	views := make([]FlowView, len(m.Flows))
	for i, f := range m.Flows {
		views[i] = viewFlow(f)
	}
	return views, nil
}
