package foreign

import (
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"

	"ispctl"
)

// Where MS-VHDX puts things, and the GUIDs it knows them by, as they lie in the
// file.
const (
	vhdxHeader1 = 64 << 10
	vhdxHeader2 = 128 << 10
	vhdxRegion1 = 192 << 10
	vhdxRegion2 = 256 << 10
	vhdxTable   = 64 << 10 // of regions, and of metadata

	vhdxBAT      = "6677c22d23f600429d64115e9bfd4a08"
	vhdxMetadata = "06a27c8b90479a4bb8fe575f050f886e"

	vhdxFileParameters = "3767a1ca36fa434db3b633f0aa44e76b"
	vhdxDiskSize       = "2442a52f1bcd7648b2115dbed83bf4b8"
	vhdxSectorSize     = "1dbf41816fa90947ba47f233a8faab5f"
	vhdxPhysicalSector = "c748a3cd5d4471449cc9e9885251c556"
	vhdxPageData       = "ab12cabee6b2234593efc309e000c746"
)

// vhdxRegion is where something lies.
type vhdxRegion struct{ offset, length int64 }

func judgeVHDX(f file) (Image, error) {
	if err := f.checkVHDXHeaders(); err != nil {
		return Image{}, err
	}
	// QEMU takes the first table of regions that is sound. They must agree, so
	// that it does not matter which.
	first, err := f.vhdxRegions(vhdxRegion1)
	if err != nil {
		return Image{}, err
	}
	second, err := f.vhdxRegions(vhdxRegion2)
	if err != nil {
		return Image{}, err
	}
	if first[vhdxBAT] != second[vhdxBAT] || first[vhdxMetadata] != second[vhdxMetadata] {
		return Image{}, refuse("has two tables of regions that contradict each other")
	}
	size, block, logical, err := f.vhdxMetadata(first[vhdxMetadata])
	if err != nil {
		return Image{}, err
	}
	data, err := f.vhdxBlocks(first[vhdxBAT], size, block, logical)
	return Image{Size: ispctl.Size(size), Data: ispctl.Size(data)}, err
}

// checkVHDXHeaders wants both sound, and no log: replaying one writes wherever
// the log says.
func (f file) checkVHDXHeaders() error {
	sound := 0
	for _, at := range []int64{vhdxHeader1, vhdxHeader2} {
		h, err := f.at(at, 4096, "header")
		if err != nil {
			return err
		}
		if string(h[:4]) != "head" || !crcHolds(h) {
			continue
		}
		sound++
		switch {
		case !isZero(h[48:64]):
			return refuse("has a log that was not written back: close it properly where it came from")
		case binary.LittleEndian.Uint16(h[66:]) != 1:
			return refuse("is VHDX version %d", binary.LittleEndian.Uint16(h[66:]))
		}
	}
	if sound == 0 {
		return refuse("has no sound header")
	}
	return nil
}

// crcHolds checks the CRC-32C at offset 4, which is over the whole with zeros in
// its place.
func crcHolds(b []byte) bool {
	want := binary.LittleEndian.Uint32(b[4:])
	sum := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	sum.Write(b[:4])
	sum.Write(make([]byte, 4))
	sum.Write(b[8:])
	return sum.Sum32() == want
}

func (f file) vhdxRegions(at int64) (map[string]vhdxRegion, error) {
	b, err := f.at(at, vhdxTable, "table of regions")
	if err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	n := int(le.Uint32(b[8:]))
	if string(b[:4]) != "regi" || !crcHolds(b) || n > 2047 {
		return nil, refuse("has a table of regions that is not sound")
	}
	regions := map[string]vhdxRegion{}
	for i := range n {
		e := b[16+32*i:]
		guid := hex.EncodeToString(e[:16])
		offset, length := le.Uint64(e[16:]), uint64(le.Uint32(e[24:]))
		switch {
		case guid != vhdxBAT && guid != vhdxMetadata:
			return nil, refuse("has a region %s that is not known", guid)
		case offset > uint64(f.length) || length > uint64(f.length)-offset || offset < 1<<20:
			return nil, refuse("has a region at %d, beyond its own end at %d", offset, f.length)
		case regions[guid].length != 0:
			return nil, refuse("has a region twice")
		}
		regions[guid] = vhdxRegion{int64(offset), int64(length)}
	}
	if regions[vhdxBAT].length == 0 || regions[vhdxMetadata].length < vhdxTable {
		return nil, refuse("lacks a region")
	}
	return regions, nil
}

// vhdxMetadata returns the sizes of the disk, of a block and of a sector.
func (f file) vhdxMetadata(r vhdxRegion) (size, block, logical uint64, err error) {
	b, err := f.at(r.offset, vhdxTable, "metadata")
	if err != nil {
		return 0, 0, 0, err
	}
	le := binary.LittleEndian
	n := int(le.Uint16(b[10:]))
	if string(b[:8]) != "metadata" || n > 2047 {
		return 0, 0, 0, refuse("has metadata that are not sound")
	}
	for i := range n {
		e := b[32+32*i:]
		guid := hex.EncodeToString(e[:16])
		offset, length := int64(le.Uint32(e[16:])), int64(le.Uint32(e[20:]))
		if offset > r.length || length > r.length-offset || length > 1<<20 {
			return 0, 0, 0, refuse("has metadata at %d, %d bytes long, beyond their region", offset, length)
		}
		v, err := f.at(r.offset+offset, length, "metadata")
		if err != nil {
			return 0, 0, 0, err
		}
		switch {
		case guid == vhdxFileParameters && length == 8:
			block = uint64(le.Uint32(v))
			if le.Uint32(v[4:])&2 != 0 {
				return 0, 0, 0, refuse("has a parent: it is no whole disk")
			}
		case guid == vhdxDiskSize && length == 8:
			size = le.Uint64(v)
		case guid == vhdxSectorSize && length == 4:
			logical = uint64(le.Uint32(v))
		case guid == vhdxPhysicalSector && length == 4, guid == vhdxPageData && length == 16:
		default:
			return 0, 0, 0, refuse("has metadata %s of %d bytes, a parent's or not known", guid, length)
		}
	}
	switch {
	case block < 1<<20 || block > 256<<20 || block&(block-1) != 0:
		return 0, 0, 0, refuse("has blocks of %d bytes", block)
	case logical != 512 && logical != 4096:
		return 0, 0, 0, refuse("has sectors of %d bytes", logical)
	}
	return size, block, logical, f.checkSize(size)
}

// vhdxBlocks walks the block table and returns how much is stored.
func (f file) vhdxBlocks(r vhdxRegion, size, block, logical uint64) (uint64, error) {
	const notPresent, zero, unmapped, fully, partially = 0, 2, 3, 6, 7
	blocks := (size + block - 1) / block
	perChunk := (uint64(1) << 23) * logical / block // payload entries before one of a bitmap
	entries := blocks + (blocks-1)/perChunk
	if entries*8 > uint64(r.length) {
		return 0, refuse("has a block table of %d bytes, where its disk takes %d", r.length, entries*8)
	}
	bat, err := f.at(r.offset, int64(entries*8), "block table")
	if err != nil {
		return 0, err
	}
	used := newBitmap(f.length>>20 + 1)
	var data uint64
	for i := range entries {
		if i%(perChunk+1) == perChunk {
			continue // a bitmap of sectors: only disks with a parent have one
		}
		e := binary.LittleEndian.Uint64(bat[i*8:])
		at := e >> 20 // in MiB
		switch e & 7 {
		case notPresent, 1, zero, unmapped:
			continue
		case fully:
		case partially:
			return 0, refuse("has a block that is in part in a parent")
		default:
			return 0, refuse("has a block in state %d", e&7)
		}
		switch {
		case at == 0 || at<<20 > uint64(f.length) || block > uint64(f.length)-at<<20:
			return 0, refuse("has a block at %d, beyond its own end at %d", at<<20, f.length)
		case !used.takeAll(int64(at), int64(block>>20)):
			return 0, refuse("uses its block at %d twice", at<<20)
		}
		data += block
	}
	return data, nil
}
