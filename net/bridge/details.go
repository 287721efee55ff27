package bridge

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// details is what the kernel says of a link in the same breath as its name, and
// the library does not decode. To ask for it otherwise takes a file for each
// sysctl, and another list.
type details struct {
	settings map[string]conf // of each family that the kernel has
	isolated bool            // a port that talks to no other isolated one
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

// readDetails decodes a message of RTM_NEWLINK (linux/if_link.h). The sysctls
// are in IFLA_AF_SPEC, which has an attribute for each family; what a bridge
// knows of its port is in IFLA_LINKINFO.
func readDetails(message []byte) details {
	d := details{settings: map[string]conf{}}
	attrs := message[min(len(message), unix.SizeofIfInfomsg):]
	families := attribute(attrs, unix.IFLA_AF_SPEC)
	if c := attribute(attribute(families, unix.AF_INET), unix.IFLA_INET_CONF); c != nil {
		d.settings["ipv4"] = c
	}
	if c := attribute(attribute(families, unix.AF_INET6), unix.IFLA_INET6_CONF); c != nil {
		d.settings["ipv6"] = c
	}
	isolated := attribute(attribute(attribute(attrs, unix.IFLA_LINKINFO), unix.IFLA_INFO_SLAVE_DATA), unix.IFLA_BRPORT_ISOLATED)
	d.isolated = len(isolated) > 0 && isolated[0] != 0
	return d
}

// attribute finds the payload of an attribute among others (netlink(7),
// rtnetlink(7)); it is nil where there is none.
func attribute(attrs []byte, kind uint16) []byte {
	const typeMask = 0xffff &^ (unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER)
	for len(attrs) >= unix.SizeofNlAttr {
		size := int(binary.NativeEndian.Uint16(attrs))
		if size < unix.SizeofNlAttr || size > len(attrs) {
			return nil
		}
		if binary.NativeEndian.Uint16(attrs[2:])&typeMask == kind {
			return attrs[unix.SizeofNlAttr:size]
		}
		attrs = attrs[min(len(attrs), (size+unix.NLA_ALIGNTO-1)&^(unix.NLA_ALIGNTO-1)):]
	}
	return nil
}
