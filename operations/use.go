package operations

import (
	"context"
	"time"

	"ispctl"
)

// GuestUse is what a guest's processes have used so far of CPU time and of the
// host's disk, and what memory they hold.
type GuestUse struct {
	CPU         time.Duration
	Memory      ispctl.Size
	Read, Write int64 // bytes
}

// useNow is what is used at the moment.
type useNow struct {
	cpu          float64 // percent of one CPU
	memory, left ispctl.Size
	read, write  int64 // bytes per second
}

func (u useNow) into(v *QoSView) {
	v.CPUNow, v.MemoryNow, v.MemoryLeft, v.ReadNow, v.WriteNow = u.cpu, int64(u.memory), int64(u.left), u.read, u.write
}

// watchUse looks at what VMs have used; what it returns looks again, and says what
// they used in between.
func (p *Provider) watchUse(ctx context.Context, vms []ispctl.VM) (func() (map[int64]useNow, error), error) {
	if p.Uses == nil {
		return func() (map[int64]useNow, error) { return nil, nil }, nil
	}
	begun := time.Now()
	before, err := p.Uses(vms)
	if err != nil {
		return nil, err
	}
	return func() (map[int64]useNow, error) {
		after, err := p.Uses(vms)
		if err != nil {
			return nil, err
		}
		balloons, err := p.Store.Balloons(ctx)
		if err != nil {
			return nil, err
		}
		seconds := time.Since(begun).Seconds()
		now := map[int64]useNow{}
		for id, a := range after {
			b := before[id]
			if a.CPU < b.CPU { // it was started anew
				b = GuestUse{}
			}
			now[id] = useNow{
				cpu: (a.CPU - b.CPU).Seconds() / seconds * 100, memory: a.Memory,
				read: int64(float64(a.Read-b.Read) / seconds), write: int64(float64(a.Write-b.Write) / seconds),
			}
		}
		for _, one := range balloons {
			if u, runs := now[one.VM]; runs {
				u.left = one.Target
				now[one.VM] = u
			}
		}
		return now, nil
	}, nil
}
