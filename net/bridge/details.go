package bridge

import (
	"encoding/binary"
	"net"

	"golang.org/x/sys/unix"

	"ispctl/internal/nlattr"
)

// details is what the kernel says of a link in one message. All links are read
// at each pass, and thousands of them every few minutes: nothing is decoded but
// what a layer asks for, and nothing is asked for otherwise, such as a sysctl,
// which would take a file for each.
type details struct {
	index, parent, master int
	name, alias           string
	kind                  Kind
	group                 uint32
	mtu                   int
	up                    bool
	mac                   net.HardwareAddr
	settings              settings
	isolated              bool // a port that talks to no other isolated one
	vlan                  int  // of a VLAN: its number
	groups                uint16
	filtering             bool // of a bridge: it keeps VLANs apart, and puts no port into one by itself
}

// settings are the sysctls of a link in each family; nil: the kernel has not the
// family.
type settings struct{ ipv4, ipv6 conf }

func (s settings) of(family string) conf {
	if family == "ipv6" {
		return s.ipv6
	}
	return s.ipv4
}

// conf is the settings of a link in one family, as an array of int32.
type conf []byte

// at is the setting at a place, which is there.
func (c conf) at(place int) (value int32, there bool) {
	if place < 0 || 4*place+4 > len(c) {
		return 0, false
	}
	return int32(binary.NativeEndian.Uint32(c[4*place:])), true
}

// Where struct ifinfomsg has the number of a link and its flags.
const (
	indexAt = 4
	flagsAt = 8
)

// readDetails decodes a message of RTM_NEWLINK (linux/if_link.h). The sysctls
// are in IFLA_AF_SPEC, which has an attribute for each family; what its driver
// says, and what a bridge knows of its port, is in IFLA_LINKINFO.
func readDetails(message []byte) (d details) {
	if len(message) < unix.SizeofIfInfomsg {
		return d
	}
	d.index = int(int32(binary.NativeEndian.Uint32(message[indexAt:])))
	d.up = binary.NativeEndian.Uint32(message[flagsAt:])&unix.IFF_UP != 0
	d.kind = Vif // which no request over netlink has made
	for kind, value := range nlattr.Attributes(message[unix.SizeofIfInfomsg:]).All() {
		switch kind {
		case unix.IFLA_IFNAME:
			d.name = value.Text()
		case unix.IFLA_IFALIAS:
			d.alias = value.Text()
		case unix.IFLA_GROUP:
			d.group = uint32(value.Number())
		case unix.IFLA_MTU:
			d.mtu = value.Number()
		case unix.IFLA_MASTER:
			d.master = value.Number()
		case unix.IFLA_LINK:
			d.parent = value.Number()
		case unix.IFLA_ADDRESS:
			d.mac = net.HardwareAddr(value)
		case unix.IFLA_LINKINFO:
			d.readInfo(value)
		case unix.IFLA_AF_SPEC:
			d.settings.ipv4 = conf(value.Find(unix.AF_INET).Find(unix.IFLA_INET_CONF))
			d.settings.ipv6 = conf(value.Find(unix.AF_INET6).Find(unix.IFLA_INET6_CONF))
		}
	}
	return d
}

func (d *details) readInfo(info nlattr.Attributes) {
	kind := info.Find(unix.IFLA_INFO_KIND)
	if kind != nil {
		d.kind = Kind(kind.Text())
	}
	data := info.Find(unix.IFLA_INFO_DATA)
	switch d.kind {
	case "tun":
		if one := data.Find(unix.IFLA_TUN_TYPE); len(one) > 0 && one[0] == unix.IFF_TAP {
			d.kind = Tap
		}
	case VLAN:
		d.vlan = data.Find(unix.IFLA_VLAN_ID).Number()
	case Bridge:
		d.groups = uint16(data.Find(unix.IFLA_BR_GROUP_FWD_MASK).Number())
		on, pvid := data.Find(unix.IFLA_BR_VLAN_FILTERING), data.Find(unix.IFLA_BR_VLAN_DEFAULT_PVID)
		d.filtering = on.Number() == 1 && pvid != nil && pvid.Number() == 0
	}
	port := info.Find(unix.IFLA_INFO_SLAVE_DATA)
	d.isolated = port.Find(unix.IFLA_BRPORT_ISOLATED).Number() != 0
}
