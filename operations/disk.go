package operations

import (
	"context"
	"errors"
	"fmt"

	"ispctl"
	"ispctl/state"
)

// DiskView is a disk of a VM, as scripts see it.
type DiskView struct {
	VM     ispctl.Name `json:"vm"`
	Name   string      `json:"name"` // "system" is the first one
	Size   int64       `json:"size_bytes"`
	Serial string      `json:"serial,omitempty"` // the guest has it as /dev/disk/by-id/virtio-SERIAL
	File   string      `json:"file,omitempty"`   // by `vm disk list` only
}

// systemDisk is what the first disk is called.
const systemDisk = "system"

func viewDisks(m *ispctl.Model, vm ispctl.VM) []DiskView {
	plan, _ := m.SizedPlan(vm)
	all := []DiskView{{VM: vm.Name, Name: systemDisk, Size: int64(plan.Disk)}}
	for _, d := range vm.Disks {
		all = append(all, DiskView{VM: vm.Name, Name: string(d.Name), Size: int64(d.Size), Serial: string(d.Name)})
	}
	return all
}

// Disks lists the disks of a VM.
func (p *Provider) Disks(ctx context.Context, name string) ([]DiskView, error) {
	m, err := p.Store.Model(ctx)
	if err != nil {
		return nil, err
	}
	vm, err := m.VM(name)
	if err != nil {
		return nil, err
	}
	all := viewDisks(m, vm)
	all[0].File = m.Paths.DiskOf(vm)
	for i, d := range vm.Disks {
		all[i+1].File = m.Paths.Data(vm.UUID, d)
	}
	return all, nil
}

// AddDisk gives a VM a data disk, at once if it runs.
func (p *Provider) AddDisk(ctx context.Context, name string, disk ispctl.Name, size ispctl.Size, ifNotExists bool, o Options) (Result, error) {
	return p.changeVM(ctx, "disk add", name, o, func(tx *state.Tx, _ *ispctl.Model, vm ispctl.VM) ([]string, error) {
		if _, err := vm.Disk(string(disk)); err == nil {
			if ifNotExists {
				return nil, nil
			}
			return nil, &ispctl.Error{
				Kind: ispctl.Conflict, Object: fmt.Sprintf("disk %q", name+"/"+string(disk)), Cause: "is there already",
				Next: "see: ispctl vm disk list " + name,
			}
		}
		_, said, err := insertDisk(tx, vm, ispctl.Disk{Name: disk, Slot: vm.FreeSlot(), Size: size})
		return said, err
	})
}

func insertDisk(tx *state.Tx, vm ispctl.VM, d ispctl.Disk) (ispctl.Disk, []string, error) {
	object := fmt.Sprintf("%s/%s", vm.Name, d.Name)
	if d.Name == systemDisk {
		return d, nil, ispctl.Conflicting("disk", object, "is what the first disk is called")
	}
	d, err := tx.InsertDisk(vm.ID, d)
	return d, []string{fmt.Sprintf("+ disk %s %s", object, d.Size)}, err
}

// RemoveDisk takes a data disk off a VM, with all that is on it.
func (p *Provider) RemoveDisk(ctx context.Context, name, disk string, ifExists bool, o Options) (Result, error) {
	return p.changeVM(ctx, "disk remove", name, o, func(tx *state.Tx, _ *ispctl.Model, vm ispctl.VM) ([]string, error) {
		d, err := vm.Disk(disk)
		if err != nil {
			return nil, missing(err, ifExists)
		}
		return []string{fmt.Sprintf("- disk %s/%s", name, disk)}, tx.DeleteDisk(d.ID)
	})
}

// ResizeDisk makes a disk of a VM larger, at once if it runs.
func (p *Provider) ResizeDisk(ctx context.Context, name, disk string, size ispctl.Size, o Options) (Result, error) {
	if disk == systemDisk {
		return p.ResizeVM(ctx, name, VMSize{Disk: &size}, o)
	}
	return p.changeVM(ctx, "disk resize", name, o, func(tx *state.Tx, _ *ispctl.Model, vm ispctl.VM) ([]string, error) {
		d, err := vm.Disk(disk)
		if err != nil {
			return nil, err
		}
		return resizeDisk(tx, vm, d, size)
	})
}

func resizeDisk(tx *state.Tx, vm ispctl.VM, d ispctl.Disk, size ispctl.Size) ([]string, error) {
	object := fmt.Sprintf("%s/%s", vm.Name, d.Name)
	switch {
	case size == d.Size:
		return nil, nil
	case size < d.Size:
		return nil, cannotShrink("disk", object, d.Size, size)
	}
	return []string{fmt.Sprintf("~ disk %s %s -> %s", object, d.Size, size)}, tx.ResizeDisk(d.ID, size)
}

// cannotShrink is the error of making a disk smaller.
func cannotShrink(kind, name string, have, want ispctl.Size) error {
	return &ispctl.Error{
		Kind: ispctl.Conflict, Object: fmt.Sprintf("%s %q", kind, name), Cause: fmt.Sprintf("its disk of %s cannot shrink to %s: what is at its end would be lost", have, want),
		Next: "make a smaller one and copy what it holds: ispctl vm disk add",
	}
}

// VMSize is what `vm resize` changes; what is nil stays. Zero: the plan's.
type VMSize struct {
	CPUs         *int
	Memory, Disk *ispctl.Size
}

// ResizeVM gives a VM sizes of its own. The disk grows at once; CPUs and memory
// are there from the next start on.
func (p *Provider) ResizeVM(ctx context.Context, name string, s VMSize, o Options) (Result, error) {
	return p.changeVM(ctx, "resize", name, o, func(tx *state.Tx, m *ispctl.Model, vm ispctl.VM) ([]string, error) {
		next := vm
		if s.CPUs != nil {
			next.CPUs = *s.CPUs
		}
		if s.Memory != nil {
			next.Memory = *s.Memory
		}
		if s.Disk != nil {
			next.DiskSize = *s.Disk
		}
		return resize(tx, m, vm, next)
	})
}

// resize changes the sizes of a VM, and its plan, and says what of it waits for a
// start.
func resize(tx *state.Tx, m *ispctl.Model, vm, next ispctl.VM) ([]string, error) {
	before, errBefore := m.SizedPlan(vm)
	after, err := m.SizedPlan(next)
	if err := errors.Join(errBefore, err); err != nil {
		return nil, err
	}
	wanted := after.Disk
	if next.DiskSize != vm.DiskSize && next.DiskSize != 0 {
		wanted = next.DiskSize // smaller than the plan's, it would be taken for nothing
	}
	if wanted < before.Disk {
		return nil, cannotShrink("vm", string(vm.Name), before.Disk, wanted)
	}
	said := changes(field{"plan", vm.Plan, next.Plan}, field{"cpus", before.CPUs, after.CPUs}, field{"memory", before.Memory, after.Memory}, field{"disk", before.Disk, after.Disk})
	if said == "" && vm.CPUs == next.CPUs && vm.Memory == next.Memory && vm.DiskSize == next.DiskSize {
		return nil, nil
	}
	lines := []string{fmt.Sprintf("~ vm %s %s", vm.Name, said)}
	if said == "" {
		lines[0] = fmt.Sprintf("~ vm %s has sizes of its own", vm.Name)
	}
	if (before.CPUs != after.CPUs || before.Memory != after.Memory) && vm.Wanted == ispctl.Running {
		lines = append(lines, restartLine(vm, after))
	}
	return lines, tx.UpdateVM(next)
}

// restartLine says that a VM goes on with what it was started with.
func restartLine(vm ispctl.VM, plan ispctl.Plan) string {
	return fmt.Sprintf("~ vm %s has cpus %d and memory %s from its next start on: ispctl vm restart %s", vm.Name, plan.CPUs, plan.Memory, vm.Name)
}
