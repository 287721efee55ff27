package qos

import (
	"maps"
	"slices"
)

// Diff lists what makes have into want: the shaper and both trees of a port
// first, and the redirection into it last, so that nothing ever waits where
// nothing is let out.
func Diff(want, have State) []Change {
	var changes []Change
	for _, tap := range slices.Sorted(maps.Keys(want.Ports)) {
		changes = append(changes, mend(want.Ports[tap], have.Ports[tap])...)
	}
	if want.Inbound.Device != "" && have.Inbound.Device == "" {
		changes = append(changes, Change{Act: AddInbound, Device: want.Inbound.Device})
	}
	for _, dev := range slices.Sorted(maps.Keys(want.Uplink)) {
		changes = append(changes, mendTree(Port{}, dev, want.Uplink[dev], have.Uplink[dev])...)
	}
	changes = append(changes, divert(want.Inbound, have.Inbound)...)
	changes = append(changes, mendCrowds(want, have)...)
	for _, tap := range slices.Sorted(maps.Keys(have.Ports)) {
		if _, wanted := want.Ports[tap]; !wanted {
			changes = append(changes, Change{Act: Release, Port: have.Ports[tap]})
		}
	}
	for _, bridge := range slices.Sorted(maps.Keys(have.Inbound.Bridges)) {
		if _, wanted := want.Inbound.Bridges[bridge]; !wanted {
			changes = append(changes, Change{Act: Straight, Device: bridge})
		}
	}
	if want.Inbound.Device == "" && have.Inbound.Device != "" {
		changes = append(changes, Change{Act: DelInbound, Device: have.Inbound.Device}) // with its tree
	}
	for _, dev := range slices.Sorted(maps.Keys(have.Uplink)) {
		if dev == have.Inbound.Device && want.Inbound.Device == "" {
			continue
		}
		if _, wanted := want.Uplink[dev]; !wanted {
			changes = append(changes, Change{Act: DelRoot, Device: dev})
		}
	}
	return append(changes, pruneCrowds(want, have)...)
}

// divert lets the bridges send through the inbound interface when it has its
// tree and is up.
func divert(w, h Inbound) []Change {
	if w.Device == "" {
		return nil
	}
	var changes []Change
	if !h.Up {
		changes = append(changes, Change{Act: UpInbound, Device: w.Device})
	}
	for _, bridge := range slices.Sorted(maps.Keys(w.Bridges)) {
		if p, there := h.Bridges[bridge]; !there || p != w.Bridges[bridge] {
			changes = append(changes, Change{Act: Divert, Device: bridge, Inbound: w.Device, Program: w.Bridges[bridge]})
		}
	}
	return changes
}

func mend(w, h Port) []Change {
	var changes []Change
	do := func(a Act) { changes = append(changes, Change{Act: a, Port: w}) }
	if h.Shaper == "" {
		do(AddShaper)
	}
	// A device that is up would be stopped and started for its first qdisc.
	changes = append(changes, mendTree(w, w.Shaper, w.FromGuest, h.FromGuest)...)
	if !h.Up || h.Alias != w.Alias {
		do(SetUp)
	}
	changes = append(changes, mendTree(w, w.Tap, w.ToGuest, h.ToGuest)...)
	if !h.Redirected {
		do(Redirect)
	}
	return changes
}

// mendTree brings a tree to what is wanted: classes are made before frames are
// sent to them, and go when none are sent there any more.
func mendTree(p Port, dev string, w, h Tree) []Change {
	var changes []Change
	do := func(a Act, c Class) {
		changes = append(changes, Change{Act: a, Port: p, Device: dev, Class: c, Program: w.Program})
	}
	if h.Rooted && h.Default != w.Default {
		// The kernel changes it in no tree that is there.
		do(ReplaceRoot, Class{})
		h = Tree{}
	}
	if !h.Rooted {
		do(AddRoot, Class{Minor: w.Default})
		h = Tree{}
	}
	for _, c := range w.Classes {
		old := find(h.Classes, c.Minor)
		if old.Minor != 0 && old.Parent != c.Parent {
			// A class stays where it was made.
			do(DelClass, old)
			old = Class{}
		}
		if !old.sameShape(c) {
			do(SetClass, c)
		}
		if c.Leaf != "" && (old.Leaf != c.Leaf || old.Limit != c.Limit) {
			do(SetLeaf, c)
		}
	}
	switch {
	case w.Program == h.Program:
	case w.Program == "":
		do(DelProgram, Class{})
	default:
		do(SetProgram, Class{})
	}
	for _, c := range slices.Backward(h.Classes) { // those inside first
		if find(w.Classes, c.Minor).Minor == 0 {
			do(DelClass, c)
		}
	}
	return changes
}

func find(classes []Class, minor uint16) Class {
	for _, c := range classes {
		if c.Minor == minor {
			return c
		}
	}
	return Class{}
}

// sameShape compares all but the queue.
func (c Class) sameShape(o Class) bool {
	o.Leaf, o.Limit = c.Leaf, c.Limit
	return c == o
}

// Rerooted is what it takes to bring back the trees to the guest on those taps
// when something has put another root in their place and left the rest.
func Rerooted(want State, taps []string) []Change {
	var changes []Change
	for _, tap := range taps {
		if w, shaped := want.Ports[tap]; shaped {
			changes = append(changes, mendTree(w, w.Tap, w.ToGuest, Tree{})...)
		}
	}
	return changes
}
