package vm

import (
	"fmt"
	"slices"
	"strings"

	"ispctl"
)

// Host is the facts of the hypervisor that domains are written for.
type Host struct {
	Type string // [KVM], [QEMU], [Xen] or [Test]
	Kind ispctl.XenKind

	Groups bool // CPU time is held by control groups of our own, not by libvirt
	CPUs   int  // that there are

	KVMGroup uint32 // that may open /dev/kvm; 0: everybody may
}

// Desired derives the domain of every guest of a model, written for a host. A
// guest that is to be stopped has a domain too.
func Desired(h Host) func(*ispctl.Model) (State, error) {
	return func(m *ispctl.Model) (State, error) {
		plans := make(map[ispctl.Name]ispctl.Plan, len(m.Plans))
		for _, p := range m.Plans {
			plans[p.Name] = p
		}
		s := State{}
		weights := h.weights(m)
		for vm := range m.Guests() {
			d, err := desired(h, m, plans, vm, weights)
			if err != nil {
				return nil, err
			}
			s[d.UUID] = d
		}
		return s, nil
	}
}

func desired(h Host, m *ispctl.Model, plans map[ispctl.Name]ispctl.Plan, vm ispctl.VM, weights map[int64]int64) (Domain, error) {
	plan, ok := plans[vm.Plan]
	if !ok {
		_, err := m.Plan(string(vm.Plan))
		return Domain{}, fmt.Errorf("vm %s: %w", vm.Name, err)
	}
	plan = vm.PlanOf(plan)
	boots := vm.Image
	if vm.Rescue != "" {
		boots = vm.Rescue
	}
	image, ok := m.ImageByDigest(boots)
	if !ok {
		return Domain{}, fmt.Errorf("vm %s: %w", vm.Name, &ispctl.Error{
			Kind: ispctl.NotFound, Object: "image " + boots, Cause: "not found",
			Next: "see: ispctl image list",
		})
	}
	d := Domain{
		Name: m.Installation.Domain(vm.Name), UUID: vm.UUID, VM: vm.Name, ID: vm.ID,
		Type: h.Type, Kind: h.Kind, CPUs: plan.CPUs, Memory: plan.Memory, Tuning: h.tuning(vm.Limits.Over(plan.Limits), weights[vm.ID]),
		Disk: m.Paths.DiskOf(vm), Seed: m.Paths.Seed(vm.UUID), SerialLog: m.Paths.SerialLog(vm.UUID),
		Data: dataDisks(h, m, vm), Order: vm.Autostart.Order, Delay: int(vm.Autostart.Delay.Seconds()),
		Running: vm.Wanted == ispctl.Running, Paused: vm.Wanted == ispctl.Running && vm.Paused, CutOff: slices.Contains(m.CutOff, string(vm.Name)),
	}
	if vm.Rescue != "" {
		d.Disk = m.Paths.Rescue(vm.UUID)
	}
	if h.Type == KVM || h.Type == QEMU {
		d.UID, d.Agent = m.Installation.GuestUID(vm.ID), true
		d.GID = d.UID
		if h.Type == KVM && h.KVMGroup != 0 {
			d.GID = h.KVMGroup
		}
		zone, err := m.Zone(string(vm.Zone))
		d.Apart = err != nil || !zone.KSM
	}
	if !image.DiskBoot {
		d.Kernel, d.Initrd, d.Cmdline = m.Paths.ImageKernel(boots), m.Paths.ImageInitrd(boots), image.Cmdline
	}
	if vm.Cloned && vm.Rescue == "" && d.Kernel != "" {
		// What is on the disk is the other VM's; systemd(1) takes this one, and
		// writes it down.
		d.Cmdline += " systemd.machine_id=" + strings.ReplaceAll(vm.UUID, "-", "")
	}
	if h.Type == Xen && vm.Limits.Over(plan.Limits).CPUGuarantee > 0 {
		return Domain{}, &ispctl.Error{
			Kind: ispctl.Conflict, Object: "vm " + string(vm.Name), Cause: "is guaranteed CPU time: dom0 does not see how many CPUs Xen has, so no weight comes to it",
			Next: "give it cpu-shares instead: ispctl plan set, ispctl qos set",
		}
	}
	if h.Type == Xen {
		if err := checkXen(d, image); err != nil {
			return Domain{}, err
		}
		d.SerialLog = "" // xenconsoled keeps it, where it is told to; libvirt does not
		d.Cmdline = xenCmdline(d.Cmdline, h.Kind)
	}
	for _, n := range vm.NICs {
		if vm.Rescue != "" && n.Role != ispctl.AdminNIC {
			continue
		}
		d.NICs = append(d.NICs, NIC{MAC: n.MAC, Tap: n.Tap})
	}
	return d, nil
}
