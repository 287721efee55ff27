package route

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// proxies are the neighbour proxies that bear our protocol. The library does
// not decode that attribute (NDA_PROTOCOL of linux/neighbour.h).
func (k *Kernel) proxies() (map[Proxy]bool, error) {
	var messages [][]byte
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		some, err := k.dumpProxies(family)
		if err != nil {
			return nil, fmt.Errorf("list neighbour proxies: %w", err)
		}
		messages = append(messages, some...)
	}
	all := map[Proxy]bool{}
	names := map[int]string{}
	for _, message := range messages {
		index, addr, ours := decodeProxy(message)
		if !ours {
			continue
		}
		if names[index] == "" {
			link, err := k.nl.LinkByIndex(index)
			if _, gone := errors.AsType[netlink.LinkNotFoundError](err); gone {
				continue // and its proxies with it
			}
			if err != nil {
				return nil, fmt.Errorf("link %d: %w", index, err)
			}
			names[index] = link.Attrs().Name
		}
		all[Proxy{names[index], addr}] = true
	}
	return all, nil
}

func (k *Kernel) dumpProxies(family uint8) (messages [][]byte, err error) {
	for range 10 { // a dump may be cut short by a change
		request := nl.NewNetlinkRequest(unix.RTM_GETNEIGH, unix.NLM_F_DUMP)
		request.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: k.dumps}
		request.AddData(&netlink.Ndmsg{Family: family, Flags: netlink.NTF_PROXY})
		if messages, err = request.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWNEIGH); !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	return messages, err
}

// decodeProxy reads a message of RTM_NEWNEIGH (rtnetlink(7)).
func decodeProxy(message []byte) (index int, addr netip.Addr, ours bool) {
	const header = 12 // struct ndmsg
	if len(message) < header || message[10]&netlink.NTF_PROXY == 0 {
		return 0, addr, false
	}
	attrs, err := nl.ParseRouteAttr(message[header:])
	if err != nil {
		return 0, addr, false
	}
	index = int(int32(binary.NativeEndian.Uint32(message[4:])))
	for _, a := range attrs {
		switch a.Attr.Type {
		case netlink.NDA_DST:
			addr, _ = netip.AddrFromSlice(a.Value)
		case netlink.NDA_PROTOCOL:
			ours = len(a.Value) > 0 && a.Value[0] == Protocol
		}
	}
	return index, addr, ours && addr.IsValid()
}

func (k *Kernel) applyProxy(p Proxy, remove bool) error {
	link, err := k.nl.LinkByName(p.Link)
	if _, gone := errors.AsType[netlink.LinkNotFoundError](err); gone && remove {
		return nil
	}
	if err != nil {
		return err
	}
	request := nl.NewNetlinkRequest(unix.RTM_NEWNEIGH, unix.NLM_F_CREATE|unix.NLM_F_REPLACE|unix.NLM_F_ACK)
	if remove {
		request = nl.NewNetlinkRequest(unix.RTM_DELNEIGH, unix.NLM_F_ACK)
	}
	request.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: k.dumps}
	family := uint8(unix.AF_INET6)
	if p.Addr.Is4() {
		family = unix.AF_INET
	}
	request.AddData(&netlink.Ndmsg{
		Family: family, Index: uint32(link.Attrs().Index), State: netlink.NUD_PERMANENT, Flags: netlink.NTF_PROXY,
	})
	request.AddData(nl.NewRtAttr(netlink.NDA_DST, p.Addr.AsSlice()))
	request.AddData(nl.NewRtAttr(netlink.NDA_PROTOCOL, []byte{Protocol}))
	_, err = request.Execute(unix.NETLINK_ROUTE, 0)
	if remove {
		return except(err, unix.ENOENT)
	}
	return err
}
