package operations

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"ispctl"
	"ispctl/state"
)

// HostFacts is what the machine has to share out; zero: it is not known.
type HostFacts struct {
	CPUs   int
	Memory ispctl.Size

	// Disk is the room for the disks of guests, what those of a model take
	// already with it; nil: it is not known.
	Disk func(*ispctl.Model) (ispctl.Size, error)
}

// CapacityView is one of the things that are shared out: how much there is, how
// much of it is promised, and what is left. Kind says the unit.
type CapacityView struct {
	Name     string `json:"name"`     // uplink down, uplink up, memory, cpus, ...
	Unit     string `json:"unit"`     // bit/s, bytes, cpus or percent
	Has      int64  `json:"has"`      // 0: not known, and nothing is checked
	Promised int64  `json:"promised"` // sum of all guarantees; of cpus, what guests see
	Left     int64  `json:"left"`
}

// Capacity is what there is, what is promised and what is left.
func (p *Provider) Capacity(ctx context.Context) ([]CapacityView, error) {
	m, err := p.Store.Model(ctx)
	if err != nil {
		return nil, err
	}
	rate, _ := m.Promised()
	views := []CapacityView{
		{Name: "uplink down", Unit: "bit/s", Has: int64(m.Uplink.Down), Promised: int64(rate)},
		{Name: "uplink up", Unit: "bit/s", Has: int64(m.Uplink.Up), Promised: int64(rate)},
	}
	shares, err := p.shares(m)
	if err != nil {
		return nil, err
	}
	for _, s := range shares {
		views = append(views, CapacityView{Name: s.name, Unit: s.unit, Has: s.has, Promised: s.promised})
	}
	cpus := CapacityView{Name: "cpus", Unit: "cpus", Has: int64(p.Host.CPUs)}
	plans := plansOf(m)
	for vm := range m.Guests() {
		cpus.Promised += int64(plans[vm.Plan].CPUs)
	}
	views = append(views, cpus)
	for i := range views {
		if v := &views[i]; v.Has > 0 {
			v.Left = v.Has - v.Promised
		}
	}
	return views, nil
}

// share is something of the host that is promised to guests.
type share struct {
	name, unit    string
	has, promised int64
	what          string // guests are promised of it, as the refusal says it
	next          string
	text          func(int64) string
}

func sizeText(n int64) string { return ispctl.Size(n).String() }

func percentText(n int64) string { return ispctl.Percent(n).String() }

// shares are what of the host is promised by a model: memory that no balloon
// takes and all that guests may have, CPU time, that of the CPUs that guests are
// pinned to, and the sizes of their disks.
func (p *Provider) shares(m *ispctl.Model) ([]share, error) {
	var kept, memory, disks, time int64
	plans := plansOf(m)
	pinned := map[ispctl.CPUSet]int64{}
	for vm := range m.Guests() {
		plan := vm.PlanOf(plans[vm.Plan])
		l := vm.Limits.Over(plan.Limits)
		kept += int64(l.Floor(plan.Memory))
		memory += int64(plan.Memory)
		disks += int64(diskPromised(vm, plan))
		time += int64(l.CPUGuarantee)
		if l.CPUPin != "" {
			pinned[l.CPUPin] += int64(l.CPUGuarantee)
		}
	}
	const see = "see: ispctl qos capacity"
	shares := []share{
		{name: "memory", unit: "bytes", promised: kept, what: "guaranteed", text: sizeText, next: see},
		{name: "memory of guests", unit: "bytes", promised: memory, what: "given", text: sizeText, next: see + ", ispctl qos host --memory-overcommit"},
		{name: "cpu time", unit: "percent", has: int64(p.Host.CPUs) * 100, promised: time, what: "guaranteed", text: percentText, next: see},
		{name: "disk", unit: "bytes", promised: disks, what: "given", text: sizeText, next: see + ", ispctl qos host --disk-overcommit"},
	}
	if p.Host.Memory > 0 {
		has := max(p.Host.Memory-m.Sharing.Reserve(p.Host.Memory), 1)
		shares[0].has, shares[1].has = int64(has), times(has, m.Sharing.MemoryOvercommit)
	}
	if p.Host.Disk != nil && m.Sharing.DiskOvercommit != ispctl.NoLimit {
		has, err := p.Host.Disk(m)
		if err != nil {
			return nil, err
		}
		shares[3].has = times(has, m.Sharing.DiskOvercommit)
	}
	return append(shares, pinnedShares(pinned, p.Host.CPUs)...), nil
}

// diskPromised is what a VM may write at most.
func diskPromised(vm ispctl.VM, plan ispctl.Plan) ispctl.Size {
	all := plan.Disk
	for _, disk := range vm.Disks {
		all += disk.Size
	}
	return all
}

func times(n ispctl.Size, ratio ispctl.Percent) int64 {
	if ratio == 0 {
		ratio = 100
	}
	return int64(float64(n) * float64(ratio) / 100)
}

// pinnedShares are the CPUs that guests are pinned to: those within a set have
// no others.
func pinnedShares(pinned map[ispctl.CPUSet]int64, cpus int) []share {
	var shares []share
	for _, set := range slices.Sorted(maps.Keys(pinned)) {
		in := map[int]bool{}
		for _, n := range set.CPUs() {
			in[n] = n < cpus
		}
		s := share{name: "cpu time of " + string(set), unit: "percent", what: "guaranteed", text: percentText, next: "pin them to more: ispctl qos set VM --cpu-pin CPUS"}
		for other, promised := range pinned {
			inside := true
			for _, n := range other.CPUs() {
				inside = inside && in[n]
			}
			if inside {
				s.promised += promised
			}
		}
		s.has = int64(set.Len()) * 100
		if s.promised > 0 {
			shares = append(shares, s)
		}
	}
	return shares
}

func plansOf(m *ispctl.Model) map[ispctl.Name]ispctl.Plan {
	plans := make(map[ispctl.Name]ispctl.Plan, len(m.Plans))
	for _, plan := range m.Plans {
		plans[plan.Name] = plan
	}
	return plans
}

// admit refuses intent that promises more than the host has, unless it promises
// less than before: who takes back may do so step by step.
func (p *Provider) admit(ctx context.Context, tx *state.Tx) error {
	if p.Host.Memory == 0 && p.Host.CPUs == 0 && p.Host.Disk == nil {
		return nil
	}
	m, err := tx.Model()
	if err != nil {
		return err
	}
	if err := p.admitPins(m); err != nil {
		return err
	}
	now, err := p.shares(m)
	if err != nil {
		return err
	}
	var was map[string]int64
	for _, s := range now {
		if s.has == 0 || s.promised <= s.has {
			continue
		}
		if was == nil {
			if was, err = p.promisedBefore(ctx); err != nil {
				return err
			}
		}
		if s.promised <= was[s.name] {
			continue
		}
		return &ispctl.Error{
			Kind: ispctl.Conflict, Object: s.name + " of this host",
			Cause: fmt.Sprintf("guests are %s %s together; it has %s: %s too much", s.what, s.text(s.promised), s.text(s.has), s.text(s.promised-s.has)),
			Next:  s.next,
		}
	}
	return nil
}

func (p *Provider) promisedBefore(ctx context.Context) (map[string]int64, error) {
	before, err := p.Store.Model(ctx)
	if err != nil {
		return nil, err
	}
	shares, err := p.shares(before)
	was := map[string]int64{}
	for _, s := range shares {
		was[s.name] = s.promised
	}
	return was, err
}

// admitPins refuses CPUs that the host does not have.
func (p *Provider) admitPins(m *ispctl.Model) error {
	if p.Host.CPUs == 0 {
		return nil
	}
	plans := plansOf(m)
	for vm := range m.Guests() {
		set := vm.Limits.Over(plans[vm.Plan].Limits).CPUPin
		for _, n := range set.CPUs() {
			if n >= p.Host.CPUs {
				return ispctl.Conflicting("vm", string(vm.Name), "is pinned to CPU %d; this host has %s", n, cpusText(p.Host.CPUs))
			}
		}
	}
	return nil
}

func cpusText(n int) string {
	if n == 1 {
		return "0 alone"
	}
	return "0 to " + strconv.Itoa(n-1)
}
