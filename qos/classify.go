package qos

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/net/bpf"

	"ispctl"
)

// Program is a classifier in classic BPF, as the kernel takes it: a frame in,
// the class it belongs to out; 0 is none, and no limit.
type Program string

// direction is which end of a frame is the guest's.
type direction int

const (
	toGuest direction = iota
	fromGuest
)

// version is where a version of IP has what is looked at, counted from the
// beginning of the frame.
type version struct {
	addresses        [2]uint32 // of the sender, of the receiver
	words            int       // of four bytes that an address has
	protocol         uint32
	icmp             uint32
	etherType, ports uint32
	tos, tosShift    uint32 // two bytes that have the mark of urgency, and how far from their end
}

// RFC 791 and RFC 8200. The ports of IPv4 are behind a header of any length; those
// of IPv6 are looked for where there are no extension headers.
const (
	etherType  = 12
	ipHeader   = 14
	ipFragment = 20
)

var (
	ipv4 = version{addresses: [2]uint32{26, 30}, words: 1, protocol: 23, icmp: 1, etherType: 0x0800, tos: 14, tosShift: 2}
	ipv6 = version{addresses: [2]uint32{22, 38}, words: 4, protocol: 20, icmp: 58, etherType: 0x86dd, ports: 54, tos: 14, tosShift: 6}
)

func (v version) of(a netip.Addr) bool { return a.Is4() == (v.words == 1) }

// remote is where the address of the other end is.
func (v version) remote(d direction) uint32 { return v.addresses[d] }

// onLink is what never leaves a link of IPv6 (RFC 4291, 2.5.6 and 2.7).
var onLink = []netip.Prefix{netip.MustParsePrefix("fe80::/10"), netip.MustParsePrefix("ff00::/8")}

// program says which class a frame is in. What is no IP goes no further than
// this host. The flow limits are for the Internet, so the zones come first.
func (w wish) program() Program {
	local := verdict(w.local > 0, localClass)
	four := w.part(ipv4, w.zones)
	return assemble(slices.Concat([]bpf.Instruction{
		bpf.LoadAbsolute{Off: etherType, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: ipv4.etherType, SkipTrue: 3},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: ipv6.etherType, SkipTrue: 1},
		local,
		bpf.Jump{Skip: uint32(len(four))},
	}, four, w.part(ipv6, append(slices.Clone(onLink), w.zones...))))
}

// part is the program for one version of IP.
func (w wish) part(v version, zones []netip.Prefix) []bpf.Instruction {
	var code []bpf.Instruction
	for _, z := range zones {
		if v.of(z.Addr()) {
			code = append(code, w.under(v, z, 1)...)
			code = append(code, verdict(w.local > 0, localClass))
		}
	}
	for _, f := range w.flows {
		if (ownClass(f) || f.Urgency != "") && (!f.Remote.IsValid() || v.of(f.Remote.Addr())) {
			code = append(code, w.flow(v, f)...)
		}
	}
	if w.prioritised() && w.dscp == ispctl.TrustDSCP {
		code = append(code, v.marks()...)
	}
	return append(code, verdict(w.shaped(), restClass))
}

// under goes on if the remote address is in a prefix, and else past so many
// instructions.
func (w wish) under(v version, p netip.Prefix, skip int) []bpf.Instruction {
	addr, bits := p.Masked().Addr().AsSlice(), p.Bits()
	var words [][]bpf.Instruction
	for i := 0; i < len(addr) && bits > 0; i, bits = i+4, bits-32 {
		mask := ^uint32(0) << max(32-bits, 0)
		words = append(words, []bpf.Instruction{
			bpf.LoadAbsolute{Off: v.remote(w.direction) + uint32(i), Size: 4},
			bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: mask},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: binary.BigEndian.Uint32(addr[i:])},
		})
	}
	const each = 3
	for i, word := range words {
		jump := word[each-1].(bpf.JumpIf)
		jump.SkipFalse = uint8(skip + each*(len(words)-1-i))
		word[each-1] = jump
	}
	return slices.Concat(words...)
}

// flow returns the class of a flow for what matches it. A fragment that is not
// the first has no ports, and is none of a flow with one.
func (w wish) flow(v version, f ispctl.Flow) []bpf.Instruction {
	tail := []bpf.Instruction{verdict(true, w.classOf(f))}
	if f.Match.Port != 0 {
		tail = append(v.port(uint32(f.Match.Port)), tail...)
	}
	var head []bpf.Instruction
	protocols := map[ispctl.Transport]uint32{ispctl.ICMP: v.icmp, ispctl.TransportTCP: 6, ispctl.TransportUDP: 17}
	if protocol, ok := protocols[f.Match.Transport]; ok {
		head = append(head,
			bpf.LoadAbsolute{Off: v.protocol, Size: 1},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: protocol, SkipFalse: uint8(len(tail))})
	}
	if f.Remote.IsValid() {
		head = append(w.under(v, f.Remote, len(head)+len(tail)), head...)
	}
	return append(head, tail...)
}

// classOf is where what matches a flow limit waits.
func (w wish) classOf(f ispctl.Flow) uint16 {
	switch {
	case ownClass(f):
		return flowClass(f)
	case f.Urgency == ispctl.Interactive:
		return urgentClass
	case f.Urgency == ispctl.Bulk:
		return bulkClass
	}
	return restClass
}

// marks puts what bears a mark of urgency where it belongs.
func (v version) marks() []bpf.Instruction {
	code := []bpf.Instruction{
		bpf.LoadAbsolute{Off: v.tos, Size: 2},
		bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: v.tosShift},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0x3f},
	}
	classes := map[ispctl.Priority]uint16{ispctl.Interactive: urgentClass, ispctl.Bulk: bulkClass}
	for mark := byte(0); mark < 64; mark++ {
		if c := classes[ispctl.PriorityOf(mark)]; c != 0 {
			code = append(code, bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(mark), SkipFalse: 1}, verdict(true, c))
		}
	}
	return code
}

// port goes on if it is that of either end, and else past one instruction.
func (v version) port(port uint32) []bpf.Instruction {
	if v.ports != 0 {
		return []bpf.Instruction{
			bpf.LoadAbsolute{Off: v.ports, Size: 2},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: port, SkipTrue: 2},
			bpf.LoadAbsolute{Off: v.ports + 2, Size: 2},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: port, SkipFalse: 1},
		}
	}
	return []bpf.Instruction{
		bpf.LoadAbsolute{Off: ipFragment, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: 0x1fff, SkipTrue: 6},
		bpf.LoadMemShift{Off: ipHeader},
		bpf.LoadIndirect{Off: ipHeader, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: port, SkipTrue: 2},
		bpf.LoadIndirect{Off: ipHeader + 2, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: port, SkipFalse: 1},
	}
}

func verdict(limited bool, minor uint16) bpf.Instruction {
	if !limited {
		return bpf.RetConstant{}
	}
	return bpf.RetConstant{Val: Major<<16 | uint32(minor)}
}

// constant is the program that puts all into one class.
func constant(minor uint16) Program { return assemble([]bpf.Instruction{verdict(true, minor)}) }

// matchAll is what a filter matches everything with.
var matchAll = assemble([]bpf.Instruction{bpf.RetConstant{Val: ^uint32(0)}})

// assemble writes struct sock_filter (linux/filter.h). It panics at what is no
// program: that is a mistake of this file.
func assemble(code []bpf.Instruction) Program {
	raw, err := bpf.Assemble(code)
	if err != nil {
		panic("qos: " + err.Error())
	}
	var b []byte
	for _, one := range raw {
		b = binary.NativeEndian.AppendUint16(b, one.Op)
		b = append(b, one.Jt, one.Jf)
		b = binary.NativeEndian.AppendUint32(b, one.K)
	}
	return Program(b)
}

// instruction is the size of struct sock_filter.
const instruction = 8

// String is the program as tc-bpf(8) takes it.
func (p Program) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d", len(p)/instruction)
	for i := 0; i+instruction <= len(p); i += instruction {
		one := []byte(p[i : i+instruction])
		fmt.Fprintf(&b, ",%d %d %d %d", binary.NativeEndian.Uint16(one), one[2], one[3], binary.NativeEndian.Uint32(one[4:]))
	}
	return b.String()
}
