package meter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// version is the first byte of a stored ledger.
const version = 1

// Encode is the ledger as it is stored.
func (l *Ledger) Encode() []byte {
	b := make([]byte, 0, 64+48*len(l.Last)+32*len(l.Open))
	b = append(b, version)
	b = binary.AppendVarint(b, l.At.UnixNano())
	b = binary.AppendVarint(b, int64(l.SinceBoot))
	b = appendText(b, l.Boot)
	b = binary.AppendVarint(b, int64(l.Slot))
	b = binary.AppendUvarint(b, uint64(len(l.Last)))
	for source, counts := range l.Last { // in any order: a map is read back
		b = counts.append(appendText(b, string(source)))
	}
	b = binary.AppendUvarint(b, uint64(len(l.Open)))
	for meter, counts := range l.Open {
		b = counts.append(binary.AppendVarint(b, int64(meter)))
	}
	return b
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// decoder reads what was encoded; the first error stays.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	return advance(d, v, n)
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	return advance(d, v, n)
}

func advance[T int64 | uint64](d *decoder, v T, n int) T {
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) fail() {
	if d.err == nil {
		d.err = errShort
	}
	d.b = nil
}

func (d *decoder) text() string {
	n := d.uvarint()
	if n > uint64(len(d.b)) {
		d.fail()
		return ""
	}
	s := string(d.b[:n])
	d.b = d.b[n:]
	return s
}

func (d *decoder) counts() Counts {
	c, rest, err := decodeCounts(d.b)
	if err != nil {
		d.fail()
		return Counts{}
	}
	d.b = rest
	return c
}

// DecodeLedger reads a stored ledger; one that was never stored is empty.
func DecodeLedger(b []byte) (*Ledger, error) {
	l := &Ledger{Last: map[Source]*Counts{}, Open: map[ID]*Counts{}}
	if len(b) == 0 {
		return l, nil
	}
	if b[0] != version {
		return nil, fmt.Errorf("the ledger is of version %d, and this ispctl knows %d", b[0], version)
	}
	d := &decoder{b: b[1:]}
	l.At = time.Unix(0, d.varint()).UTC()
	l.SinceBoot = time.Duration(d.varint())
	l.Boot = d.text()
	l.Slot = Slot(d.varint())
	for n := d.uvarint(); n > 0 && d.err == nil; n-- {
		source := Source(d.text())
		c := d.counts()
		l.Last[source] = &c
	}
	for n := d.uvarint(); n > 0 && d.err == nil; n-- {
		meter := ID(d.varint())
		c := d.counts()
		l.Open[meter] = &c
	}
	return l, d.err
}

// EncodeSlot is the samples of one slot as they are stored. They are sorted by
// meter.
func EncodeSlot(samples []Sample) []byte {
	b := make([]byte, 0, 24*len(samples))
	var before ID
	for _, s := range samples {
		b = s.Counts.append(binary.AppendVarint(b, int64(s.Meter-before)))
		before = s.Meter
	}
	return b
}

// DecodeSlot hands out what EncodeSlot stored.
func DecodeSlot(b []byte, each func(ID, Counts)) error {
	d := &decoder{b: b}
	var meter ID
	for len(d.b) > 0 && d.err == nil {
		meter += ID(d.varint())
		if c := d.counts(); d.err == nil {
			each(meter, c)
		}
	}
	return d.err
}

// EncodeSeries is one meter's slots as they are stored.
func EncodeSeries(slots map[Slot]Counts) []byte {
	b := make([]byte, 0, 24*len(slots))
	var before Slot
	for _, s := range slices.Sorted(maps.Keys(slots)) {
		c := slots[s]
		b = c.append(binary.AppendVarint(b, int64(s-before)))
		before = s
	}
	return b
}

// DecodeSeries hands out what EncodeSeries stored, in time.
func DecodeSeries(b []byte, each func(Slot, Counts)) error {
	d := &decoder{b: b}
	var slot Slot
	for len(d.b) > 0 && d.err == nil {
		slot += Slot(d.varint())
		if c := d.counts(); d.err == nil {
			each(slot, c)
		}
	}
	return d.err
}

// EncodeCounts is counts as they are stored.
func EncodeCounts(c Counts) []byte { return c.append(nil) }

// DecodeCounts reads counts that were stored.
func DecodeCounts(b []byte) (Counts, error) {
	c, rest, err := decodeCounts(b)
	if err == nil && len(rest) > 0 {
		err = errors.New("stored figures go on where they should end")
	}
	return c, err
}
