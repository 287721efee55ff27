package qos

import (
	"fmt"
	"maps"
	"slices"
)

// mendCrowds makes crowds before anything is sent to them.
func mendCrowds(want, have State) []Change {
	var changes []Change
	for _, dev := range slices.Sorted(maps.Keys(want.Crowds)) {
		w, h := want.Crowds[dev], have.Crowds[dev]
		do := func(c Change) {
			c.Device = dev
			changes = append(changes, c)
		}
		if _, there := have.Crowds[dev]; !there {
			do(Change{Act: AddCrowd})
		}
		if !h.Filled {
			do(Change{Act: FillCrowd})
			h.Queues = nil
		}
		for _, n := range slices.Sorted(maps.Keys(w.Queues)) {
			was, there := h.Queues[n]
			if !there {
				was = idleQueue()
			}
			if was != w.Queues[n] {
				do(Change{Act: SetQueue, Place: n, Queue: w.Queues[n], Releaf: was.Leaf != w.Queues[n].Leaf})
			}
		}
		for _, n := range slices.Sorted(maps.Keys(h.Queues)) {
			if _, wanted := w.Queues[n]; !wanted {
				do(Change{Act: SetQueue, Place: n, Queue: idleQueue(), Releaf: h.Queues[n].Leaf != FIFO})
			}
		}
		if !h.Up {
			do(Change{Act: UpCrowd})
		}
	}
	for _, from := range slices.Sorted(maps.Keys(want.Sends)) {
		for _, n := range slices.Sorted(maps.Keys(want.Sends[from])) {
			if to := want.Sends[from][n]; have.Sends[from][n] != to {
				changes = append(changes, Change{Act: Send, Device: from, Crowd: n, Inbound: to})
			}
		}
	}
	return changes
}

// pruneCrowds takes away what is sent to crowds, then those.
func pruneCrowds(want, have State) []Change {
	var changes []Change
	for _, from := range slices.Sorted(maps.Keys(have.Sends)) {
		for _, n := range slices.Sorted(maps.Keys(have.Sends[from])) {
			if _, wanted := want.Sends[from][n]; !wanted {
				changes = append(changes, Change{Act: Unsend, Device: from, Crowd: n})
			}
		}
	}
	for _, dev := range slices.Sorted(maps.Keys(have.Crowds)) {
		if _, wanted := want.Crowds[dev]; !wanted {
			changes = append(changes, Change{Act: DelCrowd, Device: dev})
		}
	}
	return changes
}

// crowdText is a change of a crowd as ip(8) and tc(8) have it. The program that
// [Send] loads is in no file that they could be given: it is said in words.
func (c Change) crowdText() string {
	switch c.Act {
	case AddCrowd:
		return fmt.Sprintf("ip link add %s mtu %d numtxqueues %d numrxqueues 1 type ifb", c.Device, shaperMTU, crowdSize)
	case FillCrowd:
		return fmt.Sprintf("tc qdisc add dev %s root handle %x: mq && for n in $(seq 0 %d); do tc qdisc replace dev %s parent %x:$(printf %%x $((n + 1))) handle $(printf %%x $((n + %d))): %s; done",
			c.Device, Major, crowdSize-1, c.Device, Major, firstQueue, idleQueue().text())
	case SetQueue:
		text := fmt.Sprintf("tc qdisc replace dev %s parent %x:%x handle %x: %s", c.Device, Major, int(c.Place)+1, queueHandle(c.Place)>>16, c.Queue.text())
		if c.Releaf {
			text += fmt.Sprintf(" && tc qdisc replace dev %s parent %x:1 %s", c.Device, queueHandle(c.Place)>>16, Class{Leaf: c.Queue.Leaf, Limit: c.Queue.Limit}.leafText())
		}
		return text
	case UpCrowd:
		return fmt.Sprintf("ip link set dev %s alias %q up", c.Device, crowdAlias)
	case Send:
		return fmt.Sprintf("tc qdisc replace dev %s clsact; tc filter replace dev %s egress protocol all pref %d handle %d bpf (of priority %x:%02x00 to %x:%02xff, each to the queue of its last byte) action mirred egress redirect dev %s",
			c.Device, c.Device, crowdPreference, c.Crowd, Major, c.Crowd, Major, c.Crowd, c.Inbound)
	case Unsend:
		return fmt.Sprintf("tc filter del dev %s egress protocol all pref %d handle %d bpf", c.Device, crowdPreference, c.Crowd)
	default: // DelCrowd
		return fmt.Sprintf("ip link del %s", c.Device)
	}
}

// crowdAlias says to people what the interface is for.
const crowdAlias = "queues of guests, by their number"

func (q Queue) text() string {
	return fmt.Sprintf("tbf rate %s burst %db limit %d", q.Rate, bytes(q.Buffer, q.Rate), q.Limit)
}
