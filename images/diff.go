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
		changes = append(changes, diffFiles(uuid, w, h)...)
	}
	for _, uuid := range slices.Sorted(maps.Keys(have)) {
		_, wanted := want[uuid]
		if of, copied := isCopy(uuid); copied {
			// A guest that has no disk yet takes the copy for its own.
			if _, awaited := want[of]; awaited {
				wanted = have[of].Disk == ""
			}
		}
		if !wanted {
			changes = append(changes, Change{Op: RemoveDir, UUID: uuid, Files: have[uuid]})
		}
	}
	return changes
}

// diffFiles lists what makes the files of one guest those wanted.
func diffFiles(uuid string, w, h GuestFiles) (changes []Change) {
	do := func(op Op, files GuestFiles) { changes = append(changes, Change{Op: op, UUID: uuid, Files: files}) }
	stale := h.Stale
	fresh := h.Seed != w.Seed // what has just been made is root's
	back := h.Disk != w.Disk && h.Disk != "" && w.restored != "" && diskNumber(h.Disk) >= w.built && diskNumber(h.Disk) < diskNumber(w.Disk)
	switch {
	case back:
		changes = append(changes, Change{Op: RestoreDisk, UUID: uuid, Files: w, From: h.Disk, Snapshot: w.restored})
		h.Size = 0 // as it was then
	case h.Disk != w.Disk && h.Disk != "":
		stale, h.Backing, h.Snapshots = append(slices.Clone(stale), h.Disk), "", nil
	}
	switch {
	case h.Backing == "":
		fresh = true
		do(CreateDisk, w)
	case h.Size < w.Size && h.Backing == w.Backing:
		do(GrowDisk, w)
	}
	data, made, staleData := diffData(uuid, w, h)
	changes = append(changes, data...)
	if w.Rescue != "" && h.Rescue == "" {
		made = true
		do(CreateRescue, w)
	}
	if h.Seed != w.Seed {
		do(PutSeed, w)
	}
	if h.Owner != w.Owner || fresh || made {
		do(Own, w)
	}
	changes = append(changes, diffSnapshots(uuid, w, h)...)
	if h.Rescue != "" && w.Rescue == "" {
		stale = append(slices.Clone(stale), h.Rescue)
	}
	for _, name := range append(slices.Clone(stale), staleData...) {
		do(RemoveDisk, w.file(name, w.Size))
	}
	return changes
}

// diffSnapshots lists those to take and those to drop.
func diffSnapshots(uuid string, w, h GuestFiles) (changes []Change) {
	for _, name := range w.Snapshots {
		if !slices.Contains(h.Snapshots, name) {
			changes = append(changes, Change{Op: TakeSnapshot, UUID: uuid, Files: w, Snapshot: name})
		}
	}
	for _, name := range h.Snapshots {
		if !slices.Contains(w.Snapshots, name) {
			changes = append(changes, Change{Op: DropSnapshot, UUID: uuid, Files: w, Snapshot: name})
		}
	}
	return changes
}
