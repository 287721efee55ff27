package bridge

import (
	"slices"

	"ispctl"
)

// Diff lists what makes have into want: bridges before the taps that are their
// ports, each link up last, and what is left over at the end, taps first.
func Diff(want, have State) []Change {
	var changes []Change
	for _, kind := range []Kind{Bridge, VMAC, Tap} {
		for _, name := range sortedNames(want) {
			if w := want[name]; w.Kind == kind {
				changes = append(changes, mend(w, have)...)
			}
		}
	}
	for _, kind := range []Kind{Tap, VMAC, Bridge} {
		for _, name := range sortedNames(have) {
			if _, wanted := want[name]; !wanted && have[name].Kind == kind {
				changes = append(changes, Change{Act: Remove, Link: have[name]})
			}
		}
	}
	return changes
}

// fresh is a link as it is made.
func fresh(w Link) Link {
	l := Link{Name: w.Name, Kind: w.Kind, Alias: w.Alias, MAC: w.MAC, Parent: w.Parent, MTU: ispctl.DefaultMTU}
	if w.Kind == VMAC {
		l.MTU = 0
	}
	return l
}

// mend brings one link to what is wanted.
func mend(w Link, have State) []Change {
	var changes []Change
	do := func(a Act) { changes = append(changes, Change{Act: a, Link: w}) }
	h, there := have[w.Name]
	if there && (h.Kind != w.Kind || h.Parent != w.Parent) {
		changes = append(changes, Change{Act: Replace, Link: h})
		there = false
	}
	if !there {
		do(Add)
		h = fresh(w)
	}
	if w.MAC != h.MAC {
		do(SetMAC)
	}
	if w.MTU != h.MTU {
		do(SetMTU)
	}
	if w.Alias != h.Alias {
		do(SetAlias)
	}
	if w.Hardened && (!h.Hardened || w.IPv6 != h.IPv6) {
		do(Harden)
	}
	for _, p := range h.Addresses {
		if !slices.Contains(w.Addresses, p) {
			changes = append(changes, Change{Act: DelAddress, Link: w, Prefix: p})
		}
	}
	for _, p := range w.Addresses {
		if !slices.Contains(h.Addresses, p) {
			changes = append(changes, Change{Act: AddAddress, Link: w, Prefix: p})
		}
	}
	if w.Master != h.Master || w.Wire != h.Wire {
		do(SetMaster)
	}
	if w.Isolated != h.Isolated || w.Isolated && w.Master != h.Master {
		do(SetIsolated) // after the master: a port forgets it when it changes bridge
	}
	if w.Up && !h.Up {
		do(SetUp)
	}
	return changes
}
