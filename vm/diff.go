package vm

import (
	"cmp"
	"path"
	"slices"
)

// Diff lists what makes have into want, by name of the domain: its definition
// before its start, and what is left over at the end.
func Diff(want, have State) []Change {
	var changes []Change
	for _, w := range byName(want) {
		h, there := have[w.UUID]
		changes = append(changes, one(w, h, there)...)
	}
	for _, h := range byName(have) {
		if _, wanted := want[h.UUID]; !wanted {
			changes = append(changes, Change{Act: Remove, Domain: h})
		}
	}
	return changes
}

// one lists what makes h into w.
func one(w, h Domain, there bool) []Change {
	var changes []Change
	do := func(act Act) { changes = append(changes, Change{Act: act, Domain: w}) }
	// What runs keeps the disk it was started with. It is ended before its
	// definition is changed: cut off between the two, the next pass still sees
	// the old one.
	if h.Running && w.Running && rebuilt(w, h) {
		do(Kill)
		h.Running, h.Paused = false, false
	}
	if h.Running && w.Running && w.Tuning != h.Tuning {
		// Before the definition, since what that says already is not looked
		// for in the guest that runs.
		changes = append(changes, Change{Act: Tune, Domain: w, Was: h.Tuning})
	}
	if h.Running && w.Running {
		changes = append(changes, plugs(w, h)...)
	}
	if there && h.Name != w.Name {
		changes = append(changes, Change{Act: Undefine, Domain: h})
	}
	if !there || !w.sameDefinition(h) {
		do(Define)
	}
	switch {
	case w.Running && !h.Running:
		do(Start)
	case h.Running && !w.Running && w.CutOff:
		do(Kill)
	case h.Running && !w.Running && h.Paused:
		do(Resume) // or it would not hear
		do(Stop)
	case h.Running && !w.Running:
		do(Stop)
	}
	switch {
	case w.Paused && !h.Paused:
		do(Pause)
	case h.Paused && !w.Paused && w.Running:
		do(Resume)
	}
	return changes
}

// rebuilt reports whether the domain has the disk of an earlier generation. Any
// other disk is somebody's mistake in the definition, for which nothing that
// runs is ended.
func rebuilt(w, h Domain) bool {
	return h.Disk != w.Disk && path.Dir(h.Disk) == path.Dir(w.Disk) && path.Ext(h.Disk) == path.Ext(w.Disk)
}

func byName(s State) []Domain {
	all := make([]Domain, 0, len(s))
	for _, d := range s {
		all = append(all, d)
	}
	slices.SortFunc(all, func(a, b Domain) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.UUID, b.UUID))
	})
	return all
}
