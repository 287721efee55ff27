package images

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"ispctl"
)

// DataDisk is a data disk of a guest: a qcow2 that stands alone.
type DataDisk struct {
	Name string      // of the file, see [ispctl.Disk.File]
	Size ispctl.Size // 0: it cannot be read
}

// dataPattern is the names of data disks.
var dataPattern = regexp.MustCompile(`^data-[1-9][0-9]*\.qcow2$`)

// desiredData are the data disks of a VM, in the order of their names.
func desiredData(vm ispctl.VM) []DataDisk {
	var all []DataDisk
	for _, d := range vm.Disks {
		all = append(all, DataDisk{Name: d.File(), Size: d.Size})
	}
	slices.SortFunc(all, func(a, b DataDisk) int { return compareNumbered(a.Name, b.Name) })
	return all
}

// compareNumbered orders names that differ in their numbers: one of more digits
// is the larger.
func compareNumbered(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}

// observeData reads the heads of the data disks. One that cannot be read is
// there all the same, so that nothing is made in its place.
func observeData(dir string) ([]DataDisk, error) {
	names, err := numbered(dir, dataPattern)
	if err != nil {
		return nil, err
	}
	var all []DataDisk
	for _, name := range names {
		o, err := readDisk(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrPermission) {
			return nil, err
		}
		if err != nil || o.Backing != "" {
			o.Size = 0
		}
		all = append(all, DataDisk{Name: name, Size: o.Size})
	}
	return all, nil
}

// readDisk is ReadOverlay of what is a regular file.
func readDisk(path string) (Overlay, error) {
	st, err := os.Lstat(path)
	if err != nil {
		return Overlay{}, err
	}
	if !st.Mode().IsRegular() {
		return Overlay{}, fmt.Errorf("%s is no regular file", path)
	}
	return ReadOverlay(path)
}

// numbered are the files of a directory whose names match, by their numbers.
func numbered(dir string, pattern *regexp.Regexp) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if pattern.MatchString(e.Name()) {
			names = append(names, e.Name())
		}
	}
	slices.SortFunc(names, compareNumbered)
	return names, nil
}

// diffData lists what makes the data disks those wanted, and the names of those
// that are too many.
func diffData(uuid string, w, h GuestFiles) (changes []Change, made bool, stale []string) {
	for _, want := range w.Data {
		one := w.file(want.Name, want.Size)
		i := slices.IndexFunc(h.Data, func(d DataDisk) bool { return d.Name == want.Name })
		switch {
		case i < 0:
			made = true
			changes = append(changes, Change{Op: CreateData, UUID: uuid, Files: one})
		case h.Data[i].Size < want.Size:
			changes = append(changes, Change{Op: GrowDisk, UUID: uuid, Files: one})
		}
	}
	for _, have := range h.Data {
		if !slices.ContainsFunc(w.Data, func(d DataDisk) bool { return d.Name == have.Name }) {
			stale = append(stale, have.Name)
		}
	}
	return changes, made, stale
}

// file is the guest with another of its files in the place of the first disk.
func (g GuestFiles) file(name string, size ispctl.Size) GuestFiles {
	g.Disk, g.Size = name, size
	return g
}

// paths are the files that the guest's process owns.
func (g GuestFiles) paths() []string {
	var all []string
	for _, name := range append([]string{g.Disk, seedFile, g.Rescue}, dataNames(g.Data)...) {
		if name != "" {
			all = append(all, filepath.Join(g.Dir, name))
		}
	}
	return all
}

func dataNames(all []DataDisk) []string {
	names := make([]string, len(all))
	for i, d := range all {
		names[i] = d.Name
	}
	return names
}
