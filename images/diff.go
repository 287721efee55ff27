package images

import (
	"maps"
	"slices"
)

// Diff lists what is to be done, sorted by guest: directories before what is in
// them, and removals last. It never asks to shrink an overlay or to replace
// one: see the package comment.
func Diff(want, have State) []Change {
	var changes []Change
	for _, uuid := range slices.Sorted(maps.Keys(want)) {
		w := want[uuid]
		h, there := have[uuid]
		if !there {
			changes = append(changes, Change{Op: MakeDir, UUID: uuid, Files: w})
		}
		stale := h.Stale
		if h.Disk != w.Disk && h.Disk != "" {
			stale, h.Backing = append(slices.Clone(stale), h.Disk), ""
		}
		switch {
		case h.Backing == "":
			changes = append(changes, Change{Op: CreateDisk, UUID: uuid, Files: w})
		case h.Size < w.Size && h.Backing == w.Backing:
			changes = append(changes, Change{Op: GrowDisk, UUID: uuid, Files: w})
		}
		if h.Seed != w.Seed {
			changes = append(changes, Change{Op: PutSeed, UUID: uuid, Files: w})
		}
		// What has just been made is root's.
		if h.Owner != w.Owner || h.Backing == "" || h.Seed != w.Seed {
			changes = append(changes, Change{Op: Own, UUID: uuid, Files: w})
		}
		for _, name := range stale {
			old := w
			old.Disk = name
			changes = append(changes, Change{Op: RemoveDisk, UUID: uuid, Files: old})
		}
	}
	for _, uuid := range slices.Sorted(maps.Keys(have)) {
		if _, wanted := want[uuid]; !wanted {
			changes = append(changes, Change{Op: RemoveDir, UUID: uuid, Files: have[uuid]})
		}
	}
	return changes
}
