package bridge

import (
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// add makes a link, marked from its first moment.
func (k *Kernel) add(l Link) error {
	_, err := k.own(l.Name)
	if _, missing := errors.AsType[netlink.LinkNotFoundError](err); !missing {
		return err // it is there and ours, or it is not ours
	}
	switch l.Kind {
	case Bridge:
		return k.addBridge(l)
	case Tap:
		return k.addTap(l)
	case VMAC:
		return k.addVMAC(l)
	case VLAN:
		return k.addVLAN(l)
	}
	return fmt.Errorf("no such kind of link: %q", l.Kind)
}

func (k *Kernel) addBridge(l Link) error {
	mac, err := net.ParseMAC(l.MAC)
	if err != nil {
		return err
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.HardwareAddr, attrs.Group = l.Name, mac, k.group
	if err := except(k.nl.LinkAdd(&netlink.Bridge{LinkAttrs: attrs}), unix.EEXIST); err != nil {
		return err
	}
	link, err := k.own(l.Name)
	if err != nil {
		return err
	}
	return k.nl.LinkSetAlias(link, l.Alias)
}

// addVMAC makes a link that takes what comes for its MAC out of the stream of
// the uplink, and leaves the uplink itself as it is.
func (k *Kernel) addVMAC(l Link) error {
	parent, err := k.nl.LinkByName(l.Parent)
	if err != nil {
		return fmt.Errorf("uplink %s: %w", l.Parent, err)
	}
	mac, err := net.ParseMAC(l.MAC)
	if err != nil {
		return err
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.HardwareAddr, attrs.Group, attrs.ParentIndex = l.Name, mac, k.group, parent.Attrs().Index
	if err := except(k.nl.LinkAdd(&netlink.Macvlan{LinkAttrs: attrs, Mode: netlink.MACVLAN_MODE_PRIVATE}), unix.EEXIST); err != nil {
		return err
	}
	link, err := k.own(l.Name)
	if err != nil {
		return err
	}
	return k.nl.LinkSetAlias(link, l.Alias)
}

// addTap makes a tap that stays only once it is marked: until TUNSETPERSIST it
// goes with the file descriptor, and so with us.
func (k *Kernel) addTap(l Link) (err error) {
	f, err := os.OpenFile("/dev/net/tun", os.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open tun device: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	ifr, err := unix.NewIfreq(l.Name)
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
	fd := int(f.Fd())
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr); err != nil {
		return fmt.Errorf("make tap: %w", err)
	}
	link, err := k.nl.LinkByName(l.Name)
	if err != nil {
		return err
	}
	if err := k.nl.LinkSetGroup(link, int(k.group)); err != nil {
		return fmt.Errorf("set group: %w", err)
	}
	if err := k.nl.LinkSetAlias(link, l.Alias); err != nil {
		return fmt.Errorf("set alias: %w", err)
	}
	return unix.IoctlSetInt(fd, unix.TUNSETPERSIST, 1)
}
