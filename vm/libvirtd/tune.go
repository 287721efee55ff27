package libvirtd

import (
	"encoding/xml"
	"fmt"
	"runtime"

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
	if c.Domain.Type == vm.Xen {
		return schedule(dom, c.Domain.Tuning)
	}
	if c.TunesDisk() {
		if err := tuneDisks(dom, c.Domain.Tuning.Disk); err != nil {
			return fmt.Errorf("limit disk: %w", err)
		}
	}
	if c.TunesPin() {
		if err := pin(dom, c.Domain); err != nil {
			return fmt.Errorf("pin CPUs: %w", err)
		}
	}
	if !c.TunesCPU() {
		return nil
	}
	t := c.Domain.Tuning
	err := dom.SetSchedulerParametersFlags(&libvirt.DomainSchedulerParameters{
		CpuSharesSet: t.CPUShares > 0, CpuShares: uint64(t.CPUShares),
		GlobalPeriodSet: true, GlobalPeriod: vm.Period, GlobalQuotaSet: true, GlobalQuota: t.Quota(),
	}, libvirt.DOMAIN_AFFECT_LIVE)
	if err != nil {
		return fmt.Errorf("limit CPU time: %w", err)
	}
	return nil
}

// tuneDisks holds all disks that the guest can write to, together. Each is told:
// one that was plugged in without a limit is in no group yet.
func tuneDisks(dom *libvirt.Domain, t vm.DiskTuning) error {
	devices, err := writable(dom)
	if err != nil {
		return err
	}
	p := &libvirt.DomainBlockIoTuneParameters{
		ReadIopsSecSet: true, ReadIopsSec: uint64(t.ReadIOPS), WriteIopsSecSet: true, WriteIopsSec: uint64(t.WriteIOPS),
		ReadBytesSecSet: true, ReadBytesSec: uint64(t.ReadRate), WriteBytesSecSet: true, WriteBytesSec: uint64(t.WriteRate),
		ReadIopsSecMaxSet: true, ReadIopsSecMax: uint64(t.ReadIOPSBurst), WriteIopsSecMaxSet: true, WriteIopsSecMax: uint64(t.WriteIOPSBurst),
		ReadBytesSecMaxSet: true, ReadBytesSecMax: uint64(t.ReadBurst), WriteBytesSecMaxSet: true, WriteBytesSecMax: uint64(t.WriteBurst),
	}
	if t != (vm.DiskTuning{}) {
		p.GroupNameSet, p.GroupName = true, vm.ThrottleGroup
	}
	for _, dev := range devices {
		if err := dom.SetBlockIoTune(dev, p, libvirt.DOMAIN_AFFECT_LIVE); err != nil {
			return fmt.Errorf("%s: %w", dev, err)
		}
	}
	return nil
}

// writable are the disks of a guest that runs, but for those it can only read.
func writable(dom *libvirt.Domain) ([]string, error) {
	data, err := dom.GetXMLDesc(0)
	if err != nil {
		return nil, err
	}
	var live struct {
		Disks []struct {
			Target struct {
				Dev string `xml:"dev,attr"`
			} `xml:"target"`
			ReadOnly *struct{} `xml:"readonly"`
		} `xml:"devices>disk"`
	}
	if err := xml.Unmarshal([]byte(data), &live); err != nil {
		return nil, err
	}
	var devices []string
	for _, d := range live.Disks {
		if d.ReadOnly == nil {
			devices = append(devices, d.Target.Dev)
		}
	}
	return devices, nil
}

// pin lets the virtual CPUs run where they are to.
func pin(dom *libvirt.Domain, d vm.Domain) error {
	on := make([]bool, runtime.NumCPU())
	for _, n := range d.Tuning.CPUPin.CPUs() {
		if n < len(on) {
			on[n] = true
		}
	}
	if d.Tuning.CPUPin == "" {
		for n := range on {
			on[n] = true
		}
	}
	// What runs may have other CPUs than its definition: those of its last start.
	info, err := dom.GetInfo()
	if err != nil {
		return err
	}
	for n := range info.NrVirtCpu {
		if err := dom.PinVcpuFlags(n, on, libvirt.DOMAIN_AFFECT_LIVE); err != nil {
			return err
		}
	}
	return nil
}
