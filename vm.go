package ispctl

import (
	"fmt"
	"net/netip"
	"time"
)

// Wanted is the run state that the operator asked for.
type Wanted string

// What can be asked for. Absent means: being destroyed, until every layer has
// let go of it.
const (
	Running Wanted = "running"
	Stopped Wanted = "stopped"
	Absent  Wanted = "absent"
)

// VM is a guest. Everything that was chosen for it when it was created is
// here; nothing that the kernel or the hypervisor chooses is.
type VM struct {
	ID       int64  // never used again
	UUID     string // RFC 9562, lower case
	Name     Name
	Zone     Name
	Plan     Name
	Template Name
	Image    string // digest of the image it was made from
	Tenant   Name   // whose it is; empty: the operator's own
	SSHKeys  []string
	HostKey  string // public, of its SSH server, as `ssh-ed25519 BASE64`; empty: the guest made its own
	NICs     []NIC
	Limits   Limits // its own, in place of the plan's; see [Model.LimitsOf]
	Root     RootHolder
	// Its own sizes, in place of the plan's; zero: the plan's. See [VM.PlanOf].
	CPUs             int
	Memory, DiskSize Size

	Disks     []Disk     // data disks, by slot
	Snapshots []Snapshot // of its first disk, by age
	Autostart Autostart
	// Rescue: it boots another system, with its own disk beside that. See
	// [VM.RescueName].
	Rescue string // digest of the image it boots; empty: its own

	Wanted Wanted
	Paused bool // running, with its processors standing still
	// Generation is how often its disk was made anew (`vm rebuild`). It makes the
	// guest take itself for a new machine.
	Generation int
	// Number names its first disk. It is another each time that the disk is made
	// anew or put back to a snapshot: Restored is that one's tag, and Built the
	// number that the disk had when it was made.
	Number, Built int
	Restored      string
	Cloned        bool // its disk was another VM's, with that one's machine-id
	Created       time.Time
	Applied       bool
}

// DiskName is the name of its first disk in the VM's directory.
func (v VM) DiskName() string { return DiskFile(v.Number) }

// DiskFile is the name of a first disk.
func DiskFile(number int) string {
	if number == 0 {
		return "disk.qcow2"
	}
	return fmt.Sprintf("disk-%d.qcow2", number)
}

// RescueName is the name of the disk that a VM boots in rescue.
const RescueName = "rescue.qcow2"

// InstanceID is what the guest knows itself by: at another one it sets itself up
// as at its first boot.
func (v VM) InstanceID() string {
	if v.Generation == 0 {
		return v.UUID
	}
	return fmt.Sprintf("%s-%d", v.UUID, v.Generation)
}

// NIC is one network interface of a VM, and the tap that is its other end.
type NIC struct {
	Index int
	Role  NICRole
	Zone  Name   // whose bridge, or leg, the tap is a port of
	MAC   string // aa:bb:cc:dd:ee:ff; locally administered, unless the provider issued it
	Tap   string
	Addr  netip.Addr  // IPv4
	Addr6 netip.Addr  // invalid: none
	Allow []Allowance // sorted; what the wall lets it do beside speaking as itself
	Tags  []int       // VLANs of the trunk that it takes part in, tagged; sorted
}

// NICRole is what a NIC is for.
type NICRole string

// The roles. The first NIC of a VM is one of its zone.
const (
	ZoneNIC  NICRole = ""
	AdminNIC NICRole = "admin" // on the leg of the zone
	WireNIC  NICRole = "wire"  // on the uplink's own bridge, with an address and a MAC that the provider issued
)

// Allowance is an opt-out of the wall against spoofing.
type Allowance string

// ZoneNICs are the NICs in zones: those that have addresses of zones, and that
// forwards and names lead to.
func (v VM) ZoneNICs() []NIC { return v.nics(ZoneNIC) }

// AdminNICs are the NICs on legs: one, or none.
func (v VM) AdminNICs() []NIC { return v.nics(AdminNIC) }

func (v VM) nics(role NICRole) []NIC {
	var some []NIC
	for _, nic := range v.NICs {
		if nic.Role == role {
			some = append(some, nic)
		}
	}
	return some
}

// addrs are the addresses the NIC has of its zone or leg: always one of IPv4.
func (n NIC) addrs() []netip.Addr {
	if n.Role == WireNIC {
		return nil
	}
	if n.Addr6.IsValid() {
		return []netip.Addr{n.Addr, n.Addr6}
	}
	return []netip.Addr{n.Addr}
}
