package foreign

import (
	"bytes"
	"encoding/binary"
	"strings"

	"ispctl"
)

// vmdk is the header of a sparse extent: monolithicSparse, or streamOptimized
// as in an OVA. Everything is little-endian and in sectors.
type vmdk struct {
	version, flags              uint32
	capacity, grain             uint64
	descriptor, descriptorSize  uint64
	entriesPerTable             uint32
	redundant, directory, start uint64
	compression                 uint16
}

// atEnd, as the place of the grain directory, sends the reader to a second
// header at the end of the file.
const atEnd = ^uint64(0)

func judgeVMDK(f file) (Image, error) {
	h, err := readVMDK(f, 0)
	if err != nil {
		return Image{}, err
	}
	if h.directory == atEnd {
		if f.length%sector != 0 {
			return Image{}, refuse("is no whole number of sectors long, so that its footer could be in two places")
		}
		// The footer, between its mark and the end of the stream, is what
		// counts: it could say anything the first header does not.
		foot, err := readVMDK(f, f.length-2*sector)
		if err != nil {
			return Image{}, err
		}
		if foot.directory == atEnd {
			return Image{}, refuse("has a footer that points to a footer")
		}
		first, last := h, foot
		first.directory, last.directory = 0, 0
		if first != last {
			return Image{}, refuse("has a footer that contradicts its header")
		}
		h.directory = foot.directory
	}
	if err := h.check(f); err != nil {
		return Image{}, err
	}
	if err := h.checkDescriptor(f); err != nil {
		return Image{}, err
	}
	size := ispctl.Size(h.capacity * sector)
	return Image{Size: size, Data: size}, nil
}

func readVMDK(f file, offset int64) (vmdk, error) {
	b, err := f.at(offset, sector, "header")
	if err != nil {
		return vmdk{}, err
	}
	if string(b[:4]) != "KDMV" {
		return vmdk{}, refuse("has no footer where its header says that there is one")
	}
	le := binary.LittleEndian
	return vmdk{
		version: le.Uint32(b[4:]), flags: le.Uint32(b[8:]), capacity: le.Uint64(b[12:]), grain: le.Uint64(b[20:]),
		descriptor: le.Uint64(b[28:]), descriptorSize: le.Uint64(b[36:]), entriesPerTable: le.Uint32(b[44:]),
		redundant: le.Uint64(b[48:]), directory: le.Uint64(b[56:]), start: le.Uint64(b[64:]), compression: le.Uint16(b[77:]),
	}, nil
}

// check holds places and lengths against the disk's size and the file's end.
func (h vmdk) check(f file) error {
	sectors := uint64(f.length) / sector
	switch {
	case h.version < 1 || h.version > 3:
		return refuse("is VMDK version %d", h.version)
	case h.capacity == 0:
		return refuse("has no disk of its own: its descriptor names the files that hold it")
	case h.capacity > uint64(ispctl.MaxDisk)/sector:
		return refuse("says that its disk has %d sectors", h.capacity)
	case h.grain < 8 || h.grain > 128 || h.grain&(h.grain-1) != 0:
		return refuse("has grains of %d sectors", h.grain)
	case h.entriesPerTable != 512:
		return refuse("has grain tables of %d entries, not 512", h.entriesPerTable)
	case h.compression > 1:
		return refuse("is compressed by method %d, which is not known", h.compression)
	}
	tables := (h.capacity + h.grain*512 - 1) / (h.grain * 512)
	length := (tables*4 + sector - 1) / sector
	for _, at := range []uint64{h.directory, h.redundant} {
		if at != 0 && (at > sectors || length > sectors-at) {
			return refuse("has its grain directory at sector %d, beyond its own end at %d", at, sectors)
		}
	}
	if h.directory == 0 {
		return refuse("has no grain directory")
	}
	return nil
}

// checkDescriptor reads the text that says what the extent belongs to. QEMU
// looks there for a parent whatever the header says.
func (h vmdk) checkDescriptor(f file) error {
	const most = 20 // sectors; it is text of a few lines
	switch {
	case h.descriptor == 0 || h.descriptorSize == 0:
		return refuse("is part of a disk: it has no descriptor of its own")
	case h.descriptorSize > most || h.descriptor > uint64(f.length)/sector:
		return refuse("has a descriptor of %d sectors at %d", h.descriptorSize, h.descriptor)
	}
	// QEMU reads on to the end of a buffer of its own, so that is judged.
	offset := int64(h.descriptor) * sector
	text, err := f.at(offset, min(most*sector, f.length-offset), "descriptor")
	if err != nil {
		return err
	}
	text, _, _ = bytes.Cut(text, []byte{0})
	return judgeDescriptor(string(text))
}

func judgeDescriptor(text string) error {
	extents := 0
	kind := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		key, value, pair := strings.Cut(line, "=")
		key, value = strings.ToLower(strings.TrimSpace(key)), strings.Trim(strings.TrimSpace(value), `"`)
		fields := strings.Fields(line)
		switch {
		case pair && key == "createtype":
			kind = value
		case pair && key == "parentcid" && !strings.EqualFold(value, "ffffffff"),
			pair && strings.HasPrefix(key, "parentfilename"):
			return refuse("has a parent (%s): it is no whole disk", printable([]byte(line)))
		case len(fields) > 2 && (fields[0] == "RW" || fields[0] == "RDONLY" || fields[0] == "NOACCESS"):
			extents++
			if fields[2] != "SPARSE" {
				return refuse("has an extent in another file (%s)", printable([]byte(line)))
			}
		}
	}
	switch {
	case kind != "monolithicSparse" && kind != "streamOptimized":
		return refuse("is a VMDK of type %s: only monolithicSparse and streamOptimized hold a whole disk", printable([]byte(kind)))
	case extents != 1:
		return refuse("has %d extents, not one: the others are in other files", extents)
	case strings.Contains(strings.ToLower(text), "parentfilename"):
		return refuse("names a parent: it is no whole disk")
	}
	return nil
}
