package nft

import (
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// OriginalDest is where a connection of IPv4 was to go at first, whatever its
// destination was changed to. Packets of IPv6 have none and match nothing.
var OriginalDest = Operand{text: "ct original ip daddr", typ: TypeIPv4, load: func(reg, _ uint32) expr.Any {
	return &expr.Ct{Register: reg, Key: expr.CtKeyDSTIP, Direction: 0, OptDirection: true}
}}

// DNATByRange changes the destination address to what a map of (address .
// proto . range of services : address) says, and leaves the port as it is.
func DNATByRange(set string) Stmt {
	return Stmt{"dnat ip to ip daddr . meta l4proto . th dport map @" + set, []expr.Any{
		destAddr(reg32At),
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg32At + 1},
		destPort(reg32At + 2),
		&expr.Lookup{SourceRegister: reg32At, DestRegister: reg1, IsDestRegSet: true, SetName: set},
		&expr.NAT{Type: expr.NATTypeDestNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: reg1},
	}}
}

// DNATByDest changes the destination address to what a map of (address :
// address) says of it.
func DNATByDest(set string) Stmt {
	return Stmt{"dnat ip to ip daddr map @" + set, []expr.Any{
		destAddr(reg1),
		&expr.Lookup{SourceRegister: reg1, DestRegister: reg1, IsDestRegSet: true, SetName: set},
		&expr.NAT{Type: expr.NATTypeDestNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: reg1},
	}}
}

// MarkBy puts a mark on the packet that a map says of an operand, and matches
// nothing when it says nothing.
func MarkBy(set string, o Operand) Stmt {
	return Stmt{"meta mark set " + o.text + " map @" + set, []expr.Any{
		o.load(reg1, o.size()),
		&expr.Lookup{SourceRegister: reg1, DestRegister: reg1, IsDestRegSet: true, SetName: set},
		&expr.Meta{Key: expr.MetaKeyMARK, Register: reg1, SourceRegister: true},
	}}
}

// Onward matches packets in the direction of their connection's first.
func Onward() Stmt { return direction("original", 0) }

// Back matches those against it.
func Back() Stmt { return direction("reply", 1) }

func direction(name string, number byte) Stmt {
	return Stmt{"ct direction " + name, []expr.Any{
		&expr.Ct{Key: expr.CtKeyDIRECTION, Register: reg1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: reg1, Data: []byte{number}},
	}}
}
