package meter

import "ispctl"

// Bytes are those of a pair in a direction.
func Bytes(d ispctl.Direction, p Pair) uint64 {
	switch d {
	case ispctl.DirectionIn:
		return p.In.Bytes
	case ispctl.DirectionOut:
		return p.Out.Bytes
	case ispctl.DirectionMax:
		return max(p.In.Bytes, p.Out.Bytes)
	}
	return p.In.Bytes + p.Out.Bytes
}

// Percentile95 is the 95th percentile of the bytes in each of n slots, of which
// those that are not given are zero. It is the nearest rank: of n slots sorted,
// the one in place ceil(0.95 n). So the highest five in a hundred are free, and
// the next one counts. It changes the order of
// bytes.
func Percentile95(bytes []uint64, n int) uint64 {
	n = max(n, len(bytes))
	if n == 0 {
		return 0
	}
	rank := (95*n + 99) / 100 // from 1
	zeros := n - len(bytes)
	if rank <= zeros {
		return 0
	}
	return place(bytes, rank-zeros-1)
}

// Rate is the bits a second of bytes that passed in one slot, rounded to the
// nearest.
func Rate(bytes uint64) uint64 {
	const seconds = uint64(SlotLength / 1e9)
	return (bytes/seconds)*8 + (bytes%seconds*8+seconds/2)/seconds
}
