package bridge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"ispctl/converge"
	"ispctl/internal/nlattr"
)

// Kernel is the edge: the links of the network namespace it was opened in.
type Kernel struct {
	nl    *netlink.Handle
	dumps *nl.SocketHandle // for what the library does not decode
	group uint32
}

var _ converge.Target[State, Change] = (*Kernel)(nil)

// Open binds to the caller's network namespace. Group is the installation's
// link group.
func Open(group uint32) (*Kernel, error) {
	handle, errHandle := netlink.NewHandle(unix.NETLINK_ROUTE)
	socket, errSocket := nl.Subscribe(unix.NETLINK_ROUTE)
	if err := errors.Join(errHandle, errSocket); err != nil {
		return nil, fmt.Errorf("open route netlink: %w", err)
	}
	return &Kernel{nl: handle, dumps: &nl.SocketHandle{Socket: socket}, group: group}, nil
}

// Close closes the sockets.
func (k *Kernel) Close() {
	k.nl.Close()
	_ = k.dumps.Close()
}

// Observe lists the links in our group with the addresses on them.
func (k *Kernel) Observe(context.Context) (State, error) {
	messages, err := whole(k.linkMessages)
	if err != nil {
		return nil, fmt.Errorf("list links: %w", err)
	}
	names := make(map[int]string, len(messages))
	masters := map[string]int{}
	theirs := map[int]bool{}
	parents := map[string]int{}
	s := make(State, len(messages))
	for _, message := range messages {
		d := readDetails(message)
		names[d.index] = d.name
		if d.group != k.group {
			theirs[d.index] = true
			continue
		}
		link := Link{
			Name: d.name, Kind: d.kind, Alias: d.alias, Isolated: d.isolated, MTU: d.mtu, Up: d.up, ID: d.vlan, Filtering: d.filtering,
			IPv6: speaksIPv6(d.settings), Hardened: hardened(d.kind, d.settings),
		}
		switch d.kind {
		case Bridge:
			link.MAC = d.mac.String()
			link.Hardened = link.Hardened && d.groups == groupsToFilter
		case VMAC:
			link.MAC, link.MTU = d.mac.String(), 0
			parents[d.name] = d.parent
		case VLAN:
			parents[d.name] = d.parent
		}
		s[d.name], masters[d.name] = link, d.master
	}
	for name, index := range masters {
		link := s[name]
		link.Master, link.Wire = names[index], theirs[index]
		link.Parent = names[parents[name]]
		s[name] = link
	}
	if err := k.observeVLANs(s, names); err != nil {
		return nil, err
	}
	addrs, err := whole(func() ([]netlink.Addr, error) { return k.nl.AddrList(nil, netlink.FAMILY_ALL) })
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	for _, a := range addrs {
		link, ours := s[names[a.LinkIndex]]
		if !ours {
			continue
		}
		ip, _ := netip.AddrFromSlice(a.IP)
		bits, _ := a.Mask.Size()
		link.Addresses = append(link.Addresses, netip.PrefixFrom(ip.Unmap(), bits))
		slices.SortFunc(link.Addresses, netip.Prefix.Compare)
		s[link.Name] = link
	}
	return s, nil
}

// linkMessages are the links as the kernel lists them.
func (k *Kernel) linkMessages() ([][]byte, error) {
	request := nl.NewNetlinkRequest(unix.RTM_GETLINK, unix.NLM_F_DUMP)
	request.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: k.dumps}
	request.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
	request.AddData(nl.NewRtAttr(unix.IFLA_EXT_MASK, nl.Uint32Attr(nlattr.SkipStats)))
	return request.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWLINK)
}

// Apply carries out changes in order. After one that fails the later ones on
// the same link are left out: they could only fail too, or bring up a link that
// is half made.
func (k *Kernel) Apply(ctx context.Context, changes []Change) error {
	var errs []error
	failed := map[string]bool{}
	if err := k.forgetNeighbours(changes); err != nil {
		errs = append(errs, fmt.Errorf("forget the neighbours behind taps that go: %w", err))
	}
	for _, c := range changes {
		if err := ctx.Err(); err != nil {
			return errors.Join(append(errs, err)...)
		}
		if failed[c.Link.Name] {
			continue
		}
		if err := k.apply(c); err != nil {
			failed[c.Link.Name] = true
			errs = append(errs, &converge.Fault{Object: c.Link.object(), Err: fmt.Errorf("%s: %w", c, err)})
		}
	}
	return errors.Join(errs...)
}

func (k *Kernel) apply(c Change) error {
	if c.Act == Add {
		return k.add(c.Link)
	}
	link, err := k.own(c.Link.Name)
	if c.Act == Remove || c.Act == Replace {
		if _, gone := errors.AsType[netlink.LinkNotFoundError](err); gone {
			return nil
		}
		if err != nil {
			return err
		}
		return k.nl.LinkDel(link)
	}
	if err != nil {
		return err
	}
	switch c.Act {
	case SetMAC:
		mac, err := net.ParseMAC(c.Link.MAC)
		if err != nil {
			return err
		}
		return k.nl.LinkSetHardwareAddr(link, mac)
	case SetMTU:
		return k.nl.LinkSetMTU(link, c.Link.MTU)
	case SetIsolated:
		return k.nl.LinkSetIsolated(link, c.Link.Isolated)
	case SetAlias:
		return k.nl.LinkSetAlias(link, c.Link.Alias)
	case Harden:
		return errors.Join(harden(c.Link), k.filterGroups(link))
	case DelAddress:
		return except(k.nl.AddrDel(link, address(c.Prefix)), unix.EADDRNOTAVAIL)
	case AddAddress:
		return except(k.nl.AddrAdd(link, address(c.Prefix)), unix.EEXIST)
	case SetMaster:
		if c.Link.Master == "" {
			return k.nl.LinkSetNoMaster(link)
		}
		master, err := k.master(c.Link)
		if err != nil {
			return err
		}
		return k.nl.LinkSetMasterByIndex(link, master.Attrs().Index)
	case SetFiltering:
		return k.setFiltering(link, c.Link.Filtering)
	case DelVLAN:
		return k.setVLAN(link, c.VLAN, false)
	case AddVLAN:
		return k.setVLAN(link, c.VLAN, true)
	case SetUp:
		if err := k.nl.LinkSetUp(link); !errors.Is(err, unix.ENETDOWN) || c.Link.Kind != VLAN {
			return err
		}
		return fmt.Errorf("trunk %s is down: run: ip link set dev %s up", c.Link.Parent, c.Link.Parent)
	}
	return fmt.Errorf("no such act: %d", c.Act)
}

// filterGroups sets groupsToFilter on a bridge.
func (k *Kernel) filterGroups(link netlink.Link) error {
	if link.Type() != string(Bridge) {
		return nil
	}
	mask := groupsToFilter
	return k.modify(link, netlink.Bridge{GroupFwdMask: &mask})
}

// modify sets what is given of a bridge, and nothing else. The message names the
// bridge and has no index: with both, Linux 6.1 takes it for a new name, and
// refuses that to a bridge that is up, even when it is the old one.
func (k *Kernel) modify(link netlink.Link, set netlink.Bridge) error {
	set.LinkAttrs = netlink.NewLinkAttrs()
	set.Name = link.Attrs().Name
	return k.nl.LinkModify(&set)
}

// own finds a link of ours; one of that name without our mark is an error.
func (k *Kernel) own(name string) (netlink.Link, error) {
	link, err := k.nl.LinkByName(name)
	if err != nil {
		return nil, err
	}
	if link.Attrs().Group != k.group {
		return nil, fmt.Errorf("link %s is not ours: its group is %d, not %d", name, link.Attrs().Group, k.group)
	}
	return link, nil
}

// master is the bridge of a port: ours, or the uplink's, which is a bridge
// already. No link of somebody else's is ever made a port of anything.
func (k *Kernel) master(l Link) (netlink.Link, error) {
	if !l.Wire {
		return k.own(l.Master)
	}
	link, err := k.nl.LinkByName(l.Master)
	if err != nil {
		return nil, err
	}
	if link.Type() != "bridge" {
		return nil, fmt.Errorf("uplink %s is no bridge: it is a %s", l.Master, link.Type())
	}
	return link, nil
}

// whole repeats a dump that the kernel says was interrupted by a change.
func whole[T any](dump func() (T, error)) (T, error) {
	const tries = 10
	var all T
	var err error
	for range tries {
		if all, err = dump(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	return all, err
}

func address(p netip.Prefix) *netlink.Addr {
	a := &netlink.Addr{IPNet: &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}}
	if p.Addr().Is6() {
		a.Flags = unix.IFA_F_NODAD // it is there at once, and no guest can object
	}
	return a
}

// except takes one errno for success.
func except(err error, fine unix.Errno) error {
	if errors.Is(err, fine) {
		return nil
	}
	return err
}
