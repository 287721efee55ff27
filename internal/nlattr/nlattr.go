// Package nlattr takes apart what the kernel answers over netlink(7), without a
// copy: a pass reads every link, and thousands of messages make garbage enough.
package nlattr

import (
	"encoding/binary"
	"iter"
	"strings"

	"golang.org/x/sys/unix"
)

// SkipStats leaves the counters of a link out, which are half of a message
// (RTEXT_FILTER_SKIP_STATS of linux/rtnetlink.h, for IFLA_EXT_MASK).
const SkipStats = 1 << 3

// Attributes are the payload of a message or of one attribute: more attributes,
// or a value.
type Attributes []byte

// All are the attributes by their kinds, in the kernel's order, as far as they
// are whole (struct nlattr of linux/netlink.h).
func (a Attributes) All() iter.Seq2[uint16, Attributes] {
	const kinds = 0xffff &^ (unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER)
	return func(yield func(uint16, Attributes) bool) {
		for rest := a; len(rest) >= unix.SizeofNlAttr; {
			size := int(binary.NativeEndian.Uint16(rest))
			if size < unix.SizeofNlAttr || size > len(rest) {
				return
			}
			if !yield(binary.NativeEndian.Uint16(rest[2:])&kinds, rest[unix.SizeofNlAttr:size]) {
				return
			}
			rest = rest[min(len(rest), (size+unix.NLA_ALIGNTO-1)&^(unix.NLA_ALIGNTO-1)):]
		}
	}
}

// Find is the first attribute of a kind; nil: there is none.
func (a Attributes) Find(kind uint16) Attributes {
	for have, value := range a.All() {
		if have == kind {
			return value
		}
	}
	return nil
}

// Text is a value as the words that it is, without the zero at their end.
func (a Attributes) Text() string { return strings.TrimRight(string(a), "\x00") }

// Number is a value of one, two or four bytes, in the order of this machine; 0:
// it is none.
func (a Attributes) Number() int {
	switch len(a) {
	case 1:
		return int(a[0])
	case 2:
		return int(binary.NativeEndian.Uint16(a))
	case 4:
		return int(int32(binary.NativeEndian.Uint32(a)))
	}
	return 0
}
