package operations

import (
	"fmt"
	"slices"

	"ispctl"
	"ispctl/operations/document"
)

// parts gives a VM the sizes, data disks, NICs and autostart that the document
// mentions. What the document does not list stays: apply takes no disk and no
// NIC away, for what is on them would go with them.
func (a *applier) parts(mk *maker, want document.VM, vm ispctl.VM) error {
	next := vm
	next.Plan = ispctl.Name(want.Plan)
	sizes(want.VMParts, &next.CPUs, &next.Memory, &next.DiskSize)
	said, err := resize(a.tx, mk.model, vm, next)
	if err != nil {
		return err
	}
	a.said = append(a.said, said...)
	if want.Autostart != nil && *want.Autostart != vm.Autostart {
		next.Autostart = *want.Autostart
		a.say("~ vm %s %s", vm.Name, changes(field{"autostart", vm.Autostart, next.Autostart}))
		if err := a.tx.UpdateVM(next); err != nil {
			return err
		}
	}
	for _, d := range want.Disks {
		if err := a.disk(&next, d); err != nil {
			return a.doc.At(d.At, err)
		}
	}
	for _, nic := range want.NICs {
		if err := a.nic(mk, &next, nic); err != nil {
			return a.doc.At(nic.At, err)
		}
	}
	return nil
}

// sizes changes those that the document mentions.
func sizes(want document.VMParts, cpus *int, memory, disk *ispctl.Size) {
	if want.CPUs != nil {
		*cpus = *want.CPUs
	}
	if want.Memory != nil {
		*memory = *want.Memory
	}
	if want.DiskSize != nil {
		*disk = *want.DiskSize
	}
}

// giveParts makes a VM with them from the start.
func giveParts(spec *VMSpec, want document.VMParts) {
	sizes(want, &spec.CPUs, &spec.Memory, &spec.DiskSize)
	if want.Autostart != nil {
		spec.Autostart = *want.Autostart
	}
}

func (a *applier) disk(vm *ispctl.VM, want document.Disk) error {
	if have, err := vm.Disk(string(want.Name)); err == nil {
		said, err := resizeDisk(a.tx, *vm, have, want.Size)
		a.said = append(a.said, said...)
		return err
	}
	disk, said, err := insertDisk(a.tx, *vm, ispctl.Disk{Name: want.Name, Slot: vm.FreeSlot(), Size: want.Size})
	a.said = append(a.said, said...)
	vm.Disks = append(vm.Disks, disk)
	return err
}

func (a *applier) nic(mk *maker, vm *ispctl.VM, want document.NIC) error {
	i := slices.IndexFunc(vm.NICs, func(n ispctl.NIC) bool { return n.Role == ispctl.ZoneNIC && n.Zone == want.Zone })
	var have ispctl.NIC
	if i < 0 {
		zone, err := mk.model.Zone(string(want.Zone))
		if err != nil {
			return err
		}
		if have, err = mk.zoneNIC(*vm, zone, NICSpec{Address: want.Address, Address6: want.Address6}); err != nil {
			return err
		}
		vm.NICs = append(vm.NICs, have)
		a.say("%s", nicLine(*vm, have))
	} else {
		have = vm.NICs[i]
		switch {
		case have.Index == vm.ZoneNICs()[0].Index:
			return ispctl.Conflicting("vm", string(vm.Name), "zone %q is the one that it was made in; nics are those beside that", want.Zone)
		case want.Address.IsValid() && want.Address != have.Addr:
			return fixedOf(vm.Name, fmt.Sprintf("address of nic %d", have.Index), have.Addr, want.Address)
		case want.Address6.IsValid() && want.Address6 != have.Addr6:
			return fixedOf(vm.Name, fmt.Sprintf("address6 of nic %d", have.Index), addrOrNone(have.Addr6), want.Address6)
		}
	}
	next := have
	if want.Allow != nil {
		next.Allow = *want.Allow
	}
	if want.Tags != nil {
		next.Tags = *want.Tags
	}
	said, err := putNIC(a.tx, *vm, have, next)
	a.said = append(a.said, said...)
	return err
}

// fixedOf is the error of changing what a VM was made with for its life.
func fixedOf(vm ispctl.Name, what string, is, asked any) error {
	return &ispctl.Error{
		Kind: ispctl.Conflict, Object: fmt.Sprintf("vm %q", vm), Cause: fmt.Sprintf("%s is %v and cannot become %v", what, is, asked),
		Next: "destroy it and apply again: ispctl vm destroy " + string(vm),
	}
}
