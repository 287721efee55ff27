package foreign

import (
	"bytes"
	"encoding/binary"

	"ispctl"
)

// The types of VHD, in its footer.
const (
	vhdFixed        = 2
	vhdDynamic      = 3
	vhdDifferencing = 4
)

// judgeVHD finds the footer: 512 bytes (511 by old tools) at the end, and, of a
// dynamic disk, a copy at the beginning, which is the one that QEMU believes.
func judgeVHD(f file) (Image, error) {
	head, err := f.at(0, sector, "header")
	if err != nil {
		return Image{}, err
	}
	if string(head[:8]) == "conectix" {
		return judgeDynamicVHD(f, head)
	}
	foot, err := f.at(f.length-sector, sector, "footer")
	if err != nil {
		return Image{}, err
	}
	if string(foot[:8]) != "conectix" {
		return Image{}, refuse("has a footer of 511 bytes: write it anew with a tool of this century")
	}
	size, err := f.judgeFooter(foot)
	if err != nil {
		return Image{}, err
	}
	if kind := binary.BigEndian.Uint32(foot[60:]); kind != vhdFixed {
		return Image{}, refuse("says in its footer that it is a VHD of type %d, and has no header", kind)
	}
	if size > ispctl.Size(f.length-sector) {
		return Image{}, refuse("says that its disk has %d bytes, and holds %d", int64(size), f.length-sector)
	}
	return Image{Size: size, Data: size}, nil
}

// judgeFooter judges what both kinds have, and returns the disk's size.
func (f file) judgeFooter(b []byte) (ispctl.Size, error) {
	be := binary.BigEndian
	var sum uint32
	for i, c := range b {
		if i < 64 || i > 67 {
			sum += uint32(c)
		}
	}
	size := be.Uint64(b[48:])
	switch {
	case be.Uint32(b[64:]) != ^sum:
		return 0, refuse("has a footer whose checksum is wrong")
	case be.Uint32(b[12:])>>16 != 1:
		return 0, refuse("is VHD version %#x", be.Uint32(b[12:]))
	case be.Uint32(b[60:]) == vhdDifferencing:
		return 0, refuse("is a differencing VHD: it has a parent, and is no whole disk")
	}
	if err := f.checkSize(size); err != nil {
		return 0, err
	}
	// QEMU takes the size from the geometry where the one who made the file is
	// known to have meant that. So it has to be within the same bounds.
	// The largest there is means: see the size.
	geometry := uint64(be.Uint16(b[56:])) * uint64(b[58]) * uint64(b[59]) * sector
	const largest = 65535 * 16 * 255 * sector
	if geometry != largest && geometry > size+1<<30 {
		return 0, refuse("has a geometry of %d bytes, and says that its disk has %d", geometry, size)
	}
	return ispctl.Size(size), nil
}

func judgeDynamicVHD(f file, foot []byte) (Image, error) {
	size, err := f.judgeFooter(foot)
	if err != nil {
		return Image{}, err
	}
	be := binary.BigEndian
	if kind := be.Uint32(foot[60:]); kind != vhdDynamic {
		return Image{}, refuse("is a VHD of type %d", kind)
	}
	last, err := f.at(f.length-sector, sector, "footer")
	if err != nil {
		return Image{}, err
	}
	if !bytes.Equal(last, foot) {
		return Image{}, refuse("has a footer that contradicts its header")
	}
	offset := be.Uint64(foot[16:])
	if offset > uint64(f.length) {
		return Image{}, refuse("has its dynamic header at %d, beyond its own end at %d", offset, f.length)
	}
	h, err := f.at(int64(offset), 1024, "dynamic header")
	if err != nil {
		return Image{}, err
	}
	table, entries, block := be.Uint64(h[16:]), uint64(be.Uint32(h[28:])), uint64(be.Uint32(h[32:]))
	switch {
	case string(h[:8]) != "cxsparse":
		return Image{}, refuse("has no dynamic header where its footer says that it is")
	case !isZero(h[40:64]) || !isZero(h[64:768]):
		return Image{}, refuse("names a parent: it is no whole disk")
	case block < 4096 || block > 256<<20 || block&(block-1) != 0:
		return Image{}, refuse("has blocks of %d bytes", block)
	case entries < (uint64(size)+block-1)/block || entries > 4*((uint64(size)+block-1)/block)+1024:
		return Image{}, refuse("has a table of %d blocks of %d bytes for a disk of %d", entries, block, int64(size))
	case table > uint64(f.length) || entries*4 > uint64(f.length)-table:
		return Image{}, refuse("has its block table at %d, beyond its own end at %d", table, f.length)
	}
	bat, err := f.at(int64(table), int64(entries*4), "block table")
	if err != nil {
		return Image{}, err
	}
	used := newBitmap(f.length/sector + 1)
	var data uint64
	for i := 0; i < len(bat); i += 4 {
		at := uint64(be.Uint32(bat[i:]))
		switch {
		case at == 1<<32-1:
			continue
		case at*sector+block > uint64(f.length):
			return Image{}, refuse("has a block at %d, beyond its own end at %d", at*sector, f.length)
		case !used.takeAll(int64(at), int64(block/sector)):
			return Image{}, refuse("uses its block at %d twice", at*sector)
		}
		data += block
	}
	return Image{Size: size, Data: ispctl.Size(data)}, nil
}
