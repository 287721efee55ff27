package bridge

import (
	"encoding/binary"
	"iter"
	"net"
	"strings"

	"golang.org/x/sys/unix"
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
	for kind, value := range attributes(message[unix.SizeofIfInfomsg:]) {
		switch kind {
		case unix.IFLA_IFNAME:
			d.name = text(value)
		case unix.IFLA_IFALIAS:
			d.alias = text(value)
		case unix.IFLA_GROUP:
			d.group = uint32(number(value))
		case unix.IFLA_MTU:
			d.mtu = number(value)
		case unix.IFLA_MASTER:
			d.master = number(value)
		case unix.IFLA_LINK:
			d.parent = number(value)
		case unix.IFLA_ADDRESS:
			d.mac = value
		case unix.IFLA_LINKINFO:
			d.readInfo(value)
		case unix.IFLA_AF_SPEC:
			d.settings.ipv4 = attribute(attribute(value, unix.AF_INET), unix.IFLA_INET_CONF)
			d.settings.ipv6 = attribute(attribute(value, unix.AF_INET6), unix.IFLA_INET6_CONF)
		}
	}
	return d
}

func (d *details) readInfo(info []byte) {
	kind := attribute(info, unix.IFLA_INFO_KIND)
	if kind != nil {
		d.kind = Kind(text(kind))
	}
	data := attribute(info, unix.IFLA_INFO_DATA)
	switch d.kind {
	case "tun":
		if one := attribute(data, unix.IFLA_TUN_TYPE); len(one) > 0 && one[0] == unix.IFF_TAP {
			d.kind = Tap
		}
	case VLAN:
		d.vlan = number(attribute(data, unix.IFLA_VLAN_ID))
	case Bridge:
		d.groups = uint16(number(attribute(data, unix.IFLA_BR_GROUP_FWD_MASK)))
		on, pvid := attribute(data, unix.IFLA_BR_VLAN_FILTERING), attribute(data, unix.IFLA_BR_VLAN_DEFAULT_PVID)
		d.filtering = number(on) == 1 && pvid != nil && number(pvid) == 0
	}
	port := attribute(info, unix.IFLA_INFO_SLAVE_DATA)
	d.isolated = number(attribute(port, unix.IFLA_BRPORT_ISOLATED)) != 0
}

// number is an attribute of one, two or four bytes; 0 where there is none.
func number(value []byte) int {
	switch len(value) {
	case 1:
		return int(value[0])
	case 2:
		return int(binary.NativeEndian.Uint16(value))
	case 4:
		return int(int32(binary.NativeEndian.Uint32(value)))
	}
	return 0
}

func text(value []byte) string { return strings.TrimRight(string(value), "\x00") }

// attributes are those of a message, or of another attribute, by their kinds
// (netlink(7), rtnetlink(7)).
func attributes(attrs []byte) iter.Seq2[uint16, []byte] {
	const typeMask = 0xffff &^ (unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER)
	return func(yield func(uint16, []byte) bool) {
		for len(attrs) >= unix.SizeofNlAttr {
			size := int(binary.NativeEndian.Uint16(attrs))
			if size < unix.SizeofNlAttr || size > len(attrs) {
				return
			}
			if !yield(binary.NativeEndian.Uint16(attrs[2:])&typeMask, attrs[unix.SizeofNlAttr:size]) {
				return
			}
			attrs = attrs[min(len(attrs), (size+unix.NLA_ALIGNTO-1)&^(unix.NLA_ALIGNTO-1)):]
		}
	}
}

// attribute is the payload of an attribute among others; nil where there is none.
func attribute(attrs []byte, kind uint16) []byte {
	for have, value := range attributes(attrs) {
		if have == kind {
			return value
		}
	}
	return nil
}
