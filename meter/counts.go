package meter

import (
	"encoding/binary"
	"errors"
	"math/bits"
)

// Way is what passed in one direction. Bytes are those of the link.
type Way struct{ Bytes, Packets uint64 }

// Pair is both directions, as the guest sees them.
type Pair struct{ In, Out Way }

// Class is where the other end was.
type Class int

// The classes. Near is the guest's own zone and the host; an external address
// has only Internet.
const (
	Internet Class = iota
	Zones
	Near
	Admin
	classes
)

// Classes are all of them, in order.
func Classes() []Class { return []Class{Internet, Zones, Near, Admin} }

func (c Class) String() string { return [classes]string{"internet", "zones", "near", "admin"}[c] }

// Counts is what passed, by class.
type Counts [classes]Pair

// Total is the sum of all classes.
func (c Counts) Total() Pair {
	var t Pair
	for _, p := range c {
		t = t.Plus(p)
	}
	return t
}

// Plus adds.
func (p Pair) Plus(o Pair) Pair {
	return Pair{
		In:  Way{p.In.Bytes + o.In.Bytes, p.In.Packets + o.In.Packets},
		Out: Way{p.Out.Bytes + o.Out.Bytes, p.Out.Packets + o.Out.Packets},
	}
}

// Plus adds.
func (c Counts) Plus(o Counts) Counts {
	for i := range c {
		c[i] = c[i].Plus(o[i])
	}
	return c
}

// IsZero reports whether nothing passed.
func (c Counts) IsZero() bool { return c == Counts{} }

// fields are the sixteen numbers of counts, in the order they are stored in.
func (c *Counts) fields() [4 * classes]*uint64 {
	var all [4 * classes]*uint64
	for i := range c {
		p := &c[i]
		all[4*i], all[4*i+1], all[4*i+2], all[4*i+3] = &p.In.Bytes, &p.Out.Bytes, &p.In.Packets, &p.Out.Packets
	}
	return all
}

// Since is what passed from an older reading of the same counters to this one.
// A direction that says less than before began anew.
func (c *Counts) Since(old *Counts) Counts {
	var d Counts
	for i := range c {
		d[i] = Pair{In: c[i].In.since(old[i].In), Out: c[i].Out.since(old[i].Out)}
	}
	return d
}

func (w Way) since(old Way) Way {
	if w.Bytes < old.Bytes || w.Packets < old.Packets {
		return w
	}
	return Way{w.Bytes - old.Bytes, w.Packets - old.Packets}
}

// part is what of c belongs to the first num of den equal parts, rounded down.
func (c Counts) part(num, den uint64) Counts {
	for _, f := range c.fields() {
		hi, lo := bits.Mul64(*f, num)
		*f, _ = bits.Div64(hi, lo, den) // num is at most den, so the quotient fits
	}
	return c
}

// minus takes away what is part of c.
func (c Counts) minus(o Counts) Counts {
	mine, theirs := c.fields(), o.fields()
	for i := range mine {
		*mine[i] -= *theirs[i]
	}
	return c
}

// append encodes c: a mask of the numbers that are not zero, and these. Most
// meters have traffic of one class.
func (c Counts) append(b []byte) []byte {
	all := c.fields()
	at, mask := len(b), uint16(0)
	b = append(b, 0, 0)
	for i, f := range all {
		if *f != 0 {
			mask |= 1 << i
			b = binary.AppendUvarint(b, *f)
		}
	}
	binary.LittleEndian.PutUint16(b[at:], mask)
	return b
}

// errShort says that stored figures are damaged: they are never written so.
var errShort = errors.New("stored figures end too early")

// decodeCounts takes counts off the front of b.
func decodeCounts(b []byte) (c Counts, rest []byte, err error) {
	if len(b) < 2 {
		return c, nil, errShort
	}
	mask := binary.LittleEndian.Uint16(b)
	b = b[2:]
	all := c.fields()
	for mask != 0 {
		i := bits.TrailingZeros16(mask)
		mask &^= 1 << i
		v, n := binary.Uvarint(b)
		if n <= 0 {
			return c, nil, errShort
		}
		*all[i], b = v, b[n:]
	}
	return c, b, nil
}
