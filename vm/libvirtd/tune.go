package libvirtd

import (
	"fmt"

	"libvirt.org/go/libvirt"

	"ispctl/vm"
)

// tune changes the limits of a guest that runs, and only those that differ: a
// host without the cgroup for one of them can still have the others. Shares that
// are no longer asked for stay until the guest is started next; what they were
// without us only the host knows.
func tune(dom *libvirt.Domain, c vm.Change) error {
	if active, err := dom.IsActive(); err != nil || !active {
		return unlessGone(err)
	}
	t := c.Domain.Tuning
	if c.Domain.Type == vm.Xen {
		return schedule(dom, t)
	}
	if c.TunesDisk() {
		err := dom.SetBlockIoTune(vm.DiskDev, &libvirt.DomainBlockIoTuneParameters{
			ReadIopsSecSet: true, ReadIopsSec: uint64(t.ReadIOPS), WriteIopsSecSet: true, WriteIopsSec: uint64(t.WriteIOPS),
			ReadBytesSecSet: true, ReadBytesSec: uint64(t.ReadRate), WriteBytesSecSet: true, WriteBytesSec: uint64(t.WriteRate),
		}, libvirt.DOMAIN_AFFECT_LIVE)
		if err != nil {
			return fmt.Errorf("limit disk: %w", err)
		}
	}
	if !c.TunesCPU() {
		return nil
	}
	err := dom.SetSchedulerParametersFlags(&libvirt.DomainSchedulerParameters{
		CpuSharesSet: t.CPUShares > 0, CpuShares: uint64(t.CPUShares),
		GlobalPeriodSet: true, GlobalPeriod: vm.Period, GlobalQuotaSet: true, GlobalQuota: t.Quota(),
	}, libvirt.DOMAIN_AFFECT_LIVE)
	if err != nil {
		return fmt.Errorf("limit CPU time: %w", err)
	}
	return nil
}
