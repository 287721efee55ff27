package nft

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/google/nftables"
)

// Set is the type of a set or, with a Value, a map.
type Set struct {
	Name     string
	Key      []Type
	Value    []Type
	Interval bool // keys are ranges; with several fields, of the last one (Linux 5.6)

	// A dynamic set is filled by packets ([CountIn]), each element with a
	// counter. Its elements are no part of a state: nobody wants them.
	Dynamic bool
	Size    uint32        // of a dynamic set: the most elements
	Timeout time.Duration // of a dynamic set: how long an element stays that no packet meets

	anonymous bool // somebody's; it goes with the rule it is in
}

func (s Set) schema() string { return s.declare("type " + typeText(s.Key)) }

func (s Set) declare(keys string) string {
	line := s.kind() + " " + s.Name + " { " + keys
	if len(s.Value) > 0 {
		line += " : " + typeText(s.Value)
	}
	if s.Size > 0 {
		line += fmt.Sprintf("; size %d", s.Size)
	}
	if flags := s.flags(); len(flags) > 0 {
		line += "; flags " + strings.Join(flags, ",")
	}
	if s.Timeout > 0 {
		line += fmt.Sprintf("; timeout %ds", int64(s.Timeout.Seconds()))
	}
	return line + "; }"
}

// kind is what nft(8) calls it.
func (s Set) kind() string {
	if len(s.Value) > 0 {
		return "map"
	}
	return "set"
}

func (s Set) flags() []string {
	var flags []string
	if s.Interval {
		flags = append(flags, "interval")
	}
	if s.Dynamic {
		flags = append(flags, "dynamic")
	}
	if s.Timeout > 0 {
		flags = append(flags, "timeout")
	}
	return flags
}

func typeText(types []Type) string { return concat(types).Name }

// script is the set as `nft -f` takes it. A field of a type that nft(8) has no
// name for can only be said by an example.
func (s Set) script() string {
	var examples []string
	nameless := false
	for _, t := range s.Key {
		examples = append(examples, t.example)
		nameless = nameless || t.nameless
	}
	if nameless {
		return s.declare("typeof " + strings.Join(examples, " . "))
	}
	return s.schema()
}

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
	End   string // of an interval: the first key after it; empty: it goes to the end. With several fields: its last key
	Value string // bytes; empty in a set
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

// Range is the key and the end of an element that covers a prefix.
func Range(p netip.Prefix) (key, end string) {
	first := p.Masked().Addr().AsSlice()
	next := slices.Clone(first)
	for i, bits := len(next)-1, 8*len(next)-p.Bits(); i >= 0; i, bits = i-1, bits-8 {
		// The lowest byte that the prefix covers in part, or not at all, goes
		// up by what it covers; what carries goes on to the left.
		step := 1 << max(min(bits, 8), 0)
		if bits >= 8 {
			continue // all of it is the guests'
		}
		sum := int(next[i]) + step
		next[i] = byte(sum)
		for ; sum > 0xff && i > 0; i-- {
			sum = int(next[i-1]) + 1
			next[i-1] = byte(sum)
		}
		if sum > 0xff {
			return string(first), ""
		}
		return string(first), string(next)
	}
	return string(first), "" // everything
}

// text is the element in the syntax of nft(8).
func (s Set) text(e Elem) string {
	t := fieldText(s.Key, e.Key)
	switch {
	case s.concatenated():
		t = rangeText(s.Key, e.Key, e.End)
	case s.Interval:
		t += "-" + lastText(e.Key, e.End)
	}
	if len(s.Value) > 0 {
		t += " : " + fieldText(s.Value, e.Value)
	}
	return t
}

// concatenated reports whether keys are ranges of several fields. The kernel
// has these with both of their ends in one element, each included.
func (s Set) concatenated() bool { return s.Interval && len(s.Key) > 1 }

// rangeText is a key and the last one of its range: what is the same in both is
// written once.
func rangeText(types []Type, key, last string) string {
	firsts, lasts := strings.Split(fieldText(types, key), " . "), strings.Split(fieldText(types, last), " . ")
	for i := range min(len(firsts), len(lasts)) {
		if firsts[i] != lasts[i] {
			firsts[i] += "-" + lasts[i]
		}
	}
	return strings.Join(firsts, " . ")
}

// lastText is the last address before end, of as many bytes as key has.
func lastText(key, end string) string {
	last := []byte(end)
	for i := len(last) - 1; i >= 0; i-- {
		if last[i]--; last[i] != 0xff {
			break
		}
	}
	if end == "" {
		last = bytes.Repeat([]byte{0xff}, len(key))
	}
	return addrText(last)
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
