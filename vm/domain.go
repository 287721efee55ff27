package vm

import (
	"slices"

	"ispctl"
)

// State is the domains of ours by UUID.
type State map[string]Domain

// Len is the number of domains.
func (s State) Len() int { return len(s) }

// Domain is what we manage of a libvirt domain.
type Domain struct {
	Name string      // of the domain: "isp-web1"
	UUID string      // of the VM and of the domain, lower case
	VM   ispctl.Name // whose domain it is, by the mark
	ID   int64       // of the VM, by the mark; not the domain id, which libvirt chooses

	UID    uint32 // that its process runs as; 0: whatever libvirt's configuration says
	GID    uint32 // and as which group: its own, or that which may open /dev/kvm
	Type   string // of the hypervisor: [KVM], [QEMU], [Xen] or [Test]
	Kind   ispctl.XenKind
	CPUs   int
	Memory ispctl.Size // whole KiB
	Tuning Tuning
	Apart  bool // its memory is never merged with others'

	Kernel, Initrd string // paths of the files it boots; empty: the firmware boots the first disk
	Cmdline        string // of the kernel
	Disk           string // path of its first disk, qcow2; empty: none is defined
	Seed           string // path of its second disk, raw and read-only
	Data           []Disk // beside the two, by their names
	NICs           []NIC
	SerialLog      string // path of the file that what it writes to its console is appended to
	Agent          bool   // it has a port that a guest agent can answer on

	// Those with a lower order start earlier, and Delay, in seconds, before the
	// next order does.
	Order, Delay int

	Running bool // it has a process; a paused domain has one too
	Paused  bool // its processors stand still
	CutOff  bool // it is ended at once when it is to stop; only of what is wanted
}

// Tuning is what of a domain changes while it runs; zero: libvirt's own. Where
// the control groups are ours (package vm/cgroup), it says nothing of CPUs.
type Tuning struct {
	CPUShares  int64
	CPUCeiling ispctl.Percent // of one CPU
	CPUPin     ispctl.CPUSet  // that its virtual CPUs run on; empty: all
	Disk       DiskTuning
}

// DiskTuning is what all disks of a domain that it can write to are held to
// together.
type DiskTuning struct {
	ReadIOPS, WriteIOPS           int64
	ReadRate, WriteRate           ispctl.Size // bytes per second
	ReadIOPSBurst, WriteIOPSBurst int64       // at full speed after a pause; 0: a tenth of a second's worth
	ReadBurst, WriteBurst         ispctl.Size
}

// ThrottleGroup is QEMU's name of what a guest's disks are in together.
const ThrottleGroup = "disks"

// Period is how often, in microseconds, a guest's CPU time is counted anew, and
// Quota how much of it there is until then; -1: all it can get.
const Period = 100_000

// Quota is the CPU time in a period, in microseconds.
func (t Tuning) Quota() int64 {
	if t.CPUCeiling == 0 {
		return -1
	}
	return int64(t.CPUCeiling) * Period / 100
}

// NIC is one network interface of a domain.
type NIC struct {
	MAC string // aa:bb:cc:dd:ee:ff
	Tap string // that is there already, and stays when the domain goes
}

// The types of domain, as <domain type=...> has them.
const (
	KVM  = "kvm"  // hardware virtualisation
	QEMU = "qemu" // QEMU's translator, TCG: everywhere, and some ten times slower
	Xen  = "xen"  // in one of three kinds
	Test = "test" // libvirt's own test driver: nothing runs
)

// sameDefinition compares all that a definition says.
func (d Domain) sameDefinition(o Domain) bool {
	return d.Name == o.Name && d.UUID == o.UUID && d.VM == o.VM && d.ID == o.ID &&
		d.UID == o.UID && d.GID == o.GID && d.Type == o.Type && d.Kind == o.Kind && d.CPUs == o.CPUs && d.Memory == o.Memory && d.Tuning == o.Tuning && d.Apart == o.Apart &&
		d.Kernel == o.Kernel && d.Initrd == o.Initrd && d.Cmdline == o.Cmdline &&
		d.Disk == o.Disk && d.Seed == o.Seed && d.SerialLog == o.SerialLog && d.Agent == o.Agent &&
		d.Order == o.Order && d.Delay == o.Delay && slices.Equal(d.Data, o.Data) && slices.Equal(d.NICs, o.NICs)
}
