package ispctl

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Disk is a data disk of a VM: one beside the first, which outlives what is
// done to that.
type Disk struct {
	ID   int64 // names its file; never used again, so that no disk finds another's data
	Name Name
	Slot int // which of the data disks it is to the guest, from 0
	Size Size
}

// File is the name of the disk in the VM's directory.
func (d Disk) File() string { return fmt.Sprintf("data-%d.qcow2", d.ID) }

// MaxDisks is how many data disks a VM may have, and MaxSnapshots how many
// snapshots.
const (
	MaxDisks     = 16
	MaxSnapshots = 64
)

// maxSerial is what virtio gives a guest to know a disk by, in bytes; the disk's
// name is that.
const maxSerial = 20

// Snapshot is what a VM's first disk held at a time.
type Snapshot struct {
	ID      int64 // names it inside the disk; never used again
	Name    Name
	Created time.Time
	// Lent is set for the time that somebody copies from it, without the host
	// lock; such a one is no operator's, see [VM.OwnSnapshots].
	Lent bool
}

// Tag is the name of the snapshot inside the disk.
func (s Snapshot) Tag() string { return fmt.Sprintf("%s%d", SnapshotTag, s.ID) }

// SnapshotTag begins the name of each snapshot of ours inside a disk.
const SnapshotTag = "ispctl-"

// Disk finds a data disk by name.
func (v VM) Disk(name string) (Disk, error) {
	return findIn(v, "disk", name, v.Disks, func(d Disk) Name { return d.Name })
}

// OwnSnapshots are those that an operator took.
func (v VM) OwnSnapshots() []Snapshot {
	return slices.DeleteFunc(slices.Clone(v.Snapshots), func(s Snapshot) bool { return s.Lent })
}

// Snapshot finds a snapshot that an operator took.
func (v VM) Snapshot(name string) (Snapshot, error) {
	return findIn(v, "snapshot", name, v.OwnSnapshots(), func(s Snapshot) Name { return s.Name })
}

func findIn[T any](v VM, kind, name string, all []T, nameOf func(T) Name) (T, error) {
	have := make([]Name, len(all))
	for i, one := range all {
		if have[i] = nameOf(one); string(have[i]) == name {
			return one, nil
		}
	}
	var none T
	err := NotFoundError(kind, string(v.Name)+"/"+name, have)
	if e, ok := errors.AsType[*Error](err); ok {
		e.Next = "see: ispctl vm " + kind + " list " + string(v.Name)
	}
	return none, err
}

// FreeSlot is the lowest one that no data disk has.
func (v VM) FreeSlot() int {
	for slot := 0; ; slot++ {
		if !slices.ContainsFunc(v.Disks, func(d Disk) bool { return d.Slot == slot }) {
			return slot
		}
	}
}

// PlanOf is the size of a VM as it comes to be: its plan's, with its own in the
// place of what it has of its own.
func (v VM) PlanOf(plan Plan) Plan {
	if v.CPUs != 0 {
		plan.CPUs = v.CPUs
	}
	if v.Memory != 0 {
		plan.Memory = v.Memory
	}
	plan.Disk = max(plan.Disk, v.DiskSize)
	return plan
}

// SizedPlan is the size of a VM, by the plan that it is on.
func (m *Model) SizedPlan(vm VM) (Plan, error) {
	plan, err := m.Plan(string(vm.Plan))
	return vm.PlanOf(plan), err
}

// validateDisks checks a VM's own sizes, its data disks and its snapshots.
func (v VM) validateDisks(plan Plan) error {
	name := string(v.Name)
	if err := v.PlanOf(plan).Validate(); err != nil {
		return &Error{Kind: KindOf(err), Object: object("vm", name), Cause: "with sizes of its own", Err: err}
	}
	if v.DiskSize != 0 && v.DiskSize%MiB != 0 {
		return Invalid("vm", name, "disk %s is no whole number of MiB", v.DiskSize)
	}
	if len(v.Disks) > MaxDisks {
		return Conflicting("vm", name, "cannot have more than %d data disks", MaxDisks)
	}
	if len(v.Snapshots) > MaxSnapshots {
		return Conflicting("vm", name, "cannot have more than %d snapshots; delete one: ispctl vm snapshot delete", MaxSnapshots)
	}
	for _, d := range v.Disks {
		if _, err := ParseName("disk", string(d.Name)); err != nil {
			return err
		}
		switch {
		case len(d.Name) > maxSerial:
			return Invalid("disk", string(d.Name), "is longer than %d bytes, by which a guest knows it", maxSerial)
		case d.Size < MinDataDisk || d.Size > MaxDisk:
			return Invalid("disk", name+"/"+string(d.Name), "size %s is not %s to %s", d.Size, MinDataDisk, MaxDisk)
		case d.Size%MiB != 0:
			return Invalid("disk", name+"/"+string(d.Name), "size %s is no whole number of MiB", d.Size)
		}
	}
	for _, s := range v.Snapshots {
		if _, err := ParseName("snapshot", string(s.Name)); err != nil && !s.Lent {
			return err
		}
	}
	return v.Autostart.validate(name)
}

// MinDataDisk is the smallest data disk.
const MinDataDisk = MiB

// Autostart is what becomes of a VM when its host boots.
type Autostart struct {
	Off   bool          // it stays stopped then, though it ran before
	Order int           // those with a lower one start earlier, and stop later
	Delay time.Duration // from its start to that of the next order
}

// The bounds of an autostart.
const (
	MaxOrder = 9999
	maxDelay = time.Hour
)

func (a Autostart) validate(vm string) error {
	switch {
	case a.Order < 0 || a.Order > MaxOrder:
		return Invalid("vm", vm, "autostart order %d is not 0 to %d", a.Order, MaxOrder)
	case a.Delay < 0 || a.Delay > maxDelay || a.Delay%time.Second != 0:
		return Invalid("vm", vm, "autostart delay %s is no whole number of seconds up to %s", a.Delay, maxDelay)
	}
	return nil
}

// String is the autostart in words.
func (a Autostart) String() string {
	parts := []string{"on"}
	if a.Off {
		parts[0] = "off"
	}
	if a.Order != 0 {
		parts = append(parts, fmt.Sprintf("order %d", a.Order))
	}
	if a.Delay != 0 {
		parts = append(parts, fmt.Sprintf("delay %s", a.Delay))
	}
	return strings.Join(parts, ", ")
}

// RescuedSerial is what a VM's own disk is known by in rescue.
const RescuedSerial = "rescued"

// validateRescue checks that a VM in rescue has an image to boot and a leg to be
// reached on: the wire and the zones are not for it.
func (m *Model) validateRescue(vm VM) error {
	if vm.Rescue == "" {
		return nil
	}
	image, ok := m.ImageByDigest(vm.Rescue)
	switch {
	case !ok:
		return Conflicting("vm", string(vm.Name), "the image %s that it is rescued with is gone from the store", short(vm.Rescue))
	case image.DiskBoot:
		return Conflicting("vm", string(vm.Name), "image %q boots by its disk; a rescue needs one with a kernel beside it", image.Name)
	case len(vm.AdminNICs()) == 0:
		return &Error{
			Kind: Conflict, Object: object("vm", string(vm.Name)), Cause: "is on no admin leg, which is all that a rescue is reached by",
			Next: "declare an admin network (ispctl init --admin-prefix), and look at its console: ispctl vm console " + string(vm.Name),
		}
	}
	return nil
}
