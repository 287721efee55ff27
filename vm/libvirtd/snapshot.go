package libvirtd

import (
	"context"
	"fmt"

	"libvirt.org/go/libvirt"

	"ispctl"
)

// Snapshot has the process of a guest take a snapshot of a disk that it has open:
// between two of the guest's writes, as a power cut would find it. It reports
// false if the guest has no process.
func (h *Hypervisor) Snapshot(ctx context.Context, uuid, disk, name string) (bool, error) {
	return h.snapshot(ctx, uuid, disk, name, "blockdev-snapshot-internal-sync")
}

// Unsnapshot has it drop one.
func (h *Hypervisor) Unsnapshot(ctx context.Context, uuid, disk, name string) (bool, error) {
	return h.snapshot(ctx, uuid, disk, name, "blockdev-snapshot-delete-internal-sync")
}

func (h *Hypervisor) snapshot(ctx context.Context, uuid, disk, name, command string) (done bool, err error) {
	err = h.running(ctx, uuid, func(dom *libvirt.Domain) error {
		blocks, err := queryBlock(dom)
		if err != nil {
			return err
		}
		for _, b := range blocks {
			if b.Inserted.File == disk {
				done = true
				return qmp(dom, command, map[string]any{"device": b.Inserted.Node, "name": name}, nil)
			}
		}
		return nil // it runs, and on another disk: this one is free
	})
	if ispctl.KindOf(err) == ispctl.NotFound {
		return false, nil
	}
	if err != nil {
		return done, fmt.Errorf("snapshot %s of %s: %w", name, disk, err)
	}
	return done, nil
}

// End ends a guest at once, if it runs.
func (h *Hypervisor) End(ctx context.Context, uuid string) error {
	err := h.running(ctx, uuid, func(dom *libvirt.Domain) error { return text(destroy(dom)) })
	if ispctl.KindOf(err) == ispctl.NotFound {
		return nil
	}
	return err
}
