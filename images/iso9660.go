package images

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The parts of ISO 9660 (ECMA-119, https://ecma-international.org/publications-and-standards/standards/ecma-119/)
// that a seed consists of, in this order: the descriptor at sector 16 and the
// end of descriptors, a table of directories in either byte order, the
// directories, the files. All of it is a function of the files alone: dates
// are "not specified", which is zeros (8.4.26.1, 9.1.5).
const (
	sectorSize       = 2048
	descriptorSector = 16
	tableSector      = 18 // and the one after
	firstDirectory   = 20
	systemArea       = descriptorSector * sectorSize // which is zeros
	maxDepth         = 8                             // 6.8.2.1
	directoryFlag    = 2                             // 9.1.6
)

// isoDir is a directory of an image.
type isoDir struct {
	name   string
	parent *isoDir
	number uint16 // in the tables
	sector uint32
	size   uint32
	dirs   []*isoDir
	files  []*isoFile
}

type isoFile struct {
	name   string
	sector uint32
	data   []byte
}

// encodeISO writes an image that holds files, by name with slashes between
// directories, and a remark in the field for applications.
func encodeISO(label, remark string, files map[string][]byte) ([]byte, error) {
	root := &isoDir{}
	root.parent = root
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if strings.Count(name, "/") >= maxDepth {
			return nil, fmt.Errorf("the file name %q has more than %d directories", name, maxDepth-1)
		}
		dir := root
		path := strings.Split(name, "/")
		for _, part := range path[:len(path)-1] {
			dir = dir.sub(part)
		}
		dir.files = append(dir.files, &isoFile{name: path[len(path)-1], data: files[name]})
	}
	dirs := layers(root)
	next := uint32(firstDirectory)
	for i, d := range dirs {
		d.number, d.sector, d.size = uint16(i+1), next, uint32(len(d.records()))
		next += d.size / sectorSize
	}
	for _, d := range dirs {
		for _, f := range d.files {
			f.sector = next
			next += sectors(len(f.data))
		}
	}
	image := make([]byte, int(next)*sectorSize)
	at := func(sector uint32) []byte { return image[sector*sectorSize:] }
	little, big := pathTable(dirs, binary.LittleEndian), pathTable(dirs, binary.BigEndian)
	if len(little) > sectorSize {
		return nil, fmt.Errorf("%d directories are too many", len(dirs))
	}
	putDescriptor(at(descriptorSector), label, remark, root, next, len(little))
	copy(at(descriptorSector+1), "\xffCD001\x01")
	copy(at(tableSector), little)
	copy(at(tableSector+1), big)
	for _, d := range dirs {
		copy(at(d.sector), d.records())
		for _, f := range d.files {
			copy(at(f.sector), f.data)
		}
	}
	return image, nil
}

func sectors(size int) uint32 { return uint32((size + sectorSize - 1) / sectorSize) }

func (d *isoDir) sub(name string) *isoDir {
	for _, sub := range d.dirs {
		if sub.name == name {
			return sub
		}
	}
	sub := &isoDir{name: name, parent: d}
	d.dirs = append(d.dirs, sub)
	return sub
}

// layers are all directories in the order of the tables: by depth, then by
// parent, then by name (6.9.1).
func layers(root *isoDir) []*isoDir {
	all := []*isoDir{root}
	for i := 0; i < len(all); i++ {
		slices.SortFunc(all[i].dirs, func(a, b *isoDir) int { return strings.Compare(a.name, b.name) })
		all = append(all, all[i].dirs...)
	}
	return all
}

// records is the content of a directory: itself, its parent, and what is in it
// by name. No record crosses the end of a sector (6.8.1.1).
func (d *isoDir) records() []byte {
	type entry struct {
		name   string
		record []byte
	}
	var entries []entry
	for _, sub := range d.dirs {
		entries = append(entries, entry{sub.name, record(sub.name, sub.sector, sub.size, directoryFlag)})
	}
	for _, f := range d.files {
		name := f.name + ";1"
		entries = append(entries, entry{name, record(name, f.sector, uint32(len(f.data)), 0)})
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	all := record("\x00", d.sector, d.size, directoryFlag)
	all = append(all, record("\x01", d.parent.sector, d.parent.size, directoryFlag)...)
	for _, e := range entries {
		if len(all)%sectorSize+len(e.record) > sectorSize {
			all = pad(all, sectorSize)
		}
		all = append(all, e.record...)
	}
	return pad(all, sectorSize)
}

// record describes one file or directory (9.1).
func record(name string, sector, size uint32, flags byte) []byte {
	r := make([]byte, 33, 33+len(name)+1)
	putBoth32(r[2:], sector)
	putBoth32(r[10:], size)
	r[25] = flags
	putBoth16(r[28:], 1)
	r[32] = byte(len(name))
	r = pad(append(r, name...), 2)
	r[0] = byte(len(r))
	return r
}

// pathTable lists the directories in one byte order (9.4).
func pathTable(dirs []*isoDir, order binary.AppendByteOrder) []byte {
	var table []byte
	for _, d := range dirs {
		name := d.name
		if d.parent == d {
			name = "\x00"
		}
		table = append(table, byte(len(name)), 0)
		table = order.AppendUint32(table, d.sector)
		table = order.AppendUint16(table, d.parent.number)
		table = pad(append(table, name...), 2)
	}
	return table
}

// remarkAt is where the primary volume descriptor leaves 512 bytes to
// applications (8.4.32).
const remarkAt, remarkSize = 883, 512

// putDescriptor writes the primary volume descriptor (8.4). Positions are those
// of table 4, counted from zero.
func putDescriptor(d []byte, label, remark string, root *isoDir, size uint32, table int) {
	copy(d, "\x01CD001\x01")
	for _, text := range [][2]int{{8, 72}, {190, 813}} { // all text fields
		copy(d[text[0]:text[1]], bytes.Repeat([]byte(" "), text[1]-text[0]))
	}
	copy(d[40:], label)
	putBoth32(d[80:], size)
	putBoth16(d[120:], 1) // volumes in the set
	putBoth16(d[124:], 1) // this one
	putBoth16(d[128:], sectorSize)
	putBoth32(d[132:], uint32(table))
	binary.LittleEndian.PutUint32(d[140:], tableSector)
	binary.BigEndian.PutUint32(d[148:], tableSector+1)
	copy(d[156:], record("\x00", root.sector, root.size, directoryFlag))
	for _, date := range []int{813, 830, 847, 864} {
		copy(d[date:], "0000000000000000\x00")
	}
	d[881] = 1 // version of the file structure
	copy(d[remarkAt:remarkAt+remarkSize], remark)
}

func putBoth16(b []byte, v uint16) {
	binary.LittleEndian.PutUint16(b, v)
	binary.BigEndian.PutUint16(b[2:], v)
}

func putBoth32(b []byte, v uint32) {
	binary.LittleEndian.PutUint32(b, v)
	binary.BigEndian.PutUint32(b[4:], v)
}

func pad(b []byte, to int) []byte {
	return append(b, make([]byte, (to-len(b)%to)%to)...)
}
