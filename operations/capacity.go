package operations

import (
	"context"
	"fmt"

	"ispctl"
	"ispctl/state"
)

// HostFacts is what the machine has to share out; zero: it is not known.
type HostFacts struct {
	CPUs   int
	Memory ispctl.Size
}

// CapacityView is one of the things that are shared out: how much there is, how
// much of it is promised, and what is left. Kind says the unit.
type CapacityView struct {
	Name     string `json:"name"`     // uplink down, uplink up, memory, cpus
	Unit     string `json:"unit"`     // bit/s, bytes or cpus
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
	memory, cpus := promisedHost(m)
	views := []CapacityView{
		{Name: "uplink down", Unit: "bit/s", Has: int64(m.Uplink.Down), Promised: int64(rate)},
		{Name: "uplink up", Unit: "bit/s", Has: int64(m.Uplink.Up), Promised: int64(rate)},
		{Name: "memory", Unit: "bytes", Has: int64(p.Host.Memory), Promised: int64(memory)},
		{Name: "cpus", Unit: "cpus", Has: int64(p.Host.CPUs), Promised: int64(cpus)},
	}
	for i := range views {
		if v := &views[i]; v.Has > 0 {
			v.Left = v.Has - v.Promised
		}
	}
	return views, nil
}

// promisedHost is the memory that all guests are guaranteed, and the CPUs that
// they see.
func promisedHost(m *ispctl.Model) (memory ispctl.Size, cpus int) {
	plans := make(map[ispctl.Name]ispctl.Plan, len(m.Plans))
	for _, plan := range m.Plans {
		plans[plan.Name] = plan
	}
	for _, vm := range m.Guests() {
		memory += vm.Limits.Over(plans[vm.Plan].Limits).MemoryGuarantee
		cpus += plans[vm.Plan].CPUs
	}
	return memory, cpus
}

// admitMemory refuses intent that promises more memory than the host has, unless it
// promises less than before: who takes back may do so step by step.
func (p *Provider) admitMemory(ctx context.Context, tx *state.Tx) error {
	if p.Host.Memory == 0 {
		return nil
	}
	m, err := tx.Model()
	if err != nil {
		return err
	}
	memory, _ := promisedHost(m)
	if memory <= p.Host.Memory {
		return nil
	}
	before, err := p.Store.Model(ctx)
	if err != nil {
		return err
	}
	if was, _ := promisedHost(before); memory <= was {
		return nil
	}
	return &ispctl.Error{
		Kind: ispctl.Conflict, Object: "memory of this host",
		Cause: fmt.Sprintf("guests are guaranteed %s together; it has %s: %s too much", memory, p.Host.Memory, memory-p.Host.Memory),
		Next:  "see: ispctl qos capacity",
	}
}
