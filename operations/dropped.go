package operations

import (
	"context"
	"slices"

	"ispctl"
)

// Drops is what was dropped, by tap and why.
type Drops map[string]map[string]Dropped

// Dropped is so many frames. Bytes are those of the link; of what a shaper
// dropped the kernel does not say them.
type Dropped struct{ Packets, Bytes uint64 }

// What a shaper had no room for, as reasons beside the wall's own.
const (
	ShaperIn  = "shaper-in" // on its way to the guest
	ShaperOut = "shaper-out"
)

// spoofing are the wall's reasons that say a guest claimed to be another one.
var spoofing = []string{"mac", "arp", "source"}

// DroppedView is what was dropped of a VM since its taps were made.
type DroppedView struct {
	VM   ispctl.Name `json:"vm"`
	Zone ispctl.Name `json:"zone"`
	DropSums
}

// DropSums is what was dropped, by who dropped it.
type DropSums struct {
	Wall   TallyView  `json:"wall"`  // sent by the VM, against the rules of its zone
	Spoof  TallyView  `json:"spoof"` // sent by the VM as if it were another
	Shaper ShaperView `json:"shaper"`
}

// TallyView is a number of frames, and their bytes on the link.
type TallyView struct {
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
}

// ShaperView is frames that were more than a VM's rates let through.
type ShaperView struct {
	InPackets  uint64 `json:"in_packets"`
	OutPackets uint64 `json:"out_packets"`
}

// DroppedOf tells what was dropped of a VM, of all in a zone, or of all.
func (p *Provider) DroppedOf(ctx context.Context, of string) ([]DroppedView, error) {
	m, err := p.Store.Model(ctx)
	if err != nil {
		return nil, err
	}
	vms, err := guestsOf(m, of)
	if err != nil {
		return nil, err
	}
	drops, err := p.readDrops(ctx, m)
	if err != nil {
		return nil, err
	}
	views := make([]DroppedView, len(vms))
	for i, vm := range vms {
		views[i] = DroppedView{vm.Name, vm.Zone, sumDrops(vm, drops)}
	}
	return views, nil
}

// readDrops is nothing where nobody counts.
func (p *Provider) readDrops(ctx context.Context, m *ispctl.Model) (Drops, error) {
	if p.Drops == nil {
		return nil, nil
	}
	return p.Drops(ctx, m)
}

func sumDrops(vm ispctl.VM, drops Drops) (v DropSums) {
	for _, nic := range vm.NICs {
		for reason, n := range drops[nic.Tap] {
			switch {
			case reason == ShaperIn:
				v.Shaper.InPackets += n.Packets
			case reason == ShaperOut:
				v.Shaper.OutPackets += n.Packets
			case slices.Contains(spoofing, reason):
				v.Spoof = v.Spoof.plus(n)
			default:
				v.Wall = v.Wall.plus(n)
			}
		}
	}
	return v
}

func (t TallyView) plus(n Dropped) TallyView {
	return TallyView{t.Packets + n.Packets, t.Bytes + n.Bytes}
}
