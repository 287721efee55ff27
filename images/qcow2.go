package images

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"ispctl"
)

// The numbers of docs/interop/qcow2.rst, version 3, that an empty overlay
// needs. Everything in the file is big-endian.
const (
	qcow2Magic       = 0x514649fb // "QFI\xfb"
	qcow2Version     = 3
	headerLength     = 104 // up to header_length itself; no compression type
	clusterBits      = 16  // QEMU's default: 64 KiB
	clusterSize      = 1 << clusterBits
	refcountOrder    = 4          // 16-bit reference counts
	extBackingFormat = 0xe2792aca // header extension: format of the backing file
	extEnd           = 0          // header extension: no more of them
	maxBackingName   = 1023       // longest backing file name in bytes
	incompatDirty    = 1 << 0     // QEMU died with lazy refcounts; it mends that itself
)

// Where the structures of an empty overlay lie, in clusters. Each but the L1
// table fills one.
const (
	headerCluster = iota
	refcountTableCluster
	refcountBlockCluster
	l1Cluster
)

// diskPerL1Entry is how many bytes of disk one L1 entry maps: a cluster of
// eight-byte L2 entries, each of which maps a cluster.
const diskPerL1Entry = clusterSize / 8 * clusterSize

// Overlay is what the header of a qcow2 file says: where the bytes come from
// that it does not hold itself, and how many bytes the guest sees.
type Overlay struct {
	Backing string // empty: it stands alone
	Size    ispctl.Size
}

// layout is an empty overlay as the pieces that are not zero, by offset, and
// the length of the file.
type layout struct {
	pieces map[int64][]byte
	length int64
}

// encodeOverlay lays an empty overlay out. Every cluster of it is counted
// once; the L1 table is all zeros, which says: ask the backing file.
func encodeOverlay(o Overlay) (layout, error) {
	switch {
	case o.Size <= 0 || o.Size%512 != 0:
		return layout{}, fmt.Errorf("the size %d is no positive multiple of 512 bytes", int64(o.Size))
	case o.Size > ispctl.MaxDisk:
		return layout{}, fmt.Errorf("the size %s is beyond %s", o.Size, ispctl.MaxDisk)
	case len(o.Backing) > maxBackingName:
		return layout{}, fmt.Errorf("the name of the backing file has %d bytes, more than %d", len(o.Backing), maxBackingName)
	}
	l1Entries := (int64(o.Size) + diskPerL1Entry - 1) / diskPerL1Entry
	l1Clusters := (8*l1Entries + clusterSize - 1) / clusterSize
	clusters := l1Cluster + l1Clusters

	be := binary.BigEndian
	var ext []byte
	if o.Backing != "" {
		ext = be.AppendUint32(ext, extBackingFormat)
		ext = be.AppendUint32(ext, uint32(len("raw")))
		ext = append(ext, "raw\x00\x00\x00\x00\x00"...) // padded to eight bytes
	}
	ext = be.AppendUint32(ext, extEnd)
	ext = be.AppendUint32(ext, 0)

	var backingOffset uint64 // 0: it stands alone
	if o.Backing != "" {
		backingOffset = uint64(headerLength + len(ext))
	}
	var h []byte
	h = be.AppendUint32(h, qcow2Magic)
	h = be.AppendUint32(h, qcow2Version)
	h = be.AppendUint64(h, backingOffset) // backing_file_offset
	h = be.AppendUint32(h, uint32(len(o.Backing)))
	h = be.AppendUint32(h, clusterBits)
	h = be.AppendUint64(h, uint64(o.Size))
	h = be.AppendUint32(h, 0) // crypt_method
	h = be.AppendUint32(h, uint32(l1Entries))
	h = be.AppendUint64(h, l1Cluster*clusterSize)
	h = be.AppendUint64(h, refcountTableCluster*clusterSize)
	h = be.AppendUint32(h, 1) // refcount_table_clusters
	h = be.AppendUint32(h, 0) // nb_snapshots
	h = be.AppendUint64(h, 0) // snapshots_offset
	h = be.AppendUint64(h, 0) // incompatible_features
	h = be.AppendUint64(h, 0) // compatible_features
	h = be.AppendUint64(h, 0) // autoclear_features
	h = be.AppendUint32(h, refcountOrder)
	h = be.AppendUint32(h, headerLength)

	var refcounts []byte
	for range clusters {
		refcounts = be.AppendUint16(refcounts, 1)
	}
	return layout{
		pieces: map[int64][]byte{
			headerCluster:                      append(append(h, ext...), o.Backing...),
			refcountTableCluster * clusterSize: be.AppendUint64(nil, refcountBlockCluster*clusterSize),
			refcountBlockCluster * clusterSize: refcounts,
		},
		length: clusters * clusterSize,
	}, nil
}

// decodeOverlay reads the head of a file, at least one cluster of it or the
// whole. It trusts nothing it reads: a file may have been brought by anybody.
func decodeOverlay(head []byte) (Overlay, error) {
	be := binary.BigEndian
	if len(head) < headerLength {
		return Overlay{}, fmt.Errorf("is %d bytes short of a qcow2 header", headerLength-len(head))
	}
	if be.Uint32(head) != qcow2Magic {
		return Overlay{}, errors.New("is no qcow2 file")
	}
	if v := be.Uint32(head[4:]); v != qcow2Version {
		return Overlay{}, fmt.Errorf("is qcow2 version %d, not %d", v, qcow2Version)
	}
	if bits := be.Uint32(head[20:]); bits < 9 || bits > 21 {
		return Overlay{}, fmt.Errorf("has clusters of 2^%d bytes", bits)
	}
	if method := be.Uint32(head[32:]); method != 0 {
		return Overlay{}, fmt.Errorf("is encrypted (method %d)", method)
	}
	// An external data file, extended L2 entries, a corrupt mark: nothing of
	// ours has them, and the first would make the file a window to another.
	if features := be.Uint64(head[72:]) &^ incompatDirty; features != 0 {
		return Overlay{}, fmt.Errorf("has incompatible features %#x", features)
	}
	size := be.Uint64(head[24:])
	if size > math.MaxInt64 {
		return Overlay{}, fmt.Errorf("has a size of %d bytes", size)
	}
	o := Overlay{Size: ispctl.Size(size)}
	offset, length := be.Uint64(head[8:]), uint64(be.Uint32(head[16:]))
	if offset == 0 {
		return o, nil
	}
	if length == 0 || length > maxBackingName || offset < headerLength || offset > uint64(len(head)) || length > uint64(len(head))-offset {
		return Overlay{}, fmt.Errorf("names its backing file at offset %d with %d bytes", offset, length)
	}
	o.Backing = string(head[offset : offset+length])
	return o, nil
}
