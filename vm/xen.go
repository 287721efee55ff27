package vm

import (
	"os"
	"strings"

	"libvirt.org/go/libvirtxml"

	"ispctl"
)

// xenOS is what <os><type> says of each kind, and the machine that goes with it.
var xenOS = map[ispctl.XenKind]struct{ kind, machine string }{
	ispctl.XenPV:  {"linux", "xenpv"},
	ispctl.XenPVH: {"xenpvh", "xenpvh"},
	ispctl.XenHVM: {"hvm", "xenfv"},
}

// xenKinds is the way back. libvirt reads "xen" for a PV guest too, as it was
// called at first.
var xenKinds = map[string]ispctl.XenKind{"linux": ispctl.XenPV, "xen": ispctl.XenPV, "xenpvh": ispctl.XenPVH, "hvm": ispctl.XenHVM}

// xenDisks are the names of the two disks. The BIOS of an emulated machine sees
// no others than IDE; a guest's own drivers take them over as xvda and xvdb.
var xenDisks = map[ispctl.XenKind][2]string{
	ispctl.XenPV: {"xvda", "xvdb"}, ispctl.XenPVH: {"xvda", "xvdb"}, ispctl.XenHVM: {"hda", "hdb"},
}

// forXen changes a document for QEMU into one for libxl: no virtio, no second
// name of the console, no user for a process that there is not, and no
// <emulator>, which is the driver's to know.
func forXen(doc *libvirtxml.Domain, kind ispctl.XenKind) {
	doc.OS.Type = &libvirtxml.DomainOSType{Arch: "x86_64", Type: xenOS[kind].kind, Machine: xenOS[kind].machine}
	if kind == ispctl.XenPV {
		doc.Features = nil // of a machine that it does not have
	}
	doc.Devices.Controllers, doc.Devices.RNGs = nil, nil
	doc.Devices.MemBalloon = &libvirtxml.DomainMemBalloon{Model: "xen"}
	bus := "xen"
	if kind == ispctl.XenHVM {
		bus = "ide"
	}
	for i := range doc.Devices.Disks {
		disk := &doc.Devices.Disks[i]
		if i < len(xenDisks[kind]) { // data disks are named as the drivers do
			disk.Target = &libvirtxml.DomainDiskTarget{Dev: xenDisks[kind][i], Bus: bus}
		}
		disk.Driver.Discard = "" // the driver does not pass it on
		if disk.ReadOnly != nil {
			// QEMU's backend opens any other for writing, and fails (seen with 7.2).
			disk.Device = "cdrom"
		}
	}
	for i := range doc.Devices.Interfaces {
		nic := &doc.Devices.Interfaces[i]
		// netback makes the interface when the guest starts, and gives it this
		// name: there is no tap before.
		nic.Target = &libvirtxml.DomainInterfaceTarget{Dev: nic.Target.Dev}
		nic.Script = &libvirtxml.DomainInterfaceScript{Path: XenScript}
		nic.Model = &libvirtxml.DomainInterfaceModel{Type: "netfront"}
	}
	// Started again by the toolstack it would be one whose vifs nobody has made
	// ports of anything: the next pass starts it, as it starts any other.
	doc.OnReboot, doc.OnCrash = "destroy", "destroy"
	port := uint(0)
	for i := range doc.Devices.Serials {
		doc.Devices.Serials[i].Log = nil
	}
	for i := range doc.Devices.Consoles {
		doc.Devices.Consoles[i].Log = nil
	}
	if kind != ispctl.XenHVM {
		doc.Devices.Serials = nil
		doc.Devices.Consoles = []libvirtxml.DomainConsole{{
			Source: &libvirtxml.DomainChardevSource{Pty: &libvirtxml.DomainChardevSourcePty{}},
			Target: &libvirtxml.DomainConsoleTarget{Type: "xen", Port: &port},
		}}
	}
}

// checkXen refuses what Xen would leave out without a word, or not boot.
func checkXen(d Domain, image ispctl.Image) error {
	switch {
	case d.Tuning.CPUPin != "":
		return &ispctl.Error{
			Kind: ispctl.Conflict, Object: "vm " + string(d.VM), Cause: "is pinned to CPUs, which nobody has tried on Xen",
			Next: "lift it: ispctl plan set, ispctl qos set",
		}
	case d.Tuning.Disk != (DiskTuning{}):
		return &ispctl.Error{
			Kind: ispctl.Conflict, Object: "vm " + string(d.VM), Cause: "has limits of its disk, which nobody keeps a guest to on Xen",
			Next: "lift them: ispctl plan set, ispctl qos set",
		}
	case d.Memory < MinXenMemory:
		return ispctl.Conflicting("vm", string(d.VM), "has %s of memory by its plan, and no guest's kernel gets along with less than %s on Xen", d.Memory, MinXenMemory)
	case image.DiskBoot && d.Kind != ispctl.XenHVM:
		return ispctl.Conflicting("vm", string(d.VM), "boots by its disk, which takes a guest of kind %s on Xen, not %s", ispctl.XenHVM, d.Kind)
	}
	return nil
}

// MinXenMemory is what the kernel of a guest needs to come up on Xen.
const MinXenMemory = 128 * ispctl.MiB

// XenScript is what the toolstack runs when a vif comes: see
// [InstallXenScript].
const XenScript = "/etc/xen/scripts/vif-ispctl"

// Weight is the share of CPU time as Xen's scheduler counts it, with 256 where
// ours have 100; 0: its own.
func (t Tuning) Weight() uint {
	if t.CPUShares == 0 {
		return 0
	}
	return uint(min(max(t.CPUShares*256/100, 1), 65535))
}

// xenCmdline names disks and console as a guest on Xen sees them.
func xenCmdline(line string, kind ispctl.XenKind) string {
	words := strings.Split(line, " ")
	for i, word := range words {
		switch {
		case word == "root=/dev/"+diskDev:
			words[i] = "root=/dev/xvda"
		case strings.HasPrefix(word, "console=ttyS0") && kind != ispctl.XenHVM:
			words[i] = "console=hvc0"
		}
	}
	return strings.Join(words, " ")
}

// XenHere reports whether this host is the one that manages guests on Xen
// (dom0).
func XenHere() bool { return xenHere("/proc/xen/capabilities") }

func xenHere(capabilities string) bool {
	text, err := os.ReadFile(capabilities)
	return err == nil && strings.Contains(string(text), "control_d")
}
