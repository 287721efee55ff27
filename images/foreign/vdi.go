package foreign

import (
	"encoding/binary"

	"ispctl"
)

// judgeVDI reads VirtualBox's header: little-endian, of 512 bytes.
func judgeVDI(f file) (Image, error) {
	h, err := f.at(0, sector, "header")
	if err != nil {
		return Image{}, err
	}
	le := binary.LittleEndian
	const dynamic, static = 1, 2
	version, kind := le.Uint32(h[68:]), le.Uint32(h[76:])
	table, data := uint64(le.Uint32(h[340:])), uint64(le.Uint32(h[344:]))
	size, block, extra := le.Uint64(h[368:]), uint64(le.Uint32(h[376:])), le.Uint32(h[380:])
	blocks, allocated := uint64(le.Uint32(h[384:])), uint64(le.Uint32(h[388:]))
	switch {
	case version != 0x00010001:
		return Image{}, refuse("is VDI version %#x, not 1.1", version)
	case kind != dynamic && kind != static:
		return Image{}, refuse("is a VDI of type %d: only dynamic (1) and fixed (2) hold a whole disk", kind)
	case !isZero(h[424:440]) || !isZero(h[440:456]):
		return Image{}, refuse("has a parent: it is no whole disk")
	case block != 1<<20 || extra != 0:
		return Image{}, refuse("has blocks of %d and %d bytes, not 1 MiB", block, extra)
	}
	if err := f.checkSize(size); err != nil {
		return Image{}, err
	}
	switch {
	case blocks != (size+block-1)/block:
		return Image{}, refuse("has %d blocks for a disk of %d bytes", blocks, size)
	case allocated > blocks || allocated*block > uint64(f.length):
		return Image{}, refuse("says that %d blocks of it are stored, beyond its own end at %d", allocated, f.length)
	case table%sector != 0 || table > uint64(f.length) || blocks*4 > uint64(f.length)-table:
		return Image{}, refuse("has its block table at %d, beyond its own end at %d", table, f.length)
	case data%sector != 0 || data < table+blocks*4 || data > uint64(f.length):
		return Image{}, refuse("has its data at %d, over its table or beyond its own end", data)
	}
	entries, err := f.at(int64(table), int64(blocks*4), "block table")
	if err != nil {
		return Image{}, err
	}
	used := newBitmap(int64(blocks) + 1)
	var stored uint64
	for i := 0; i < len(entries); i += 4 {
		at := uint64(le.Uint32(entries[i:]))
		switch {
		case at >= 1<<32-2: // none, or zeros
			continue
		case at >= allocated:
			return Image{}, refuse("has a block %d, and stores %d", at, allocated)
		case !used.take(int64(at)):
			return Image{}, refuse("uses its block %d twice", at)
		}
		stored += block
	}
	return Image{Size: ispctl.Size(size), Data: ispctl.Size(stored)}, nil
}
