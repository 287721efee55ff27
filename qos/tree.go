package qos

import (
	"fmt"
	"math"

	"ispctl"
)

// Major is the number of our HTB trees: the mark by which they are known again,
// and the first half of their classes' names.
const Major = 0x15bc

// The classes of a tap's tree, by the second half of their names.
const (
	internetClass = 0x1
	restClass     = 0x10 // of what is exchanged with the Internet, all that no flow limit is for
	urgentClass   = 0x11 // of that, what is interactive, and what is bulk, where anybody asks
	bulkClass     = 0x12
	localClass    = 0x20
	firstFlow     = 0x100
)

func flowClass(f ispctl.Flow) uint16 { return firstFlow + uint16(f.Slot) }

// Tree is an HTB qdisc with its classes and its classifier.
type Tree struct {
	Rooted  bool   // the qdisc is there
	Default uint16 // class of what no program and no nftables speaks of; 0: none, and no limit
	Classes []Class
	Program Program
}

func (t Tree) rooted() Tree {
	t.Rooted = true
	return t
}

// Kind is a queueing discipline.
type Kind string

// The leaves we use.
const (
	FQCodel Kind = "fq_codel" // keeps queues short, and flows from each other
	FIFO    Kind = "bfifo"    // where the kernel has nothing better
)

// Class is an HTB class, in the kernel's own terms: what it tells of a class is
// what it was told, to the bit.
type Class struct {
	Minor, Parent   uint16 // of Parent, 0: the root
	Rate, Ceil      ispctl.Rate
	Buffer, Cbuffer uint32 // burst at Rate and at Ceil, in ticks
	Quantum         uint32 // bytes it may send in its turn; of a leaf only, what others are in has no turn
	Leaf            Kind   // empty: classes are in it
	Limit           uint32 // of a FIFO, bytes
	Prio            uint32 // which of the leaves that want more than their rate is asked first
}

func class(minor, parent uint16, rate, ceil ispctl.Rate, burst int64) Class {
	return Class{
		Minor: minor, Parent: parent, Rate: rate, Ceil: ceil,
		Buffer: ticks(burst, rate), Cbuffer: ticks(burst, ceil),
	}
}

func leafClass(minor, parent uint16, rate, ceil ispctl.Rate, burst int64, leaf func() Kind) Class {
	c := class(minor, parent, rate, ceil, burst)
	c.Leaf, c.Quantum = leaf(), quantum(rate)
	if c.Leaf == FIFO {
		c.Limit = fifoLimit(ceil)
	}
	return c
}

// tickNanoseconds is how long a tick of the packet scheduler lasts
// (PSCHED_SHIFT in net/pkt_sched.h, since Linux 2.6.31).
const tickNanoseconds = 64

// ticks is how long so many bytes take at a rate.
func ticks(bytes int64, rate ispctl.Rate) uint32 {
	t := float64(bytes) * 8e9 / float64(rate) / tickNanoseconds
	return uint32(min(math.Ceil(t), math.MaxUint32))
}

// bytes is the reverse of ticks, for the eye.
func bytes(ticks uint32, rate ispctl.Rate) int64 {
	return int64(math.Round(float64(ticks) * tickNanoseconds * float64(rate) / 8e9))
}

// What a class holds when nobody says: twenty milliseconds' worth, in which timers
// may be late without anything being lost, and two frames at least.
const (
	burstPerSecond = 50
	minBurst       = 2 * 1600
)

func defaultBurst(rate ispctl.Rate) int64 { return max(int64(rate)/8/burstPerSecond, minBurst) }

// fifoLimit is a tenth of a second of queue, and room for two of the biggest
// packets that a guest's own segmentation makes.
func fifoLimit(rate ispctl.Rate) uint32 {
	return uint32(min(max(int64(rate)/8/10, 2*65536), 16<<20))
}

// quantum is a share of the excess in proportion to the rate, within what the
// kernel takes without complaint.
func quantum(rate ispctl.Rate) uint32 {
	return uint32(min(max(int64(rate)/8/1000, leastQuantum), mostQuantum))
}

// The bounds of a quantum: a frame, and what HTB calls big.
const (
	leastQuantum = 1514
	mostQuantum  = 200000
)

// turn is the quantum the kernel is given: of a class that others are in, one
// that it does not complain of while it is still alone.
func (c Class) turn() uint32 {
	if c.Quantum == 0 {
		return quantum(c.Rate)
	}
	return c.Quantum
}

// leafText is a leaf as tc(8) has it.
func (c Class) leafText() string {
	if c.Leaf == FIFO {
		return fmt.Sprintf("%s limit %d", c.Leaf, c.Limit)
	}
	return string(c.Leaf)
}

func classID(minor uint16) string {
	if minor == 0 {
		return fmt.Sprintf("%x:", Major)
	}
	return fmt.Sprintf("%x:%x", Major, minor)
}
