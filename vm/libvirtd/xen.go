package libvirtd

import (
	"fmt"

	"libvirt.org/go/libvirt"

	"ispctl/vm"
)

// schedule keeps a guest on Xen to its CPU time. The toolstack knows that of
// guests that run, and forgets it with them: the definition has what is wanted.
// A weight that is no longer asked for stays until the guest is started next, as
// shares do elsewhere.
func schedule(dom *libvirt.Domain, t vm.Tuning) error {
	err := dom.SetSchedulerParameters(&libvirt.DomainSchedulerParameters{ // the driver knows no flags
		CapSet: true, Cap: uint(t.CPUCeiling), WeightSet: t.Weight() > 0, Weight: t.Weight(),
	})
	if err != nil {
		return fmt.Errorf("limit CPU time: %w", err)
	}
	return nil
}

// shutdownFlags is how a guest is asked to shut down: by ACPI, or, on Xen, in
// whatever way its kind understands.
func (h *Hypervisor) shutdownFlags() libvirt.DomainShutdownFlags {
	if h.inst.Xen != "" {
		return libvirt.DOMAIN_SHUTDOWN_DEFAULT
	}
	return libvirt.DOMAIN_SHUTDOWN_ACPI_POWER_BTN
}

// undefineFlags say what goes with a definition. The driver for Xen has no
// snapshots and refuses to be asked for them.
func (h *Hypervisor) undefineFlags() libvirt.DomainUndefineFlagsValues {
	if h.inst.Xen != "" {
		return libvirt.DOMAIN_UNDEFINE_MANAGED_SAVE
	}
	return libvirt.DOMAIN_UNDEFINE_MANAGED_SAVE | libvirt.DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
}
