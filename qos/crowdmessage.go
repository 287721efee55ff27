package qos

import (
	"encoding/binary"
	"math"

	"golang.org/x/sys/unix"

	"ispctl"
	"ispctl/internal/nlattr"
)

// What linux/pkt_sched.h and linux/pkt_cls.h number of token buckets and of
// programs that have been loaded.
const (
	tbfParms = 1
	bpfFD    = 6
	bpfName  = 7

	tbfOptLen = 36 // size of struct tc_tbf_qopt
)

// firstQueue is the first half of the handle of a crowd's first queue, and the
// others follow. None is Major.
const firstQueue = 0x1000

func queueHandle(n uint8) uint32 { return (firstQueue + uint32(n)) << 16 }

// crowdPreference is that of the filters that send to crowds. They come before
// the one that sends to the inbound interface.
const (
	crowdPreference = preference - 1
	crowdFilters    = crowdPreference<<16 | 0x0300 // ETH_P_ALL
)

func addCrowd(name string, group uint32) message { return addIFB(name, group, crowdSize) }

// addQueues gives each queue of an interface a place of its own (mq).
func addQueues(index uint32) message {
	return message{unix.RTM_NEWQDISC, create | unix.NLM_F_EXCL, object(tcmsg{index, Major << 16, atRoot, 0}, "mq", nil)}
}

// setQueue makes a shaper, or changes it where it is: what waits in it stays.
func setQueue(index uint32, n uint8, q Queue) message {
	// struct tc_tbf_qopt: two struct tc_ratespec without tables, of which the
	// second is for no peak rate, limit, buffer, mtu.
	opt := []byte{0, 1, 0, 0, 0, 0, 0, 0}
	opt = append(opt, number(uint32(min(int64(q.Rate/8), math.MaxUint32)))...)
	opt = append(opt, make([]byte, 12)...)
	for _, v := range []uint32{q.Limit, q.Buffer, 0} {
		opt = append(opt, number(v)...)
	}
	place := tcmsg{index, queueHandle(n), parent(uint16(n) + 1), 0}
	return message{unix.RTM_NEWQDISC, replace, object(place, "tbf", attr(nil, tbfParms, opt))}
}

func setQueueLeaf(index uint32, n uint8, q Queue) message {
	options := []byte{}
	if q.Leaf == FIFO {
		options = number(q.Limit)
	}
	return message{unix.RTM_NEWQDISC, replace, object(tcmsg{index, 0, queueHandle(n) | 1, 0}, string(q.Leaf), options)}
}

// readQueue reads the options of a token bucket.
func readQueue(options nlattr.Attributes) (Queue, bool) {
	opt := options.Find(tbfParms)
	if len(opt) < tbfOptLen {
		return Queue{}, false
	}
	n := func(at int) uint32 { return binary.NativeEndian.Uint32(opt[at:]) }
	return Queue{Rate: ispctl.Rate(n(8)) * 8, Limit: n(24), Buffer: n(28), Leaf: FIFO}, true
}

// send has what a program matches go to another interface.
func send(index uint32, crowd, program int, to uint32) message {
	options := attr(attr(nil, bpfFD, number(uint32(program))), bpfName, text(senderName(crowd)))
	options = append(options, redirected(to)...)
	return message{unix.RTM_NEWTFILTER, replace, object(tcmsg{index, uint32(crowd), atEgress, crowdFilters}, "bpf", options)}
}

func unsend(index uint32, crowd int) message {
	return message{unix.RTM_DELTFILTER, 0, object(tcmsg{index, uint32(crowd), atEgress, crowdFilters}, "bpf", nil)}
}
