package foreign

import (
	"encoding/binary"

	"ispctl"
)

// The numbers of docs/interop/qcow2.rst.
const (
	qcow2LengthV2 = 72
	qcow2LengthV3 = 104

	qcow2Dirty       = 1 << 0
	qcow2Corrupt     = 1 << 1
	qcow2DataFile    = 1 << 2
	qcow2Compression = 1 << 3
	qcow2ExtendedL2  = 1 << 4

	qcow2EntryOffset = 0x00fffffffffffe00 // bits 9-55 of an L1 or L2 entry
	qcow2Compressed  = 1 << 62            // of an L2 entry
	qcow2ReadsZero   = 1 << 0             // of an L2 entry, version 3
)

// qcow2Extensions are the header extensions that say nothing we mind. All
// others are refused, those that are known by their name.
var qcow2Extensions = map[uint32]string{
	0x6803f857: "", // names of features, for messages
	0xe2792aca: "", // format of the backing file; there is none
	0x23852875: "has bitmaps, which point to more tables",
	0x0537be77: "is encrypted (a header of its own)",
	0x44415441: "has its data in another file",
}

// qcow2 is a header, decoded.
type qcow2 struct {
	file
	version     uint32
	clusterBits uint32
	size        uint64
	l1Entries   uint64
	l1Offset    uint64
	refOffset   uint64
	refClusters uint64
}

func (q qcow2) cluster() int64 { return 1 << q.clusterBits }

func judgeQCOW2(f file) (Image, error) {
	q, err := readQCOW2(f)
	if err != nil {
		return Image{}, err
	}
	data, err := q.walk()
	return Image{Size: ispctl.Size(q.size), Data: ispctl.Size(data)}, err
}

func readQCOW2(f file) (qcow2, error) {
	q := qcow2{file: f}
	h, err := f.at(0, qcow2LengthV2, "header")
	if err != nil {
		return q, err
	}
	be := binary.BigEndian
	q.version, q.clusterBits, q.size = be.Uint32(h[4:]), be.Uint32(h[20:]), be.Uint64(h[24:])
	q.l1Entries, q.l1Offset = uint64(be.Uint32(h[36:])), be.Uint64(h[40:])
	q.refOffset, q.refClusters = be.Uint64(h[48:]), uint64(be.Uint32(h[56:]))
	switch {
	case q.version != 2 && q.version != 3:
		return q, refuse("is qcow version %d; 2 and 3 are taken", q.version)
	case be.Uint64(h[8:]) != 0 || be.Uint32(h[16:]) != 0:
		return q, refuse("has a backing file%s: it is no whole disk", f.named(be.Uint64(h[8:]), be.Uint32(h[16:])))
	case q.clusterBits < 9 || q.clusterBits > 21:
		return q, refuse("has clusters of 2^%d bytes, not 2^9 to 2^21", q.clusterBits)
	case be.Uint32(h[32:]) != 0:
		return q, refuse("is encrypted (method %d)", be.Uint32(h[32:]))
	case be.Uint32(h[60:]) != 0:
		return q, refuse("has %d snapshots inside", be.Uint32(h[60:]))
	}
	if err := f.checkSize(q.size); err != nil {
		return q, err
	}
	if q.version == 3 {
		if err := q.readV3(); err != nil {
			return q, err
		}
	} else if err := q.readExtensions(qcow2LengthV2); err != nil {
		return q, err
	}
	return q, q.checkTables()
}

// readV3 judges what version 3 has more.
func (q qcow2) readV3() error {
	h, err := q.at(0, qcow2LengthV3, "header")
	if err != nil {
		return err
	}
	be := binary.BigEndian
	incompatible := be.Uint64(h[72:])
	order, length := be.Uint32(h[96:]), be.Uint32(h[100:])
	switch {
	case incompatible&qcow2DataFile != 0:
		return refuse("has its data in another file")
	case incompatible&qcow2Corrupt != 0:
		return refuse("is marked as corrupt: mend it where it came from, qemu-img check -r all")
	case incompatible&qcow2Dirty != 0:
		return refuse("was not closed properly: mend it where it came from, qemu-img check -r all")
	case incompatible&qcow2ExtendedL2 != 0:
		return refuse("has extended L2 entries: write it anew without, qemu-img convert -O qcow2")
	case incompatible&^uint64(qcow2Compression) != 0:
		return refuse("has incompatible features %#x that are not known", incompatible)
	case order > 6:
		return refuse("has reference counts of 2^%d bits", order)
	case length < qcow2LengthV3 || length%8 != 0 || int64(length) > q.cluster():
		return refuse("says that its header has %d bytes", length)
	}
	if incompatible&qcow2Compression != 0 {
		more, err := q.at(qcow2LengthV3, 1, "compression type")
		if err != nil {
			return err
		}
		if length <= qcow2LengthV3 || more[0] > 1 {
			return refuse("is compressed by method %d, which is not known", more[0])
		}
	}
	return q.readExtensions(int64(length))
}

// readExtensions walks the list that follows the header. It ends within the
// first cluster.
func (q qcow2) readExtensions(offset int64) error {
	const most = 64
	end := min(q.cluster(), q.length)
	be := binary.BigEndian
	for range most {
		if offset+8 > end {
			return nil // version 2 had no end mark at first
		}
		h, err := q.at(offset, 8, "header extension")
		if err != nil {
			return err
		}
		kind, length := be.Uint32(h), int64(be.Uint32(h[4:]))
		if kind == 0 {
			return nil
		}
		why, known := qcow2Extensions[kind]
		switch {
		case why != "":
			return refuse("%s", why)
		case !known:
			return refuse("has a header extension %#x that is not known", kind)
		case length > end-offset-8:
			return refuse("has a header extension of %d bytes, beyond its first cluster", length)
		}
		offset += 8 + (length+7)/8*8
	}
	return refuse("has more than %d header extensions", most)
}

// checkTables holds the tables' places and lengths against the disk's size.
func (q qcow2) checkTables() error {
	perL1 := uint64(q.cluster()/8) << q.clusterBits
	need := (q.size + perL1 - 1) / perL1
	const mostL1 = 32 << 20 / 8 // QEMU's own bound
	switch {
	case q.l1Entries < need:
		return refuse("has an L1 table of %d entries, where its disk takes %d", q.l1Entries, need)
	case q.l1Entries > mostL1 || q.l1Entries > need+perTable:
		return refuse("has an L1 table of %d entries, where its disk takes %d", q.l1Entries, need)
	case q.l1Offset == 0 || q.l1Offset%uint64(q.cluster()) != 0:
		return refuse("has its L1 table at %d, which is no cluster", q.l1Offset)
	case q.refOffset == 0 || q.refOffset%uint64(q.cluster()) != 0:
		return refuse("has its reference counts at %d, which is no cluster", q.refOffset)
	case q.refClusters == 0 || q.refClusters<<q.clusterBits > 8<<20:
		return refuse("has %d clusters of reference counts", q.refClusters)
	case !q.holds(q.refOffset, q.refClusters<<q.clusterBits):
		return refuse("has its reference counts at %d, beyond its own end at %d", q.refOffset, q.length)
	case !q.holds(q.l1Offset, q.l1Entries*8):
		return refuse("has its L1 table at %d, beyond its own end at %d", q.l1Offset, q.length)
	}
	return nil
}

// perTable is how much longer than needed an L1 table may be: some tools round
// it up, and a disk that was shrunk keeps it.
const perTable = 1 << 16

// holds reports whether a stretch lies in the file.
func (q qcow2) holds(offset, n uint64) bool {
	return offset <= uint64(q.length) && n <= uint64(q.length)-offset
}

// walk reads the L1 table and every L2 table. Each cluster of the file may serve
// once: tables that share clusters make an endless disk of a small file. It
// returns how much of the disk is stored.
func (q qcow2) walk() (data uint64, err error) {
	l1, err := q.at(int64(q.l1Offset), int64(q.l1Entries*8), "L1 table")
	if err != nil {
		return 0, err
	}
	used := newBitmap(q.length>>q.clusterBits + 1)
	used.take(0)
	left := (q.size + uint64(q.cluster()) - 1) >> q.clusterBits // clusters of the disk
	be := binary.BigEndian
	for i := 0; i < len(l1) && left > 0; i += 8 {
		entries := min(left, uint64(q.cluster()/8))
		left -= entries
		offset := be.Uint64(l1[i:]) & qcow2EntryOffset
		if offset == 0 {
			continue
		}
		if err := q.claim(used, offset, "L2 table"); err != nil {
			return 0, err
		}
		l2, err := q.at(int64(offset), q.cluster(), "L2 table")
		if err != nil {
			return 0, err
		}
		for j := range entries {
			stored, err := q.entry(used, be.Uint64(l2[j*8:]))
			if err != nil {
				return 0, err
			}
			data += stored
		}
	}
	return data, nil
}

// entry judges an L2 entry and returns how many bytes of the disk it stores.
func (q qcow2) entry(used bitmap, e uint64) (uint64, error) {
	if e&qcow2Compressed != 0 {
		bits := 62 - (q.clusterBits - 8)
		offset := e & (1<<bits - 1)
		sectors := e&^(3<<62)>>bits + 1
		// The count of sectors may say up to a sector more than there is.
		if !q.holds(offset, 1) || sectors*sector > 2*uint64(q.cluster()) {
			return 0, refuse("has a compressed cluster at %d, beyond its own end at %d", offset, q.length)
		}
		return uint64(q.cluster()), nil
	}
	offset := e & qcow2EntryOffset
	if q.version == 3 && e&qcow2ReadsZero != 0 || offset == 0 {
		return 0, nil
	}
	return uint64(q.cluster()), q.claim(used, offset, "data")
}

// claim takes a cluster of the file for one use.
func (q qcow2) claim(used bitmap, offset uint64, what string) error {
	switch {
	case offset%uint64(q.cluster()) != 0:
		return refuse("has %s at %d, which is no cluster", what, offset)
	case offset >= uint64(q.length):
		return refuse("has %s at %d, beyond its own end at %d", what, offset, q.length)
	case !used.take(int64(offset >> q.clusterBits)):
		return refuse("uses its cluster at %d twice", offset)
	}
	return nil
}

// bitmap is a set of small numbers.
type bitmap []uint64

func newBitmap(n int64) bitmap { return make(bitmap, n/64+1) }

// take adds a number, and reports false if it was in the set.
func (b bitmap) take(i int64) bool {
	word, bit := i/64, uint64(1)<<(i%64)
	free := b[word]&bit == 0
	b[word] |= bit
	return free
}

// takeAll adds n numbers from i on, and reports false if one was in the set.
func (b bitmap) takeAll(i, n int64) bool {
	free := true
	for j := range n {
		free = b.take(i+j) && free
	}
	return free
}
