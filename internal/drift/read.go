package drift

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Sizes of the headers before the attributes.
const (
	nfgenSize   = 4  // struct nfgenmsg
	linkSize    = 16 // struct ifinfomsg
	addrSize    = 8  // struct ifaddrmsg
	routeSize   = 12 // struct rtmsg
	shaperSize  = 20 // struct tcmsg
	indexOffset = 4  // of the link's number in ifinfomsg, ifaddrmsg and tcmsg
	protoOffset = 5  // of the protocol in rtmsg
)

// tableAttr is the attribute that names the table, in every message of nftables
// but the one that ends a transaction.
const tableAttr = unix.NFTA_TABLE_NAME

// Attributes of NFT_MSG_NEWGEN (enum nft_gen_attributes).
const (
	genPID  = 2
	genName = 3
)

// nftables reads what is said of tables. A transaction is told in many messages
// and ends with one that says who made it; it is one event.
func (w *Watch) nftables() func(netlink.Message) (Event, bool) {
	touched := false
	return func(m netlink.Message) (Event, bool) {
		if len(m.Data) < nfgenSize || m.Header.Type>>8 != unix.NFNL_SUBSYS_NFTABLES {
			return Event{}, false
		}
		attrs, err := netlink.NewAttributeDecoder(m.Data[nfgenSize:])
		if err != nil {
			return Event{}, false
		}
		if m.Header.Type&0xff == unix.NFT_MSG_NEWGEN {
			e := Event{What: "nftables", By: author(attrs)}
			ours := touched
			touched = false
			return e, ours
		}
		for attrs.Next() {
			if attrs.Type() == tableAttr && strings.HasPrefix(attrs.String(), w.marks.Tables) {
				touched = true
			}
		}
		return Event{}, false
	}
}

func author(attrs *netlink.AttributeDecoder) string {
	var pid uint32
	var name string
	attrs.ByteOrder = binary.BigEndian
	for attrs.Next() {
		switch attrs.Type() {
		case genPID:
			pid = attrs.Uint32()
		case genName:
			name = attrs.String()
		}
	}
	if pid == 0 || attrs.Err() != nil {
		return ""
	}
	return fmt.Sprintf("%s, process %d", name, pid)
}

// route reads what is said of everything else.
func (w *Watch) route(m netlink.Message) (Event, bool) {
	switch m.Header.Type {
	case unix.RTM_NEWLINK, unix.RTM_DELLINK:
		return w.link(m)
	case unix.RTM_NEWADDR, unix.RTM_DELADDR:
		return w.onLink(m, addrSize, "address on ")
	case unix.RTM_NEWQDISC, unix.RTM_DELQDISC, unix.RTM_NEWTCLASS, unix.RTM_DELTCLASS, unix.RTM_NEWTFILTER, unix.RTM_DELTFILTER:
		return w.onLink(m, shaperSize, "shaper of ")
	case unix.RTM_NEWROUTE, unix.RTM_DELROUTE:
		ours := len(m.Data) >= routeSize && m.Data[protoOffset] == w.marks.Protocol
		return Event{What: "route"}, ours
	case unix.RTM_NEWRULE, unix.RTM_DELRULE:
		return Event{What: "routing rule"}, true
	case unix.RTM_NEWNETCONF:
		return Event{What: "forwarding"}, true
	}
	return Event{}, false
}

func (w *Watch) link(m netlink.Message) (Event, bool) {
	if len(m.Data) < linkSize {
		return Event{}, false
	}
	attrs, err := netlink.NewAttributeDecoder(m.Data[linkSize:])
	if err != nil {
		return Event{}, false
	}
	var name string
	var group uint32
	for attrs.Next() {
		switch attrs.Type() {
		case unix.IFLA_IFNAME:
			name = attrs.String()
		case unix.IFLA_GROUP:
			group = attrs.Uint32()
		}
	}
	index := index(m)
	before, was := w.ours[index]
	now, is := w.know(index, name, group)
	if !is {
		now = before // it was ours, and somebody renamed it
		delete(w.ours, index)
	}
	if m.Header.Type == unix.RTM_DELLINK {
		delete(w.ours, index)
	}
	return Event{What: "link " + now}, is || was
}

func (w *Watch) onLink(m netlink.Message, size int, what string) (Event, bool) {
	if len(m.Data) < size {
		return Event{}, false
	}
	name, ours := w.ours[index(m)]
	return Event{What: what + name}, ours
}

func index(m netlink.Message) int32 {
	return int32(binary.NativeEndian.Uint32(m.Data[indexOffset:]))
}
