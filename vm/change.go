package vm

import (
	"fmt"
	"strings"

	"ispctl/converge"
)

// Act is what a change does to a domain.
type Act int

// The acts.
const (
	Define     Act = iota // write its persistent definition; what runs goes on as it is
	Start                 // let it boot
	Stop                  // ask the guest to shut down, and end it if it does not
	Remove                // end it at once, and forget its definition
	Kill                  // end it at once
	Undefine              // forget its definition, to write it under another name; it must not run
	Pause                 // let its processors stand still
	Resume                // and let them go on
	Tune                  // change its limits while it runs
	PlugDisk              // give it a disk while it runs
	UnplugDisk            // ask it to let go of one
	PlugNIC               // and the same of interfaces
	UnplugNIC
)

// Change is one act on a domain. Domain is as wanted, or, for Remove and
// Undefine, as it was seen.
type Change struct {
	Act    Act
	Domain Domain
	Was    Tuning // of Tune: what it was seen to have
	Disk   Disk   // of PlugDisk and UnplugDisk
	NIC    NIC    // of PlugNIC and UnplugNIC
}

// Plugs reports whether the change is of a device of a guest that runs.
func (c Change) Plugs() bool { return c.Act >= PlugDisk && c.Act <= UnplugNIC }

// Kind is Prune for what is left over and Ensure for all else.
func (c Change) Kind() converge.Kind {
	if c.Act == Remove {
		return converge.Prune
	}
	return converge.Ensure
}

// String is the virsh(1) command that does the same.
func (c Change) String() string {
	name := c.Domain.Name
	switch {
	case c.Act == Define:
		return fmt.Sprintf("virsh define --validate %s.xml", name)
	case c.Act == Start:
		return "virsh start " + name
	case c.Act == Tune:
		return c.tuneText()
	case c.Plugs():
		return c.plugText()
	case c.Act == Stop:
		return "virsh shutdown " + name
	case c.Act == Kill:
		return "virsh destroy " + name
	case c.Act == Undefine:
		return undefine + name
	case c.Act == Pause:
		return "virsh suspend " + name
	case c.Act == Resume:
		return "virsh resume " + name
	case c.Act == Remove && c.Domain.Running:
		return "virsh destroy " + name + " && " + undefine + name
	case c.Act == Remove:
		return undefine + name
	}
	return fmt.Sprintf("unknown change %d to %s", c.Act, name)
}

// undefine takes along what would make libvirt refuse: it keeps a definition
// for as long as anything hangs on it.
const undefine = "virsh undefine --managed-save --snapshots-metadata "

// Object is the VM, as errors and the journal name it.
func (d Domain) Object() string { return "vm " + string(d.VM) }

// Object is the guest that the change serves: a fault of its disk or tap keeps
// it from being started, see [converge.Owned].
func (c Change) Object() string { return c.Domain.Object() }

// TunesDisk is about the rates of its disks.
func (c Change) TunesDisk() bool { return c.Domain.Tuning.Disk != c.Was.Disk }

// TunesPin is about the CPUs it may run on.
func (c Change) TunesPin() bool { return c.Domain.Tuning.CPUPin != c.Was.CPUPin }

// TunesCPU is about CPU time.
func (c Change) TunesCPU() bool {
	return c.Domain.Tuning.CPUShares != c.Was.CPUShares || c.Domain.Tuning.CPUCeiling != c.Was.CPUCeiling
}

func (c Change) tuneText() string {
	name, t := c.Domain.Name, c.Domain.Tuning
	var parts []string
	if c.Domain.Type == Xen {
		text := fmt.Sprintf("virsh schedinfo %s --live cap=%d", name, t.CPUCeiling)
		if w := t.Weight(); w > 0 {
			text += fmt.Sprintf(" weight=%d", w)
		}
		return text
	}
	if c.TunesCPU() {
		text := fmt.Sprintf("virsh schedinfo %s --live global_period=%d global_quota=%d", name, Period, t.Quota())
		if t.CPUShares > 0 {
			text += fmt.Sprintf(" cpu_shares=%d", t.CPUShares)
		}
		parts = append(parts, text)
	}
	if c.TunesPin() {
		set := string(t.CPUPin)
		if set == "" {
			set = "r" // as virsh has it: all
		}
		for cpu := range c.Domain.CPUs {
			parts = append(parts, fmt.Sprintf("virsh vcpupin %s %d %s --live", name, cpu, set))
		}
	}
	if c.TunesDisk() {
		d := t.Disk
		text := fmt.Sprintf("virsh blkdeviotune %s %s --live --group-name %s --read-iops-sec %d --write-iops-sec %d --read-bytes-sec %d --write-bytes-sec %d",
			name, diskDev, ThrottleGroup, d.ReadIOPS, d.WriteIOPS, int64(d.ReadRate), int64(d.WriteRate))
		for _, one := range []struct {
			flag string
			n    int64
		}{
			{"read-iops", d.ReadIOPSBurst}, {"write-iops", d.WriteIOPSBurst}, {"read-bytes", int64(d.ReadBurst)}, {"write-bytes", int64(d.WriteBurst)},
		} {
			if one.n > 0 {
				text += fmt.Sprintf(" --%s-sec-max %d", one.flag, one.n)
			}
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, " && ")
}

// DiskDev is the name of a domain's first disk.
const DiskDev = diskDev
