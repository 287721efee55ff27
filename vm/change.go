package vm

import (
	"fmt"

	"ispctl/converge"
)

// Act is what a change does to a domain.
type Act int

// The acts.
const (
	Define   Act = iota // write its persistent definition; what runs goes on as it is
	Start               // let it boot
	Stop                // ask the guest to shut down, and end it if it does not
	Remove              // end it at once, and forget its definition
	Kill                // end it at once
	Undefine            // forget its definition, to write it under another name; it must not run
	Pause               // let its processors stand still
	Resume              // and let them go on
)

// Change is one act on a domain. Domain is as wanted, or, for Remove and
// Undefine, as it was seen.
type Change struct {
	Act    Act
	Domain Domain
}

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
