package qos

import (
	"fmt"

	"ispctl/converge"
)

// Act is what a change does.
type Act int

// The acts, in the order a port goes through them.
const (
	AddShaper   Act = iota // make the interface beside the tap, marked
	SetUp                  // say what it is for, and bring it up
	ReplaceRoot            // take a tree away that cannot become what is wanted
	AddRoot                // give a device its tree, empty; what is in no class goes to Class
	SetClass               // make a class, or change it where it is
	SetLeaf                // give a class its queue, or change it where it is
	SetProgram             // say which frame is in which class
	DelProgram             // say nothing of it any more
	DelClass               // nothing is sent to it any more
	Redirect               // let what comes out of the tap wait in the shaper
	AddInbound             // make the interface that what comes in waits in
	UpInbound              // bring it up
	Divert                 // let a zone's bridge send through it what the program says
	Release                // it is left over: all of the above goes
	Straight               // a bridge sends nothing through it any more
	DelRoot                // a tree is left over
	DelInbound             // the interface is

	AddCrowd  // make an interface that many guests have queues in
	FillCrowd // make each of its queues a shaper, which holds nobody up
	SetQueue  // make the queue of a guest what it is to be, or change it where it is
	UpCrowd   // bring the interface up
	Send      // let a bridge, or the uplink, send what is a crowd's to it
	Unsend    // it sends nothing to it any more
	DelCrowd  // the interface is left over
)

// Change is one act on a device of a port, or on an uplink, whose Port names no
// tap.
type Change struct {
	Act     Act
	Port    Port   // as wanted or, of Release, as it was seen
	Device  string // that has the tree, or the bridge
	Inbound string // of Divert and Send, where it leads
	Class   Class
	Program Program

	Crowd  int   // of Send and Unsend
	Place  uint8 // of SetQueue, which of the crowd's
	Queue  Queue
	Releaf bool // how packets wait in it changes, too
}

// Kind is Prune for what is left over and Ensure for all else.
func (c Change) Kind() converge.Kind {
	switch c.Act {
	case Release, Straight, DelRoot, DelInbound, Unsend, DelCrowd:
		return converge.Prune
	default:
		return converge.Ensure
	}
}

// Object is the VM whose port it is, see [converge.Owned].
func (c Change) Object() string { return c.Port.Object() }

// String is the tc(8) or ip(8) command.
func (c Change) String() string {
	switch c.Act {
	case AddShaper:
		return fmt.Sprintf("ip link add %s mtu %d numtxqueues 1 numrxqueues 1 type ifb", c.Port.Shaper, shaperMTU)
	case SetUp:
		return fmt.Sprintf("ip link set dev %s alias %q up", c.Port.Shaper, c.Port.Alias)
	case AddRoot:
		return fmt.Sprintf("tc qdisc add dev %s root handle %x: htb default %x direct_qlen %d", c.Device, Major, c.Class.Minor, directPackets)
	case SetClass:
		k := c.Class
		text := fmt.Sprintf("tc class replace dev %s parent %s classid %s htb rate %s ceil %s burst %db cburst %db quantum %d",
			c.Device, classID(k.Parent), classID(k.Minor), k.Rate, k.Ceil, bytes(k.Buffer, k.Rate), bytes(k.Cbuffer, k.Ceil), k.turn())
		if k.Prio != 0 {
			text += fmt.Sprintf(" prio %d", k.Prio)
		}
		return text
	case SetLeaf:
		return fmt.Sprintf("tc qdisc replace dev %s parent %s %s", c.Device, classID(c.Class.Minor), c.Class.leafText())
	case SetProgram:
		return fmt.Sprintf("tc filter replace dev %s parent %x: protocol all pref %d handle %d bpf bytecode '%s'", c.Device, Major, preference, handle, c.Program)
	case DelProgram:
		return fmt.Sprintf("tc filter del dev %s parent %x: protocol all pref %d", c.Device, Major, preference)
	case DelClass:
		return fmt.Sprintf("tc class del dev %s classid %s", c.Device, classID(c.Class.Minor))
	case Redirect:
		return fmt.Sprintf("tc qdisc replace dev %s ingress && tc filter replace dev %s ingress protocol all pref %d handle %d bpf bytecode '%s' action mirred egress redirect dev %s",
			c.Port.Tap, c.Port.Tap, preference, handle, matchAll, c.Port.Shaper)
	case AddInbound:
		return fmt.Sprintf("ip link add %s mtu %d numtxqueues 1 numrxqueues 1 type ifb", c.Device, shaperMTU)
	case UpInbound:
		return fmt.Sprintf("ip link set dev %s alias %q up", c.Device, inboundAlias)
	case Divert:
		return fmt.Sprintf("tc qdisc replace dev %s clsact && tc filter replace dev %s egress protocol all pref %d handle %d bpf bytecode '%s' action mirred egress redirect dev %s",
			c.Device, c.Device, preference, handle, c.Program, c.Inbound)
	case Straight:
		return fmt.Sprintf("tc filter del dev %s egress pref %d", c.Device, preference)
	case DelInbound:
		return fmt.Sprintf("ip link del %s", c.Device)
	case DelRoot, ReplaceRoot:
		return fmt.Sprintf("tc qdisc del dev %s root", c.Device)
	case AddCrowd, FillCrowd, SetQueue, UpCrowd, Send, Unsend, DelCrowd:
		return c.crowdText()
	default: // Release
		return fmt.Sprintf("tc filter del dev %s ingress pref %d; tc qdisc del dev %s root; ip link del %s", c.Port.Tap, preference, c.Port.Tap, shaperName(c.Port))
	}
}

// inboundAlias says to people what the interface is for.
const inboundAlias = "what comes in by the uplink"

func shaperName(p Port) string {
	if p.Shaper == "" {
		return p.Tap + "u"
	}
	return p.Shaper
}

// The preference and the handle of our filters.
const (
	preference = 5564 // 0x15bc
	handle     = 1
)
