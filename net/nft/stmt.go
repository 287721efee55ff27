package nft

import (
	"strconv"
	"strings"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// Stmt is one statement of a rule: what the kernel is given, and the same in
// the syntax of nft(8).
type Stmt struct {
	text  string
	exprs []expr.Any
}

// Registers. A field of up to sixteen bytes begins at reg1; the fields of a
// concatenation begin at every following four bytes (NFT_REG32_00 is reg1).
const (
	reg1    = 1
	reg32At = 8
)

// IIF matches the name of the interface a packet came in by; a name that ends
// in * matches all that begin so.
func IIF(name string) Stmt { return ifname("iifname", expr.MetaKeyIIFNAME, expr.CmpOpEq, name) }

// NotIIF matches every other name.
func NotIIF(name string) Stmt { return ifname("iifname !=", expr.MetaKeyIIFNAME, expr.CmpOpNeq, name) }

// OIF matches the name of the interface a packet goes out by.
func OIF(name string) Stmt { return ifname("oifname", expr.MetaKeyOIFNAME, expr.CmpOpEq, name) }

// NotOIF matches every other name.
func NotOIF(name string) Stmt { return ifname("oifname !=", expr.MetaKeyOIFNAME, expr.CmpOpNeq, name) }

func ifname(text string, key expr.MetaKey, op expr.CmpOp, name string) Stmt {
	// The kernel compares as many bytes as it is given: a name with its
	// final zero is exact, one without is a beginning.
	data := Ifname(name)
	if head, wild := strings.CutSuffix(name, "*"); wild {
		data = []byte(head)
	}
	return Stmt{text + " " + strconv.Quote(name), []expr.Any{
		&expr.Meta{Key: key, Register: reg1},
		&expr.Cmp{Op: op, Register: reg1, Data: data},
	}}
}

// IIFIn matches when the incoming interface is in a set of names.
func IIFIn(set string) Stmt {
	return Stmt{"iifname @" + set, []expr.Any{
		&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: reg1},
		&expr.Lookup{SourceRegister: reg1, SetName: set},
	}}
}

// OIFIn matches when the outgoing interface is in a set of names.
func OIFIn(set string) Stmt {
	return Stmt{"oifname @" + set, []expr.Any{
		&expr.Meta{Key: expr.MetaKeyOIFNAME, Register: reg1},
		&expr.Lookup{SourceRegister: reg1, SetName: set},
	}}
}

// CTState is a state conntrack gives a packet (linux/nf_conntrack_common.h).
type CTState uint32

// The states, as bits.
const (
	Invalid     CTState = 1 << 0
	Established CTState = 1 << 1
	Related     CTState = 1 << 2
	New         CTState = 1 << 3
)

// InState matches a packet in any of the states.
func InState(states ...CTState) Stmt {
	names := map[CTState]string{Invalid: "invalid", Established: "established", Related: "related", New: "new"}
	var mask CTState
	parts := make([]string, len(states))
	for i, s := range states {
		mask |= s
		parts[i] = names[s]
	}
	return Stmt{"ct state " + strings.Join(parts, ","), bitSet(expr.CtKeySTATE, uint32(mask))}
}

// ipsDstNAT is IPS_DST_NAT of linux/nf_conntrack_common.h.
const ipsDstNAT = 1 << 5

// DestinationChanged matches a packet of a connection whose destination a NAT
// rule changed.
func DestinationChanged() Stmt { return Stmt{"ct status dnat", bitSet(expr.CtKeySTATUS, ipsDstNAT)} }

func bitSet(key expr.CtKey, mask uint32) []expr.Any {
	return []expr.Any{
		&expr.Ct{Key: key, Register: reg1},
		&expr.Bitwise{SourceRegister: reg1, DestRegister: reg1, Len: 4, Mask: native(mask), Xor: native(0)},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: reg1, Data: native(0)},
	}
}

// FromIPv4 matches IPv4 in a table of family inet.
func FromIPv4() Stmt {
	return Stmt{"meta nfproto ipv4", []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: reg1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: reg1, Data: []byte{unix.NFPROTO_IPV4}},
	}}
}

func sourceAddr(reg uint32) expr.Any {
	return &expr.Payload{DestRegister: reg, Base: expr.PayloadBaseNetworkHeader, Offset: 12, Len: 4}
}

func destAddr(reg uint32) expr.Any {
	return &expr.Payload{DestRegister: reg, Base: expr.PayloadBaseNetworkHeader, Offset: 16, Len: 4}
}

func destPort(reg uint32) expr.Any {
	return &expr.Payload{DestRegister: reg, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2}
}

// ServiceIn matches when transport protocol and destination port are in a set
// of (proto . service).
func ServiceIn(set string) Stmt {
	return Stmt{"meta l4proto . th dport @" + set, []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg32At},
		destPort(reg32At + 1),
		&expr.Lookup{SourceRegister: reg32At, SetName: set},
	}}
}

// ICMP matches IPv4 ICMP messages of a type, by its name and number (RFC 792).
func ICMP(name string, number byte) Stmt {
	return Stmt{"icmp type " + name, append(l4proto(unix.IPPROTO_ICMP),
		&expr.Payload{DestRegister: reg1, Base: expr.PayloadBaseTransportHeader, Offset: 0, Len: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: reg1, Data: []byte{number}})}
}

// ICMPv6 is the same for IPv6 (RFC 4443).
func ICMPv6(name string, number byte) Stmt {
	return Stmt{"icmpv6 type " + name, append(l4proto(unix.IPPROTO_ICMPV6),
		&expr.Payload{DestRegister: reg1, Base: expr.PayloadBaseTransportHeader, Offset: 0, Len: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: reg1, Data: []byte{number}})}
}

// Count counts packets and bytes.
func Count() Stmt { return Stmt{"counter", []expr.Any{&expr.Counter{}}} }

// Accept lets the packet through this hook.
func Accept() Stmt { return Stmt{"accept", verdict(expr.VerdictAccept)} }

// Drop ends the packet.
func Drop() Stmt { return Stmt{"drop", verdict(expr.VerdictDrop)} }

func verdict(k expr.VerdictKind) []expr.Any { return []expr.Any{&expr.Verdict{Kind: k}} }

// DNATByService changes destination address and port to what a map of
// (address . proto . service : address . service) says, and matches nothing
// when it says nothing.
func DNATByService(set string) Stmt {
	return Stmt{"dnat ip to ip daddr . meta l4proto . th dport map @" + set, []expr.Any{
		destAddr(reg32At),
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg32At + 1},
		destPort(reg32At + 2),
		&expr.Lookup{SourceRegister: reg32At, DestRegister: reg32At, IsDestRegSet: true, SetName: set},
		&expr.NAT{Type: expr.NATTypeDestNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: reg32At, RegProtoMin: reg32At + 1},
	}}
}

// SNATBySource changes the source address to what a map of (address : address)
// says of it.
func SNATBySource(set string) Stmt {
	return Stmt{"snat ip to ip saddr map @" + set, []expr.Any{
		sourceAddr(reg1),
		&expr.Lookup{SourceRegister: reg1, DestRegister: reg1, IsDestRegSet: true, SetName: set},
		&expr.NAT{Type: expr.NATTypeSourceNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: reg1},
	}}
}

// SNATByDest changes the source address to what a map of (address : address)
// says of the destination.
func SNATByDest(set string) Stmt {
	return Stmt{"snat ip to ip daddr map @" + set, []expr.Any{
		destAddr(reg1),
		&expr.Lookup{SourceRegister: reg1, DestRegister: reg1, IsDestRegSet: true, SetName: set},
		&expr.NAT{Type: expr.NATTypeSourceNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: reg1},
	}}
}

// IIFNotIn matches when the incoming interface is not in a set of names.
func IIFNotIn(set string) Stmt {
	return Stmt{"iifname != @" + set, []expr.Any{
		&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: reg1},
		&expr.Lookup{SourceRegister: reg1, SetName: set, Invert: true},
	}}
}

// FromIPv6 matches IPv6 in a table of family inet.
func FromIPv6() Stmt {
	return Stmt{"meta nfproto ipv6", []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: reg1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: reg1, Data: []byte{unix.NFPROTO_IPV6}},
	}}
}

// L4Proto matches a transport protocol by its name and number (protocols(5)).
func L4Proto(name string, number byte) Stmt {
	return Stmt{"meta l4proto " + name, l4proto(number)}
}

func l4proto(number byte) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: reg1, Data: []byte{number}},
	}
}

// UDPTo matches UDP to a port.
func UDPTo(port uint16) Stmt {
	return Stmt{"udp dport " + strconv.Itoa(int(port)), append(l4proto(unix.IPPROTO_UDP),
		destPort(reg1), &expr.Cmp{Op: expr.CmpOpEq, Register: reg1, Data: Service(port)})}
}

// Jump goes through a chain of the same table, and comes back where nothing
// there ends the packet's way.
func Jump(chain string) Stmt {
	return Stmt{"jump " + chain, []expr.Any{&expr.Verdict{Kind: expr.VerdictJump, Chain: chain}}}
}

// Return goes back to the chain that this one was jumped to from.
func Return() Stmt { return Stmt{"return", verdict(expr.VerdictReturn)} }

// All matches when each of the statements does.
func All(stmts ...Stmt) Stmt {
	var texts []string
	var exprs []expr.Any
	for _, s := range stmts {
		texts = append(texts, s.text)
		exprs = append(exprs, s.exprs...)
	}
	return Stmt{strings.Join(texts, " "), exprs}
}
