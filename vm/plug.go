package vm

import (
	"fmt"
	"slices"

	"libvirt.org/go/libvirtxml"

	"ispctl"
)

// Disk is a disk of a domain beside the first and the seed.
type Disk struct {
	File   string // path, qcow2
	Dev    string // what libvirt calls it; the guest may call it otherwise
	Serial string // by which the guest knows it: /dev/disk/by-id/virtio-SERIAL
}

// firstData is the name of the first disk after the seed.
const firstData = 'c'

// dataDisks are the disks of a VM beside the first: in rescue, its own first one
// as well.
func dataDisks(h Host, m *ispctl.Model, vm ispctl.VM) []Disk {
	prefix, disks := "vd", slices.Clone(vm.Disks)
	if h.Type == Xen {
		prefix = "xvd"
	}
	slices.SortFunc(disks, func(a, b ispctl.Disk) int { return a.Slot - b.Slot })
	var all []Disk
	add := func(slot int, file, serial string) {
		if h.Type == Xen {
			serial = "" // blkback does not pass it on
		}
		all = append(all, Disk{File: file, Dev: prefix + string(rune(firstData+slot)), Serial: serial})
	}
	first := 0
	if vm.Rescue != "" {
		add(0, m.Paths.DiskOf(vm), ispctl.RescuedSerial)
		first = 1
	}
	for _, d := range disks {
		add(first+d.Slot, m.Paths.Data(vm.UUID, d), string(d.Name))
	}
	return all
}

// document is the disk as libvirt has it. It shares the limits of the first.
func (d Disk) document(t Tuning) libvirtxml.DomainDisk {
	bus := "virtio"
	if d.Dev[0] == 'x' {
		bus = "xen"
	}
	return libvirtxml.DomainDisk{
		Device: "disk",
		Driver: &libvirtxml.DomainDiskDriver{Name: "qemu", Type: "qcow2", Cache: "writeback", Discard: "unmap"},
		Source: fileSource(d.File),
		Target: &libvirtxml.DomainDiskTarget{Dev: d.Dev, Bus: bus},
		Serial: d.Serial,
		IOTune: ioTune(t),
	}
}

// DeviceXML is the device that a change plugs or unplugs, as libvirt reads it.
func (c Change) DeviceXML() (string, error) {
	if c.Act == PlugNIC || c.Act == UnplugNIC {
		device := nic(c.NIC)
		return device.Marshal()
	}
	device := c.Disk.document(c.Domain.Tuning)
	return device.Marshal()
}

// spare is how many ports nothing is in when a guest starts: what can be plugged
// in until it is started next. On a q35 each device is in a port of its own, and
// none can be made while the guest runs.
const spare = 4

// ports are those of a domain's devices, and the spare ones. libvirt takes the
// first ones for the devices, and would make no more than these need.
func ports(d Domain) []libvirtxml.DomainController {
	// Beside disks and interfaces: the balloon, the source of random numbers, and
	// a port's worth of whatever comes to it.
	const others = 3
	index := uint(0)
	all := []libvirtxml.DomainController{{Type: "pci", Index: &index, Model: "pcie-root"}}
	for range 2 + len(d.Data) + len(d.NICs) + others + spare {
		all = append(all, libvirtxml.DomainController{Type: "pci", Model: "pcie-root-port"})
	}
	return all
}

// plugs lists what makes the devices of a guest that runs those wanted. They come
// before the definition, since what that says already is not looked for in the
// guest.
func plugs(w, h Domain) (changes []Change) {
	if w.Type != KVM && w.Type != QEMU {
		return nil // from its next start on
	}
	for _, d := range h.Data {
		if !slices.Contains(w.Data, d) {
			changes = append(changes, Change{Act: UnplugDisk, Domain: w, Disk: d})
		}
	}
	for _, d := range w.Data {
		if !slices.Contains(h.Data, d) {
			changes = append(changes, Change{Act: PlugDisk, Domain: w, Disk: d})
		}
	}
	for _, n := range h.NICs {
		if !slices.Contains(w.NICs, n) {
			changes = append(changes, Change{Act: UnplugNIC, Domain: w, NIC: n})
		}
	}
	for _, n := range w.NICs {
		if !slices.Contains(h.NICs, n) {
			changes = append(changes, Change{Act: PlugNIC, Domain: w, NIC: n})
		}
	}
	return changes
}

func (c Change) plugText() string {
	name, d, n := c.Domain.Name, c.Disk, c.NIC
	switch c.Act {
	case PlugDisk:
		return fmt.Sprintf("virsh attach-disk %s %s %s --driver qemu --subdriver qcow2 --cache writeback --serial %s --live", name, d.File, d.Dev, d.Serial)
	case UnplugDisk:
		return fmt.Sprintf("virsh detach-disk %s %s --live", name, d.Dev)
	case PlugNIC:
		return fmt.Sprintf("virsh attach-interface %s ethernet --target %s --managed no --mac %s --model virtio --live", name, n.Tap, n.MAC)
	}
	return fmt.Sprintf("virsh detach-interface %s ethernet --mac %s --live", name, n.MAC)
}
