package nft

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/google/nftables"
)

// Type is the type of one field of a key or a value.
type Type struct {
	datatype nftables.SetDatatype
	text     func([]byte) string
}

// The types of fields, as nft(8) calls them.
var (
	TypeIfname  = Type{nftables.TypeIFName, func(b []byte) string { return strconv.Quote(strings.TrimRight(string(b), "\x00")) }}
	TypeIPv4    = Type{nftables.TypeIPAddr, func(b []byte) string { a, _ := netip.AddrFromSlice(b); return a.String() }}
	TypeProto   = Type{nftables.TypeInetProto, func(b []byte) string { return protoName(b[0]) }}
	TypeService = Type{nftables.TypeInetService, func(b []byte) string { return strconv.Itoa(int(binary.BigEndian.Uint16(b))) }}
)

func protoName(n byte) string {
	switch n {
	case 6:
		return "tcp"
	case 17:
		return "udp"
	}
	return strconv.Itoa(int(n))
}

// Set is the type of a set or, with a Value, a map.
type Set struct {
	Name     string
	Key      []Type
	Value    []Type
	Interval bool // keys are ranges; only with one field
}

func (s Set) schema() string {
	line := "set " + s.Name + " { type " + typeText(s.Key)
	if len(s.Value) > 0 {
		line = "map " + s.Name + " { type " + typeText(s.Key) + " : " + typeText(s.Value)
	}
	if s.Interval {
		line += "; flags interval"
	}
	return line + "; }"
}

func typeText(types []Type) string { return concat(types).Name }

func concat(types []Type) nftables.SetDatatype {
	datatypes := make([]nftables.SetDatatype, len(types))
	for i, t := range types {
		datatypes[i] = t.datatype
	}
	if len(datatypes) == 1 {
		return datatypes[0]
	}
	return nftables.MustConcatSetType(datatypes...)
}

// Elems is the elements of a set, by key.
type Elems map[string]Elem

// Elem is one element, as the kernel has it.
type Elem struct {
	Key   string // bytes, each field padded to a register
	End   string // of an interval: the first key after it; empty: it goes to the end
	Value string // bytes; empty in a set
}

// Field is one encoded field of a key or a value.
type Field []byte

// Ifname encodes the name of an interface.
func Ifname(name string) Field {
	b := make([]byte, 16)
	copy(b, name)
	return b
}

// Addr encodes an IPv4 address.
func Addr(a netip.Addr) Field { return a.AsSlice() }

// Service encodes a port.
func Service(port uint16) Field { return binary.BigEndian.AppendUint16(nil, port) }

// Proto encodes "tcp" or "udp".
func Proto[S ~string](name S) Field {
	if name == "udp" {
		return Field{17}
	}
	return Field{6}
}

// Join puts fields side by side as a concatenation: each begins a register of
// four bytes. A field that stands alone is not padded.
func Join(fields ...Field) string {
	if len(fields) == 1 {
		return string(fields[0])
	}
	var b []byte
	for _, f := range fields {
		b = append(b, f...)
		for len(b)%4 != 0 {
			b = append(b, 0)
		}
	}
	return string(b)
}

// Range is the key and the end of an element that covers an IPv4 prefix.
func Range(p netip.Prefix) (key, end string) {
	first := p.Masked().Addr().As4()
	next := uint64(binary.BigEndian.Uint32(first[:])) + 1<<(32-p.Bits())
	key = string(first[:])
	if next>>32 != 0 {
		return key, ""
	}
	return key, string(binary.BigEndian.AppendUint32(nil, uint32(next)))
}

// text is the element in the syntax of nft(8).
func (s Set) text(e Elem) string {
	t := fieldText(s.Key, e.Key)
	if s.Interval {
		t += "-" + lastText(e.End)
	}
	if len(s.Value) > 0 {
		t += " : " + fieldText(s.Value, e.Value)
	}
	return t
}

// lastText is the last IPv4 address before end.
func lastText(end string) string {
	last := uint32(0xffffffff)
	if end != "" {
		last = binary.BigEndian.Uint32([]byte(end)) - 1
	}
	a, _ := netip.AddrFromSlice(binary.BigEndian.AppendUint32(nil, last))
	return a.String()
}

func fieldText(types []Type, bytes string) string {
	var parts []string
	for _, t := range types {
		n := int(t.datatype.Bytes)
		if n > len(bytes) {
			return fmt.Sprintf("0x%x", bytes)
		}
		parts = append(parts, t.text([]byte(bytes[:n])))
		bytes = bytes[min(len(bytes), (n+3)/4*4):]
	}
	return strings.Join(parts, " . ")
}

// texts are the elements of a set in the syntax of nft(8), sorted by key.
func (s Set) texts(elems []Elem) string {
	all := make([]string, len(elems))
	for i, e := range elems {
		all[i] = s.text(e)
	}
	return strings.Join(all, ", ")
}

func sorted(elems Elems) []Elem {
	all := make([]Elem, 0, len(elems))
	for _, e := range elems {
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b Elem) int { return strings.Compare(a.Key, b.Key) })
	return all
}

// native is the byte order of marks and conntrack states in registers.
func native(n uint32) []byte {
	return binary.NativeEndian.AppendUint32(nil, n)
}
