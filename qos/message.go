package qos

import (
	"encoding/binary"
	"math"

	"golang.org/x/sys/unix"

	"ispctl"
	"ispctl/internal/nlattr"
)

// What linux/pkt_sched.h, linux/pkt_cls.h and linux/rtnetlink.h number.
const (
	tcmsgLen     = 20
	tcaKind      = 1
	tcaOptions   = 2
	htbParms     = 1
	htbInit      = 2
	htbDirect    = 5
	htbRate64    = 6
	htbCeil64    = 7
	bpfAct       = 1
	bpfOpsLen    = 4
	bpfOps       = 5
	actKind      = 1
	actOptions   = 2
	mirredParms  = 2
	egressRedir  = 1
	actStolen    = 4
	atRoot       = 0xffffffff
	ingressQdisc = 0xffff0000
	ingressPlace = 0xfffffff1
	atIngress    = 0xfffffff2
	atEgress     = 0xfffffff3
)

// directPackets is how many frames of no class may wait: an ifb's own length of
// queue is 32.
const directPackets = 1000

// tcmsg is struct tcmsg.
type tcmsg struct{ index, handle, parent, info uint32 }

func (t tcmsg) bytes() []byte {
	b := make([]byte, 4, 256)
	for _, n := range []uint32{t.index, t.handle, t.parent, t.info} {
		b = binary.NativeEndian.AppendUint32(b, n)
	}
	return b
}

func readTcmsg(b []byte) (t tcmsg, attrs nlattr.Attributes, ok bool) {
	if len(b) < tcmsgLen {
		return t, nil, false
	}
	n := func(at int) uint32 { return binary.NativeEndian.Uint32(b[at:]) }
	return tcmsg{n(4), n(8), n(12), n(16)}, b[tcmsgLen:], true
}

func object(t tcmsg, kind string, options []byte) []byte {
	b := attr(t.bytes(), tcaKind, text(kind))
	if options != nil {
		b = attr(b, tcaOptions, options)
	}
	return b
}

const (
	create  = unix.NLM_F_CREATE
	replace = unix.NLM_F_CREATE | unix.NLM_F_REPLACE
)

// addRoot makes the root; flags are those for one that is there already.
func addRoot(index uint32, rest, flags uint16) message {
	var glob []byte // struct tc_htb_glob: version, r2q, default
	for _, n := range []uint32{3, 10, uint32(rest), 0, 0} {
		glob = append(glob, number(n)...)
	}
	options := attr(attr(nil, htbInit, glob), htbDirect, number(directPackets))
	return message{unix.RTM_NEWQDISC, create | flags, object(tcmsg{index, Major << 16, atRoot, 0}, "htb", options)}
}

func delRoot(index uint32) message {
	return message{unix.RTM_DELQDISC, 0, tcmsg{index, Major << 16, atRoot, 0}.bytes()}
}

func parent(minor uint16) uint32 { return Major<<16 | uint32(minor) }

func setClass(index uint32, c Class) message {
	var opt []byte // struct tc_htb_opt
	for _, r := range []ispctl.Rate{c.Rate, c.Ceil} {
		opt = append(opt, 0, 1, 0, 0, 0, 0, 0, 0) // no table of rates: the link is Ethernet
		opt = append(opt, number(uint32(min(int64(r/8), math.MaxUint32)))...)
	}
	for _, n := range []uint32{c.Buffer, c.Cbuffer, c.turn(), 0, c.Prio} {
		opt = append(opt, number(n)...)
	}
	options := attr(nil, htbParms, opt)
	for kind, r := range [...]ispctl.Rate{htbRate64: c.Rate, htbCeil64: c.Ceil} {
		if r/8 > math.MaxUint32 {
			options = attr(options, uint16(kind), binary.NativeEndian.AppendUint64(nil, uint64(r/8)))
		}
	}
	up := parent(c.Parent)
	return message{unix.RTM_NEWTCLASS, replace, object(tcmsg{index, parent(c.Minor), up, 0}, "htb", options)}
}

// htbOptLen is the size of struct tc_htb_opt.
const htbOptLen = 44

// readClass reads a class as it is dumped. One that is no HTB class of ours is
// none.
func readClass(t tcmsg, attrs nlattr.Attributes) (Class, bool) {
	options := attrs.Find(tcaOptions)
	opt := options.Find(htbParms)
	if t.handle>>16 != Major || len(opt) < htbOptLen {
		return Class{}, false
	}
	n := func(at int) uint32 { return binary.NativeEndian.Uint32(opt[at:]) }
	rate := func(at int, wide uint16) ispctl.Rate {
		if b := options.Find(wide); len(b) == 8 {
			return ispctl.Rate(binary.NativeEndian.Uint64(b)) * 8
		}
		return ispctl.Rate(n(at)) * 8
	}
	c := Class{
		Minor: uint16(t.handle), Rate: rate(8, htbRate64), Ceil: rate(20, htbCeil64),
		Buffer: n(24), Cbuffer: n(28),
	}
	if level := n(36); level == 0 {
		c.Quantum, c.Prio = n(32), n(40)
	}
	if t.parent != atRoot {
		c.Parent = uint16(t.parent)
	}
	return c, true
}

func delClass(index uint32, minor uint16) message {
	return message{unix.RTM_DELTCLASS, 0, tcmsg{index, parent(minor), 0, 0}.bytes()}
}

func setLeaf(index uint32, c Class) message {
	options := []byte{}
	if c.Leaf == FIFO {
		options = number(c.Limit)
	}
	return message{unix.RTM_NEWQDISC, replace, object(tcmsg{index, 0, parent(c.Minor), 0}, string(c.Leaf), options)}
}

// filterInfo is preference and protocol (ETH_P_ALL) of our filters.
const filterInfo = preference<<16 | 0x0300

func program(p Program) []byte {
	return attr(attr(nil, bpfOpsLen, short(uint16(len(p)/instruction))), bpfOps, []byte(p))
}

func setProgram(index uint32, p Program) message {
	return message{unix.RTM_NEWTFILTER, replace, object(tcmsg{index, handle, Major << 16, filterInfo}, "bpf", program(p))}
}

func getProgram(index uint32) message {
	return message{unix.RTM_GETTFILTER, 0, object(tcmsg{index, handle, Major << 16, filterInfo}, "bpf", nil)}
}

func delProgram(index uint32) message {
	return message{unix.RTM_DELTFILTER, 0, object(tcmsg{index, handle, Major << 16, filterInfo}, "bpf", nil)}
}

func addIngress(index uint32) message {
	return message{unix.RTM_NEWQDISC, create | unix.NLM_F_EXCL, object(tcmsg{index, ingressQdisc, ingressPlace, 0}, "ingress", nil)}
}

// addClsact makes the place for filters of both directions, which bears the same
// number as that for one.
func addClsact(index uint32) message {
	return message{unix.RTM_NEWQDISC, create | unix.NLM_F_EXCL, object(tcmsg{index, ingressQdisc, ingressPlace, 0}, "clsact", nil)}
}

// redirect sends what a program matches to another interface: what comes in, or
// what goes out.
func redirect(index, place uint32, which Program, to uint32) message {
	options := append(program(which), redirected(to)...)
	return message{unix.RTM_NEWTFILTER, replace, object(tcmsg{index, handle, place, filterInfo}, "bpf", options)}
}

// redirected is the action of a filter that takes what it matches elsewhere.
func redirected(to uint32) []byte {
	parms := make([]byte, 0, 28) // struct tc_mirred
	for _, n := range []uint32{0, 0, actStolen, 0, 0, egressRedir, to} {
		parms = append(parms, number(n)...)
	}
	action := attr(attr(nil, actKind, text("mirred")), actOptions, attr(nil, mirredParms, parms))
	return attr(nil, bpfAct, attr(nil, 1, action))
}

func getRedirect(index, place uint32) message {
	return message{unix.RTM_GETTFILTER, 0, object(tcmsg{index, handle, place, filterInfo}, "bpf", nil)}
}

func delRedirect(index, place uint32) message {
	return message{unix.RTM_DELTFILTER, 0, object(tcmsg{index, handle, place, filterInfo}, "bpf", nil)}
}

// readProgram reads a filter as it is told; nothing: there is none.
func readProgram(answer []byte) Program {
	_, attrs, ok := readTcmsg(answer)
	if !ok {
		return ""
	}
	return Program(attrs.Find(tcaOptions).Find(bpfOps))
}

// readRedirect is what a filter sends, and to which interface; 0: none.
func readRedirect(answer []byte) (which Program, to uint32) {
	_, attrs, ok := readTcmsg(answer)
	if !ok {
		return "", 0
	}
	options := attrs.Find(tcaOptions)
	parms := options.Find(bpfAct).Find(1).Find(actOptions).Find(mirredParms)
	if len(parms) < 28 || binary.NativeEndian.Uint32(parms[20:]) != egressRedir {
		return "", 0
	}
	return Program(options.Find(bpfOps)), binary.NativeEndian.Uint32(parms[24:])
}

func ifinfo(index, flags, change uint32) []byte {
	b := make([]byte, 4, 128)
	for _, n := range []uint32{index, flags, change} {
		b = binary.NativeEndian.AppendUint32(b, n)
	}
	return b
}

// The link attributes in use (linux/if_link.h).
const (
	linkInfo     = 18
	linkInfoKind = 1
	linkTxQueues = 31
	linkRxQueues = 32
)

// shaperMTU is less than what IPv6 asks of a link (RFC 8200, 5). So the kernel
// gives a shaper no address of IPv6 and no settings for it, which took most of
// the time that it takes to bring one up. Frames of any size pass: nothing here
// sends by its MTU.
const shaperMTU = 1279

func addShaper(name string, group uint32) message { return addIFB(name, group, 1) }

func addIFB(name string, group, queues uint32) message {
	b := attr(ifinfo(0, 0, 0), unix.IFLA_IFNAME, text(name))
	b = attr(b, unix.IFLA_MTU, number(shaperMTU))
	b = attr(b, unix.IFLA_GROUP, number(group))
	b = attr(attr(b, linkTxQueues, number(queues)), linkRxQueues, number(1))
	b = attr(b, linkInfo, attr(nil, linkInfoKind, text("ifb")))
	return message{unix.RTM_NEWLINK, create | unix.NLM_F_EXCL, b}
}

func setUp(name, alias string) message {
	b := attr(ifinfo(0, unix.IFF_UP, unix.IFF_UP), unix.IFLA_IFNAME, text(name))
	return message{unix.RTM_NEWLINK, 0, attr(b, unix.IFLA_IFALIAS, []byte(alias))}
}

func delShaper(index uint32) message { return message{unix.RTM_DELLINK, 0, ifinfo(index, 0, 0)} }
