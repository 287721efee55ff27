package qos

import (
	"encoding/binary"
	"fmt"
	"net/netip"
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

// Where things are in a frame: Ethernet, then IPv4 (RFC 791).
const (
	etherType  = 12
	ipHeader   = 14
	ipFragment = 20
	ipProtocol = 23
	ipSource   = 26
	ipDest     = 30
	etherIPv4  = 0x0800
)

// remote is where the address of the other end is.
func (d direction) remote() uint32 {
	if d == toGuest {
		return ipSource
	}
	return ipDest
}

// program says which class a frame is in. What is no IPv4 goes no further than
// this host. The flow limits are for the Internet, so the zones come first.
func (w wish) program() Program {
	local := verdict(w.local > 0, localClass)
	code := []bpf.Instruction{
		bpf.LoadAbsolute{Off: etherType, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: etherIPv4, SkipTrue: 1},
		local,
	}
	for _, z := range w.zones {
		code = append(code, w.under(z, 1)...)
		code = append(code, local)
	}
	for _, f := range w.flows {
		code = append(code, w.flow(f)...)
	}
	code = append(code, verdict(w.internet > 0 || len(w.flows) > 0, restClass))
	return assemble(code)
}

// under goes on if the remote address is in a prefix, and else past so many
// instructions.
func (w wish) under(p netip.Prefix, skip uint8) []bpf.Instruction {
	net := p.Masked().Addr().As4()
	mask := ^uint32(0) << (32 - p.Bits())
	if p.Bits() == 0 {
		mask = 0
	}
	return []bpf.Instruction{
		bpf.LoadAbsolute{Off: w.direction.remote(), Size: 4},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: mask},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: binary.BigEndian.Uint32(net[:]), SkipFalse: skip},
	}
}

var protocols = map[ispctl.Transport]uint32{ispctl.ICMP: 1, ispctl.TransportTCP: 6, ispctl.TransportUDP: 17}

// flow returns the class of a flow for what matches it. A fragment that is not
// the first has no ports, and is none of a flow with one.
func (w wish) flow(f ispctl.Flow) []bpf.Instruction {
	var tail []bpf.Instruction
	if f.Match.Port != 0 {
		port := uint32(f.Match.Port)
		tail = append(tail,
			bpf.LoadAbsolute{Off: ipFragment, Size: 2},
			bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: 0x1fff, SkipTrue: 6},
			bpf.LoadMemShift{Off: ipHeader},
			bpf.LoadIndirect{Off: ipHeader, Size: 2}, // its source port
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: port, SkipTrue: 2},
			bpf.LoadIndirect{Off: ipHeader + 2, Size: 2}, // its destination port
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: port, SkipFalse: 1})
	}
	tail = append(tail, verdict(true, flowClass(f)))
	var head []bpf.Instruction
	if protocol, ok := protocols[f.Match.Transport]; ok {
		head = append(head,
			bpf.LoadAbsolute{Off: ipProtocol, Size: 1},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: protocol, SkipFalse: uint8(len(tail))})
	}
	if f.Remote.IsValid() {
		head = append(w.under(f.Remote, uint8(len(head)+len(tail))), head...)
	}
	return append(head, tail...)
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
