package ispctl

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Installation is what sets one ispctl on a host apart from another: the names
// of its host objects and where it runs. It is written by `ispctl init` and
// read at every start.
type Installation struct {
	Prefix     string // of every host object's name; "isp" unless told otherwise
	NetNS      string // network namespace it lives in, by its name in /run/netns; empty: the caller's
	Hypervisor string // libvirt URI
	Xen        XenKind
	Operators  string // group of users who may do anything, by the socket of serve; empty: ispctl
	Auditors   string // group of users who may see it all and change nothing; empty: ispctl-audit
}

// OperatorGroup is the group of the operators.
func (i Installation) OperatorGroup() string { return cmp.Or(i.Operators, "ispctl") }

// AuditorGroup is the group of the auditors.
func (i Installation) AuditorGroup() string { return cmp.Or(i.Auditors, "ispctl-audit") }

// validateGroups holds the groups to what groupadd(8) takes, and apart.
func (i Installation) validateGroups() error {
	for _, name := range []string{i.OperatorGroup(), i.AuditorGroup()} {
		const longest = 32
		ok := len(name) <= longest && !strings.HasPrefix(name, "-")
		for _, c := range []byte(name) {
			ok = ok && (c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_')
		}
		if !ok {
			return Invalid("group", name, "is no name of a group")
		}
	}
	if i.OperatorGroup() == i.AuditorGroup() {
		return Invalid("group", i.OperatorGroup(), "cannot be the operators' and the auditors' at once")
	}
	return nil
}

// XenKind is how guests run on Xen; empty where there is another hypervisor.
type XenKind string

// The kinds.
const (
	XenPV  XenKind = "pv"  // the guest's kernel knows that it is on Xen: everywhere, also without hardware virtualisation
	XenPVH XenKind = "pvh" // the same in hardware virtualisation, without an emulated machine
	XenHVM XenKind = "hvm" // a whole emulated machine, which boots by its disk
)

// DefaultPrefix is the prefix of host objects of the one installation most
// hosts have.
const DefaultPrefix = "isp"

// maxPrefix leaves a zone's name eleven bytes of an interface name.
const maxPrefix = 3

// Validate checks that names can be made from the prefix.
func (i Installation) Validate() error {
	if why := labelFault(i.Prefix); why != "" {
		return Invalid("installation prefix", i.Prefix, "%s", why)
	}
	if len(i.Prefix) > maxPrefix {
		return Invalid("installation prefix", i.Prefix, "is longer than %d bytes", maxPrefix)
	}
	if i.Hypervisor == "" {
		return Invalid("hypervisor", "", "is not set")
	}
	if onXen := strings.HasPrefix(i.Hypervisor, "xen"); onXen != slices.Contains([]XenKind{XenPV, XenPVH, XenHVM}, i.Xen) || !onXen && i.Xen != "" {
		return Invalid("xen", string(i.Xen), "is not %s, %s or %s on Xen, and nothing elsewhere", XenPV, XenPVH, XenHVM)
	}
	return i.validateGroups()
}

// Bridge is the name of a zone's bridge.
func (i Installation) Bridge(zone Name) string { return i.Prefix + "-" + string(zone) }

// LegBridge is the name of the bridge of a zone's admin leg. A zone's name
// starts with a letter, so no zone's bridge ever bears it.
func (i Installation) LegBridge(zone Name) string { return i.Prefix + "-_" + string(zone) }

// Tap is the name of the tap of a VM's nth NIC. A zone's name starts with a
// letter, so no bridge ever bears it.
func (i Installation) Tap(vm int64, nic int) string {
	return fmt.Sprintf("%s-%d-%d", i.Prefix, vm, nic)
}

// VMACLink is the name of the link of an address with a MAC of its own. A
// zone's name starts with a letter and a tap's number has none, so no other
// link ever bears it.
func (i Installation) VMACLink(a netip.Addr) string {
	return fmt.Sprintf("%s-0x%x", i.Prefix, a.AsSlice())
}

// VPNLink is the name of the VPN's device. A zone's name starts with a letter
// and a tap's has two numbers, so no other link ever bears it.
func (i Installation) VPNLink() string { return i.Prefix + "-0vpn" }

// VPNGroup is the link group of the VPN's device, which marks it as LinkGroup
// does bridges and taps.
func (i Installation) VPNGroup() uint32 {
	h := fnv.New32a()
	h.Write([]byte("ispctl-vpn:" + i.Prefix))
	return h.Sum32()&0x3fff_ffff | 0x4000_0000
}

// LinkPattern matches the name of every link of ours, and is what the firewall
// knows them by: a link that bears it and stands in no map passes nothing.
func (i Installation) LinkPattern() string { return i.Prefix + "-*" }

// Table is the name of a layer's nftables table.
func (i Installation) Table(layer string) string { return i.Prefix + "ctl-" + layer }

// LinkGroup is the link group (`ip link show group N`) every link of ours is
// in. It is set in the same call that makes the link, so that no crash leaves
// one without its mark.
func (i Installation) LinkGroup() uint32 {
	h := fnv.New32a()
	h.Write([]byte("ispctl:" + i.Prefix))
	return h.Sum32()&0x3fff_ffff | 0x4000_0000
}

// Guests' processes run as users that no other program has: those from 0x60000000,
// a block of 2^20 for each prefix. They lie above what systemd hands out to
// services (61184 to 65519) and /etc/subuid to people, and below what
// systemd-nspawn takes for containers (0x70000000,
// https://systemd.io/UIDS-GIDS/).
const (
	guestUIDs     = 0x6000_0000
	guestUIDBlock = 1 << 20
)

// GuestUID is the user, and the group, that a VM's process runs as and that
// owns its disk: nobody else's. It follows from the VM's id, which is never
// used again.
func (i Installation) GuestUID(vm int64) uint32 {
	h := fnv.New32a()
	h.Write([]byte("ispctl:" + i.Prefix))
	return guestUIDs + h.Sum32()&0xff*guestUIDBlock + uint32(vm)%guestUIDBlock
}

// IsGuestUID reports whether a user may be a guest's, of whatever installation.
func IsGuestUID(uid uint32) bool {
	const blocks = 256
	return uid >= guestUIDs && uid < guestUIDs+blocks*guestUIDBlock
}

// Shaper is the name of the interface that what comes out of a tap waits in.
func (i Installation) Shaper(tap string) string { return tap + "u" }

// Inbound is the name of the interface that what comes in by the uplink waits in,
// on its way to guests. A tap's number is followed by a hyphen, and a zone's
// name starts with a letter, so no other link ever bears it.
func (i Installation) Inbound() string { return i.Prefix + "-0in" }

// CrowdDown is the name of the nth of the interfaces in which what comes in by
// the uplink waits in a queue per guest. No tap, zone or shaper is ever called so.
func (i Installation) CrowdDown(n int) string { return i.Prefix + "-0d" + strconv.Itoa(n) }

// CrowdUp is the same for what goes out by the uplink.
func (i Installation) CrowdUp(n int) string { return i.Prefix + "-0u" + strconv.Itoa(n) }

// ShaperGroup is the link group of the shapers, which mark them as LinkGroup
// does bridges and taps.
func (i Installation) ShaperGroup() uint32 {
	h := fnv.New32a()
	h.Write([]byte("ispctl-qos:" + i.Prefix))
	return h.Sum32()&0x3fff_ffff | 0x4000_0000
}

// Domain is the name of a VM's libvirt domain.
func (i Installation) Domain(vm Name) string { return i.Prefix + "-" + string(vm) }

// BridgeMAC is the Ethernet address of a bridge of ours, by the bridge's name.
// It is fixed: the kernel's own choice would follow the lowest one of the
// ports, so that guests lose their gateway whenever a neighbour comes or goes.
// It is locally administered, and the same after the bridge is made anew.
func BridgeMAC(bridge string) string {
	h := fnv.New64a()
	h.Write([]byte(bridge))
	b := h.Sum(nil)
	return fmt.Sprintf("02:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4])
}

// LinkLocal is the IPv6 address that is made of an Ethernet address (RFC 4291,
// appendix A).
func LinkLocal(mac net.HardwareAddr) netip.Addr {
	return netip.AddrFrom16([16]byte{0xfe, 0x80, 8: mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]})
}

// BridgeLinkLocal is the link-local address of a bridge of ours: routers are
// known by theirs (RFC 4861, 6.1.2).
func BridgeLinkLocal(bridge string) netip.Addr {
	mac, err := net.ParseMAC(BridgeMAC(bridge))
	if err != nil {
		panic(err) // BridgeMAC made it
	}
	return LinkLocal(mac)
}
