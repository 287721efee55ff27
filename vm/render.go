package vm

import (
	"fmt"

	"libvirt.org/go/libvirtxml"

	"ispctl"
)

// Render writes the XML that defines a domain, with the mark of an installation
// (its prefix) in it. A domain that XML cannot say, such as one with a NUL in
// the kernel's command line, is an error here: once defined it would read as
// another one, and be defined anew in every pass.
func Render(d Domain, installation string) (string, error) {
	m, err := encodeMark(d, installation)
	if err != nil {
		return "", err
	}
	doc := document(d, m)
	if d.Type == Xen {
		forXen(doc, d.Kind)
	}
	text, err := doc.Marshal()
	if err != nil {
		return "", fmt.Errorf("write domain XML: %w", err)
	}
	back, ours, err := Decode([]byte(text), installation)
	if err != nil {
		return "", err
	}
	if !ours || !back.sameDefinition(d) {
		return "", ispctl.Invalid("domain", d.Name, "cannot be written as XML: it would read as %+v", back)
	}
	return text + "\n", nil
}

func document(d Domain, mark string) *libvirtxml.Domain {
	doc := &libvirtxml.Domain{
		Type: d.Type, Name: d.Name, UUID: d.UUID,
		Metadata: &libvirtxml.DomainMetadata{XML: mark},
		Memory:   &libvirtxml.DomainMemory{Value: uint(d.Memory / ispctl.KiB), Unit: "KiB"},
		VCPU:     &libvirtxml.DomainVCPU{Value: uint(d.CPUs), CPUSet: string(d.Tuning.CPUPin)},
		OS:       boot(d),
		// Without ACPI a guest hears nothing of an orderly shutdown.
		Features: &libvirtxml.DomainFeatureList{
			ACPI: &libvirtxml.DomainFeature{}, APIC: &libvirtxml.DomainFeatureAPIC{},
		},
		CPU:        cpus[d.Type],
		Clock:      &libvirtxml.DomainClock{Offset: "utc"},
		OnPoweroff: "destroy", OnReboot: "restart", OnCrash: "restart",
		Devices: &libvirtxml.DomainDeviceList{
			Disks:    disks(d),
			Serials:  []libvirtxml.DomainSerial{serial(d)},
			Consoles: []libvirtxml.DomainConsole{console(d)},
			// libvirt gives every guest a USB controller unless told not to.
			Controllers: []libvirtxml.DomainController{{Type: "usb", Model: "none"}},
			// For changes of memory to a running guest. What the guest says of
			// its memory, it says as often as this.
			MemBalloon: &libvirtxml.DomainMemBalloon{Model: "virtio", Stats: &libvirtxml.DomainMemBalloonStats{Period: statsPeriod}},
			// A guest that has just been made has nothing else to draw its
			// SSH host keys from.
			RNGs: []libvirtxml.DomainRNG{{
				Model:   "virtio",
				Backend: &libvirtxml.DomainRNGBackend{Random: &libvirtxml.DomainRNGBackendRandom{Device: "/dev/urandom"}},
			}},
		},
	}
	if d.Agent {
		doc.Devices.Channels = []libvirtxml.DomainChannel{agent()}
	}
	if d.Apart {
		// Whoever turns KSM on on this host: QEMU lets its memory be merged
		// unless told not to.
		doc.MemoryBacking = &libvirtxml.DomainMemoryBacking{MemoryNosharepages: &libvirtxml.DomainMemoryNosharepages{}}
	}
	if d.UID != 0 {
		doc.SecLabel = []libvirtxml.DomainSecLabel{user(d.UID, d.GID)}
	}
	if t := d.Tuning; t.CPUShares != 0 || t.CPUCeiling != 0 {
		doc.CPUTune = &libvirtxml.DomainCPUTune{}
		if t.CPUShares != 0 {
			doc.CPUTune.Shares = &libvirtxml.DomainCPUTuneShares{Value: uint(t.CPUShares)}
		}
		if t.CPUCeiling != 0 {
			doc.CPUTune.GlobalPeriod = &libvirtxml.DomainCPUTunePeriod{Value: Period}
			doc.CPUTune.GlobalQuota = &libvirtxml.DomainCPUTuneQuota{Value: t.Quota()}
		}
	}
	for _, disk := range d.Data {
		doc.Devices.Disks = append(doc.Devices.Disks, disk.document(d.Tuning))
	}
	if d.Type == KVM || d.Type == QEMU {
		doc.Devices.Controllers = append(doc.Devices.Controllers, ports(d)...)
	}
	for _, n := range d.NICs {
		doc.Devices.Interfaces = append(doc.Devices.Interfaces, nic(n))
	}
	return doc
}

// user gives the process a user of its own, so that one that a guest has broken
// into owns no other guest's disk. The files are made with that owner: libvirt
// is not to change owners, since it counts who uses a shared file, in marks that
// a kill -9 leaves wrong.
//
// Where a group may open /dev/kvm and others not, it is in that one: it owns
// nothing else.
func user(uid, gid uint32) libvirtxml.DomainSecLabel {
	return libvirtxml.DomainSecLabel{Type: "static", Model: dac, Relabel: "no", Label: fmt.Sprintf("+%d:+%d", uid, gid)}
}

// dac is libvirt's name of users, groups and modes.
const dac = "dac"

// boot loads the kernel directly, which skips firmware and boot loader, or lets
// SeaBIOS run what is in the first sector of the first disk, and of no other: the
// seed is a disk too.
func boot(d Domain) *libvirtxml.DomainOS {
	doc := &libvirtxml.DomainOS{
		Type:   &libvirtxml.DomainOSType{Arch: "x86_64", Machine: machine, Type: "hvm"},
		Kernel: d.Kernel, Initrd: d.Initrd, Cmdline: d.Cmdline,
	}
	if d.Kernel == "" {
		doc.BootDevices = []libvirtxml.DomainBootDevice{{Dev: "hd"}}
	}
	return doc
}

// statsPeriod is in seconds.
const statsPeriod = 5

// machine is never microvm: under TCG that one hung in every other boot.
const machine = "q35"

// cpus is the processor a guest sees: the host's own, or all that TCG can do.
// Guests do not migrate, so nothing is gained by a smaller common one.
var cpus = map[string]*libvirtxml.DomainCPU{
	KVM:  {Mode: "host-passthrough"},
	QEMU: {Mode: "maximum"}, // -cpu max
}

// disks are written through the host's page cache. The guest's flushes reach
// the disk all the same, so a crash loses nothing that was promised; the image
// below many overlays is cached once; and O_DIRECT, which cache=none needs, is
// not to be had on every file system. Discards punch holes: what a guest
// deletes becomes free on the host.
func disks(d Domain) []libvirtxml.DomainDisk {
	return []libvirtxml.DomainDisk{
		{
			Device: "disk",
			Driver: &libvirtxml.DomainDiskDriver{Name: "qemu", Type: "qcow2", Cache: "writeback", Discard: "unmap"},
			Source: fileSource(d.Disk),
			Target: &libvirtxml.DomainDiskTarget{Dev: diskDev, Bus: "virtio"},
			IOTune: ioTune(d.Tuning),
		},
		{
			Device:   "disk", // there are no virtio CD-ROMs
			Driver:   &libvirtxml.DomainDiskDriver{Name: "qemu", Type: "raw"},
			Source:   fileSource(d.Seed),
			Target:   &libvirtxml.DomainDiskTarget{Dev: seedDev, Bus: "virtio"},
			ReadOnly: &libvirtxml.DomainDiskReadOnly{},
		},
	}
}

// The names of the disks, by which they are known again.
const (
	diskDev = "vda"
	seedDev = "vdb"
)

// ioTune is what QEMU itself holds the disks to, all of a guest's that have it
// together: no cgroup sees what is read from the host's page cache.
func ioTune(t Tuning) *libvirtxml.DomainDiskIOTune {
	d := t.Disk
	if d == (DiskTuning{}) {
		return nil
	}
	return &libvirtxml.DomainDiskIOTune{
		ReadIopsSec: uint64(d.ReadIOPS), WriteIopsSec: uint64(d.WriteIOPS), ReadBytesSec: uint64(d.ReadRate), WriteBytesSec: uint64(d.WriteRate),
		ReadIopsSecMax: uint64(d.ReadIOPSBurst), WriteIopsSecMax: uint64(d.WriteIOPSBurst), ReadBytesSecMax: uint64(d.ReadBurst), WriteBytesSecMax: uint64(d.WriteBurst),
		GroupName: ThrottleGroup,
	}
}

func fileSource(path string) *libvirtxml.DomainDiskSource {
	return &libvirtxml.DomainDiskSource{File: &libvirtxml.DomainDiskSourceFile{File: path}}
}

// nic plugs into a tap that is there already (managed='no'): libvirt neither
// makes it, nor puts it on a bridge, nor removes it.
func nic(n NIC) libvirtxml.DomainInterface {
	return libvirtxml.DomainInterface{
		MAC:    &libvirtxml.DomainInterfaceMAC{Address: n.MAC},
		Source: &libvirtxml.DomainInterfaceSource{Ethernet: &libvirtxml.DomainInterfaceSourceEthernet{}},
		Target: &libvirtxml.DomainInterfaceTarget{Dev: n.Tap, Managed: "no"},
		Model:  &libvirtxml.DomainInterfaceModel{Type: "virtio"},
	}
}

// agentPort is the name that a guest agent looks for its port by.
const agentPort = "org.qemu.guest_agent.0"

// agent is the port of a guest agent. A guest without one has a port that nobody
// opens. Where the socket is, libvirt decides.
func agent() libvirtxml.DomainChannel {
	return libvirtxml.DomainChannel{
		Source: &libvirtxml.DomainChardevSource{UNIX: &libvirtxml.DomainChardevSourceUNIX{Mode: "bind"}},
		Target: &libvirtxml.DomainChannelTarget{VirtIO: &libvirtxml.DomainChannelTargetVirtIO{Name: agentPort}},
	}
}

func serial(d Domain) libvirtxml.DomainSerial {
	port := uint(0)
	return libvirtxml.DomainSerial{
		Source: &libvirtxml.DomainChardevSource{Pty: &libvirtxml.DomainChardevSourcePty{}},
		Target: &libvirtxml.DomainSerialTarget{Port: &port},
		Log:    &libvirtxml.DomainChardevLog{File: d.SerialLog, Append: "on"},
	}
}

// console is the serial port again: libvirt knows one device by two names.
func console(d Domain) libvirtxml.DomainConsole {
	port := uint(0)
	return libvirtxml.DomainConsole{
		Source: &libvirtxml.DomainChardevSource{Pty: &libvirtxml.DomainChardevSourcePty{}},
		Target: &libvirtxml.DomainConsoleTarget{Type: "serial", Port: &port},
		Log:    &libvirtxml.DomainChardevLog{File: d.SerialLog, Append: "on"},
	}
}
