package bridge

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"runtime"
	"slices"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"ispctl"
)

// What is told to operators whose kernel lacks something.
const (
	needs8021q     = "this kernel has no VLANs: load the module 8021q (modprobe 8021q), or boot a kernel built with CONFIG_VLAN_8021Q"
	needsFiltering = "bridges of this kernel cannot keep VLANs apart: boot a kernel built with CONFIG_BRIDGE_VLAN_FILTERING"
)

// CheckTrunk reports whether zones can go on by an interface: that it is there,
// up, of that MTU at least, and that the kernel can do it. It makes nothing.
func CheckTrunk(trunk string, mtu int, aware bool) error {
	refuse := func(cause, next string) error {
		return &ispctl.Error{Kind: ispctl.Conflict, Object: fmt.Sprintf("trunk %q", trunk), Cause: cause, Next: next}
	}
	handle, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("trunk %s: %w", trunk, err)
	}
	defer handle.Close()
	link, err := handle.LinkByName(trunk)
	if _, missing := errors.AsType[netlink.LinkNotFoundError](err); missing {
		return refuse("there is no such interface", "see: ip link")
	}
	if err != nil {
		return fmt.Errorf("trunk %s: %w", trunk, err)
	}
	a := link.Attrs()
	switch {
	case a.Flags&net.FlagUp == 0:
		return refuse("it is down", "run: ip link set dev "+trunk+" up")
	case mtu > a.MTU:
		return refuse(fmt.Sprintf("its MTU is %d, and the zone's %d", a.MTU, mtu), fmt.Sprintf("give the zone a smaller one (--mtu %d), or the trunk a larger one", a.MTU))
	}
	lacking, err := tryVLANs(aware)
	if err != nil || lacking == "" {
		return err
	}
	return refuse(lacking, "zones without a trunk need nothing of it")
}

// tryVLANs says what the kernel lacks. It tries in a network namespace that is
// thrown away: to ask is to make.
func tryVLANs(aware bool) (lacking string, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the namespace ends with the thread
		if err = unix.Unshare(unix.CLONE_NEWNET); err != nil {
			err = fmt.Errorf("new network namespace: %w", err)
			return
		}
		handle, opened := netlink.NewHandle(unix.NETLINK_ROUTE) // in there
		if err = opened; err != nil {
			return
		}
		defer handle.Close()
		bridge := &netlink.Bridge{LinkAttrs: netlink.NewLinkAttrs()}
		bridge.Name = "try"
		on, none := true, uint16(0)
		if aware {
			bridge.VlanFiltering, bridge.VlanDefaultPVID = &on, &none
		}
		if err = handle.LinkAdd(bridge); unsupported(err) {
			lacking, err = needsFiltering, nil
			return
		}
		if err != nil {
			return
		}
		made, found := handle.LinkByName("try")
		if err = found; err != nil {
			return
		}
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.ParentIndex = "try.2", made.Attrs().Index
		if err = handle.LinkAdd(&netlink.Vlan{LinkAttrs: attrs, VlanId: 2}); unsupported(err) {
			lacking, err = needs8021q, nil
		}
	}()
	<-done
	if err != nil {
		err = fmt.Errorf("try VLANs: %w", err)
	}
	return lacking, err
}

func unsupported(err error) bool { return errors.Is(err, unix.EOPNOTSUPP) }

// addVLAN makes a part of a trunk. The trunk itself is looked at and left as it
// is: others may use it too.
func (k *Kernel) addVLAN(l Link) error {
	trunk, err := k.nl.LinkByName(l.Parent)
	if err != nil {
		return fmt.Errorf("trunk %s: %w", l.Parent, err)
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.Group, attrs.ParentIndex, attrs.MTU = l.Name, k.group, trunk.Attrs().Index, l.MTU
	switch err := k.nl.LinkAdd(&netlink.Vlan{LinkAttrs: attrs, VlanId: l.ID, VlanProtocol: netlink.VLAN_PROTOCOL_8021Q}); {
	case unsupported(err):
		return errors.New(needs8021q)
	case errors.Is(err, unix.ERANGE):
		return fmt.Errorf("the MTU of trunk %s is %d, the zone's %d: %w", l.Parent, trunk.Attrs().MTU, l.MTU, err)
	case except(err, unix.EEXIST) != nil:
		return err
	}
	link, err := k.own(l.Name)
	if err != nil {
		return err
	}
	return k.nl.LinkSetAlias(link, l.Alias)
}

// setFiltering lets a bridge begin, or cease, to keep VLANs apart. It begins
// with no VLAN on any of its ports: what is left there of other times, and what
// the kernel puts there by itself (VLAN 1), is nobody's wish.
func (k *Kernel) setFiltering(link netlink.Link, on bool) error {
	if !on {
		return k.modify(link, netlink.Bridge{VlanFiltering: &on})
	}
	none := uint16(0)
	if err := k.modify(link, netlink.Bridge{VlanDefaultPVID: &none}); err != nil {
		if unsupported(err) {
			return errors.New(needsFiltering)
		}
		return err
	}
	all, err := whole(k.nl.BridgeVlanList)
	if err != nil {
		return fmt.Errorf("list VLANs: %w", err)
	}
	bridge := link.Attrs().Index
	for index, vlans := range all {
		port, err := k.nl.LinkByIndex(int(index))
		if err != nil {
			continue // it has gone meanwhile
		}
		if port.Attrs().Index != bridge && port.Attrs().MasterIndex != bridge {
			continue
		}
		self := port.Attrs().Index == bridge
		for _, v := range vlans {
			if err := except(k.nl.BridgeVlanDel(port, v.Vid, false, false, self, !self), unix.ENOENT); err != nil {
				return fmt.Errorf("vlan %d of %s: %w", v.Vid, port.Attrs().Name, err)
			}
		}
	}
	if err := k.modify(link, netlink.Bridge{VlanFiltering: &on}); err != nil {
		if unsupported(err) {
			return errors.New(needsFiltering)
		}
		return err
	}
	return nil
}

// setVLAN lets a VLAN pass a port, or a bridge itself, or no more.
func (k *Kernel) setVLAN(link netlink.Link, v PortVLAN, pass bool) error {
	self := link.Type() == string(Bridge)
	if pass {
		return k.nl.BridgeVlanAdd(link, uint16(v.ID), v.Untagged, v.Untagged, self, !self)
	}
	return except(k.nl.BridgeVlanDel(link, uint16(v.ID), false, false, self, !self), unix.ENOENT)
}

// observeVLANs fills in what passes the bridges of ours that keep VLANs apart,
// and their ports. Of others the kernel has leftovers that mean nothing.
func (k *Kernel) observeVLANs(s State, names map[int]string) error {
	some := false
	for _, link := range s {
		some = some || link.Filtering
	}
	if !some {
		return nil
	}
	all, err := whole(k.nl.BridgeVlanList)
	if err != nil {
		return fmt.Errorf("list VLANs: %w", err)
	}
	for index, vlans := range all {
		name := names[int(index)]
		link, ours := s[name]
		if !ours || !link.Filtering && !s[link.Master].Filtering {
			continue
		}
		link.VLANs = portVLANs(vlans)
		s[name] = link
	}
	return nil
}

func portVLANs(infos []*nl.BridgeVlanInfo) []PortVLAN {
	var vlans []PortVLAN
	for _, v := range infos {
		vlans = append(vlans, PortVLAN{int(v.Vid), v.PortVID() && v.EngressUntag()})
	}
	slices.SortFunc(vlans, func(a, b PortVLAN) int { return cmp.Compare(a.ID, b.ID) })
	return vlans
}
