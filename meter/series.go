package meter

import (
	"encoding/binary"
	"math/bits"

	"ispctl"
)

// Series is the traffic with the Internet of one meter in every slot of a
// period, in bytes, and the sum of all its traffic.
type Series struct {
	First   Slot
	In, Out []uint64 // by slot
	Sum     Counts
}

// NewSeries is a period in which nothing passed.
func NewSeries(p Period) *Series {
	n := p.Slots()
	return &Series{First: p.first(), In: make([]uint64, n), Out: make([]uint64, n)}
}

// Reset makes nothing have passed.
func (s *Series) Reset() {
	clear(s.In)
	clear(s.Out)
	s.Sum = Counts{}
}

// Has reports whether a slot is in the period.
func (s *Series) Has(slot Slot) bool { return slot >= s.First && slot < s.First+Slot(len(s.In)) }

// Add adds a sample, if it is of the period.
func (s *Series) Add(slot Slot, c Counts) {
	if !s.Has(slot) {
		return
	}
	s.In[slot-s.First] += c[Internet].In.Bytes
	s.Out[slot-s.First] += c[Internet].Out.Bytes
	s.Sum = s.Sum.Plus(c)
}

// AddDay adds what [EncodeSeries] stored of a day that lies in the period as a
// whole, and whose sum is known. It decodes no more than it needs: a month of a
// thousand VMs is nine million samples.
func (s *Series) AddDay(b []byte, sum Counts) error {
	slot := Slot(0)
	for len(b) > 0 {
		step, n := binary.Varint(b)
		if n <= 0 || len(b) < n+2 {
			return errShort
		}
		slot += Slot(step)
		mask := binary.LittleEndian.Uint16(b[n:])
		b = b[n+2:]
		// The first two numbers are bytes in and out of the first class, see
		// [Counts.fields].
		for first := true; mask != 0; first = false {
			field := bits.TrailingZeros16(mask)
			mask &^= 1 << field
			v, n := binary.Uvarint(b)
			if n <= 0 {
				return errShort
			}
			b = b[n:]
			if field > 1 || !s.Has(slot) {
				continue
			}
			if field == 0 && first {
				s.In[slot-s.First] += v
			} else {
				s.Out[slot-s.First] += v
			}
		}
	}
	s.Sum = s.Sum.Plus(sum)
	return nil
}

// Plus adds another series of the same period.
func (s *Series) Plus(o *Series) {
	for i := range s.In {
		s.In[i] += o.In[i]
		s.Out[i] += o.Out[i]
	}
	s.Sum = s.Sum.Plus(o.Sum)
}

// Percentile95 is that of the first n slots, in bytes of a slot. Scratch is
// reused if it is large enough.
func (s *Series) Percentile95(d ispctl.Direction, n int, scratch []uint64) (bytes uint64, used []uint64) {
	scratch = scratch[:0]
	n = min(n, len(s.In))
	for i := range n {
		switch in, out := s.In[i], s.Out[i]; d {
		case ispctl.DirectionIn:
			scratch = append(scratch, in)
		case ispctl.DirectionOut:
			scratch = append(scratch, out)
		case ispctl.DirectionMax:
			scratch = append(scratch, max(in, out))
		default:
			scratch = append(scratch, in+out)
		}
	}
	return Percentile95(scratch, n), scratch
}

// Peak is the first of the highest slots of either direction.
func (s *Series) Peak() (bytes uint64, d ispctl.Direction, at Slot) {
	for i := range s.In {
		if s.In[i] > bytes {
			bytes, d, at = s.In[i], ispctl.DirectionIn, s.First+Slot(i)
		}
		if s.Out[i] > bytes {
			bytes, d, at = s.Out[i], ispctl.DirectionOut, s.First+Slot(i)
		}
	}
	return bytes, d, at
}

// place puts the nth smallest of all in its place, smaller ones before it and
// larger ones after it (Hoare's selection).
func place(all []uint64, n int) uint64 {
	for low, high := 0, len(all)-1; low < high; {
		// The middle one of three keeps sorted and equal numbers, of which
		// there are many here, from being the worst case.
		mid := low + (high-low)/2
		if all[mid] < all[low] {
			all[mid], all[low] = all[low], all[mid]
		}
		if all[high] < all[low] {
			all[high], all[low] = all[low], all[high]
		}
		if all[high] < all[mid] {
			all[high], all[mid] = all[mid], all[high]
		}
		pivot := all[mid]
		i, j := low, high
		for i <= j {
			for all[i] < pivot {
				i++
			}
			for all[j] > pivot {
				j--
			}
			if i <= j {
				all[i], all[j] = all[j], all[i]
				i++
				j--
			}
		}
		switch {
		case n <= j:
			high = j
		case n >= i:
			low = i
		default:
			return all[n]
		}
	}
	return all[n]
}
