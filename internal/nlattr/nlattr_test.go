package nlattr

import (
	"encoding/binary"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// put appends an attribute as the kernel does.
func put(b []byte, kind uint16, value []byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(unix.SizeofNlAttr+len(value)))
	b = append(binary.NativeEndian.AppendUint16(b, kind), value...)
	for len(b)%unix.NLA_ALIGNTO != 0 {
		b = append(b, 0)
	}
	return b
}

func TestAttributes(t *testing.T) {
	inner := put(put(nil, 1, []byte{7}), 2, binary.NativeEndian.AppendUint16(nil, 300))
	all := put(put(put(nil, 5, []byte("isp-1-0\x00")), 6|unix.NLA_F_NESTED, inner), 5, []byte("again"))
	a := Attributes(all)
	var kinds []uint16
	for kind := range a.All() {
		kinds = append(kinds, kind)
	}
	if !slices.Equal(kinds, []uint16{5, 6, 5}) {
		t.Errorf("kinds %v", kinds)
	}
	if name := a.Find(5).Text(); name != "isp-1-0" {
		t.Errorf("%q", name)
	}
	if n := a.Find(6).Find(1).Number(); n != 7 {
		t.Errorf("a byte: %d", n)
	}
	if n := a.Find(6).Find(2).Number(); n != 300 {
		t.Errorf("two bytes: %d", n)
	}
	if none := a.Find(9).Find(1); none != nil || none.Text() != "" || none.Number() != 0 {
		t.Errorf("what is not there is %v", none)
	}
	if n := Attributes(binary.NativeEndian.AppendUint32(nil, 1<<20)).Number(); n != 1<<20 {
		t.Errorf("four bytes: %d", n)
	}
	if n := testing.AllocsPerRun(100, func() { _ = a.Find(6).Find(2).Number() }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzAttributes: whatever is said, nothing is read beyond its end.
func FuzzAttributes(f *testing.F) {
	f.Add(put(nil, 3, []byte("x")))
	f.Add([]byte{4, 0, 1})
	f.Add([]byte{3, 0, 1, 0})
	f.Add([]byte{0xff, 0xff, 1, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		total := 0
		for _, value := range Attributes(b).All() {
			total += unix.SizeofNlAttr + len(value)
		}
		if total > len(b) {
			t.Errorf("%d bytes of %d", total, len(b))
		}
	})
}
