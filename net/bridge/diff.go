package bridge

import (
	"slices"

	"ispctl"
)

// Diff lists what makes have into want: bridges before the links that are their
// ports, each link up last, and what is left over at the end, ports first.
func Diff(want, have State) []Change {
	var changes []Change
	wants, has := sortedNames(want), sortedNames(have)
	for _, kind := range []Kind{Bridge, VLAN, VMAC, Tap, Vif} {
		for _, name := range wants {
			if w := want[name]; w.Kind == kind {
				changes = append(changes, mend(w, have)...)
			}
		}
	}
	for _, kind := range []Kind{Tap, VMAC, VLAN, Bridge} {
		for _, name := range has {
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
	if w.Kind == VLAN {
		l.ID, l.MTU = w.ID, w.MTU // it is made with it, for the trunk's may be less than the usual
	}
	return l
}

// mend brings one link to what is wanted.
func mend(w Link, have State) []Change {
	var changes []Change
	do := func(a Act) { changes = append(changes, Change{Act: a, Link: w}) }
	h, there := have[w.Name]
	if there && (h.Kind != w.Kind || h.Parent != w.Parent || h.ID != w.ID) {
		changes = append(changes, Change{Act: Replace, Link: h})
		there = false
	}
	switch {
	case !there && w.Kind == Vif:
		return changes // it comes with its guest, and is adopted then
	case !there:
		do(Add)
		h = fresh(w)
	}
	if w.Filtering != h.Filtering {
		do(SetFiltering)
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
	changes = append(changes, mendVLANs(w, h, have)...)
	if w.Isolated != h.Isolated || w.Isolated && w.Master != h.Master {
		do(SetIsolated) // after the master: a port forgets it when it changes bridge
	}
	if w.Up && !h.Up {
		do(SetUp)
	}
	return changes
}

// mendVLANs says what may pass a port. It comes after the master: a port forgets
// it when it changes bridge, and all ports do when their bridge begins to keep
// VLANs apart.
func mendVLANs(w, h Link, have State) []Change {
	var changes []Change
	seen := h.VLANs
	switch {
	case w.Master != h.Master, w.Kind == Bridge && !h.Filtering, w.Kind != Bridge && !have[w.Master].Filtering:
		seen = nil
	}
	for _, v := range seen {
		if !slices.Contains(w.VLANs, v) {
			changes = append(changes, Change{Act: DelVLAN, Link: w, VLAN: v})
		}
	}
	for _, v := range w.VLANs {
		if !slices.Contains(seen, v) {
			changes = append(changes, Change{Act: AddVLAN, Link: w, VLAN: v})
		}
	}
	return changes
}
