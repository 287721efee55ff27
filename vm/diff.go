package vm

import (
	"cmp"
	"slices"
)

// Diff lists what makes have into want, by name of the domain: its definition
// before its start, and what is left over at the end.
func Diff(want, have State) []Change {
	var changes []Change
	for _, w := range byName(want) {
		h, there := have[w.UUID]
		if !there || !w.sameDefinition(h) {
			changes = append(changes, Change{Act: Define, Domain: w})
		}
		switch {
		case w.Running && !h.Running:
			changes = append(changes, Change{Act: Start, Domain: w})
		case h.Running && !w.Running:
			changes = append(changes, Change{Act: Stop, Domain: w})
		}
	}
	for _, h := range byName(have) {
		if _, wanted := want[h.UUID]; !wanted {
			changes = append(changes, Change{Act: Remove, Domain: h})
		}
	}
	return changes
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
