package cgroup

import (
	"maps"
	"path"
	"slices"
)

// Diff lists what makes have into want: the group that holds the others first,
// and last when it goes.
func Diff(want, have State) []Change {
	var changes []Change
	for _, p := range slices.SortedFunc(maps.Keys(want), byDepth) {
		h, there := have[p]
		if !there || h != want[p] {
			changes = append(changes, Change{Path: p, Group: want[p], There: there})
		}
	}
	for _, p := range slices.Backward(slices.SortedFunc(maps.Keys(have), byDepth)) {
		if _, wanted := want[p]; !wanted {
			changes = append(changes, Change{Path: p, Group: have[p], There: true, Gone: true})
		}
	}
	return changes
}

// byDepth sorts the numbers by their size.
func byDepth(a, b string) int {
	if path.Dir(a) != path.Dir(b) {
		if a < b {
			return -1
		}
		return 1
	}
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
