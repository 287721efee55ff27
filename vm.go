package ispctl

import (
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
	SSHKeys  []string
	NICs     []NIC
	Wanted   Wanted
	Created  time.Time
	Applied  bool
}

// NIC is one network interface of a VM, and the tap that is its other end.
type NIC struct {
	Index int
	Zone  Name
	MAC   string // aa:bb:cc:dd:ee:ff, locally administered
	Tap   string
	Addr  netip.Addr
}
