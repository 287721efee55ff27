package libvirtd

import (
	"context"
	"errors"
	"fmt"

	"libvirt.org/go/libvirt"

	"ispctl"
	"ispctl/vm"
)

// Balloons is what our guests that run have of their memory, by UUID. One that
// goes away meanwhile, or does not answer, is left out.
func (h *Hypervisor) Balloons(ctx context.Context) (map[string]ispctl.GuestMemory, error) {
	conn, err := h.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	all, err := conn.ListAllDomains(libvirt.CONNECT_LIST_DOMAINS_ACTIVE)
	if err != nil {
		return nil, fmt.Errorf("list domains: %w", text(err))
	}
	defer free(all)
	balloons := map[string]ispctl.GuestMemory{}
	var errs []error
	for i := range all {
		dom := &all[i]
		o := h.observe(dom)
		if o.err != nil {
			errs = append(errs, o.err)
		}
		if o.err != nil || !o.ours {
			continue
		}
		if g, ok := balloonOf(dom); ok {
			balloons[o.domain.UUID] = g
		}
	}
	return balloons, errors.Join(errs...)
}

// balloonOf asks QEMU, and the guest by it. MemAvailable of a guest without a
// driver for its balloon is not known.
func balloonOf(dom *libvirt.Domain) (ispctl.GuestMemory, bool) {
	stats, err := dom.MemoryStats(uint32(libvirt.DOMAIN_MEMORY_STAT_NR), 0)
	if err != nil {
		return ispctl.GuestMemory{}, false
	}
	var g ispctl.GuestMemory
	for _, s := range stats {
		size := ispctl.Size(s.Val) * ispctl.KiB
		switch libvirt.DomainMemoryStatTags(s.Tag) {
		case libvirt.DOMAIN_MEMORY_STAT_ACTUAL_BALLOON:
			g.Actual = size
		case libvirt.DOMAIN_MEMORY_STAT_USABLE:
			g.Unused = size
		}
	}
	return g, g.Actual > 0
}

// SetBalloon says what a guest that runs is to have. What it is defined with
// stays: after its next start it has all of it.
func (h *Hypervisor) SetBalloon(ctx context.Context, uuid string, memory ispctl.Size) error {
	return h.running(ctx, uuid, func(dom *libvirt.Domain) error {
		if err := dom.SetMemoryFlags(uint64(memory/ispctl.KiB), libvirt.DOMAIN_MEM_LIVE); err != nil {
			return fmt.Errorf("leave it %s: %w", memory, text(err))
		}
		return nil
	})
}

// CanBalloon reports whether memory moves between guests and this host.
func (h *Hypervisor) CanBalloon() bool {
	kind := vm.HostOf(h.inst).Type
	return kind == vm.KVM || kind == vm.QEMU
}
