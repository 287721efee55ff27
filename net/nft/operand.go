package nft

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/google/nftables/expr"
)

// Operand is what a rule looks at: a field of the frame, or what the kernel
// says of it. Fields of a header match nothing where the frame is too short to
// have them, so a rule that accepts by one never accepts what is cut off.
type Operand struct {
	text string
	typ  Type
	load func(reg, size uint32) expr.Any

	// swap: the kernel has it in its own byte order, and sets of ranges in the
	// network's.
	swap bool
}

func meta(text string, t Type, key expr.MetaKey) Operand {
	return Operand{text: text, typ: t, load: func(reg, _ uint32) expr.Any { return &expr.Meta{Key: key, Register: reg} }}
}

func header(text string, t Type, base expr.PayloadBase, offset uint32) Operand {
	return Operand{text: text, typ: t, load: func(reg, size uint32) expr.Any {
		return &expr.Payload{DestRegister: reg, Base: base, Offset: offset, Len: size}
	}}
}

// Bases of headers, short.
const (
	link      = expr.PayloadBaseLLHeader
	network   = expr.PayloadBaseNetworkHeader
	transport = expr.PayloadBaseTransportHeader
)

// What the kernel says. It knows the transport protocol only of a packet whose
// header is whole and no longer than the frame; behind IPv6 extension headers
// it is the last one's.
var (
	InLink   = meta("iifname", TypeIfname, expr.MetaKeyIIFNAME)
	L4       = meta("meta l4proto", TypeProto, expr.MetaKeyL4PROTO)
	MarkSeen = meta("meta mark", TypeMark, expr.MetaKeyMARK)
)

// metaTime is NFT_META_TIME_NS of linux/netfilter/nf_tables.h.
const metaTime expr.MetaKey = 30

// Now is the time by the host's clock. It is for sets only (Linux 5.4).
var Now = Operand{
	text: "meta time", typ: TypeTime, swap: true,
	load: func(reg, _ uint32) expr.Any { return &expr.Meta{Key: metaTime, Register: reg} },
}

// Ethernet. The kernel takes a VLAN tag off before any rule; the type is the
// tag's nevertheless, as nft_payload puts it back for the reader.
var (
	EtherDest   = header("ether daddr", TypeEther, link, 0)
	EtherSource = header("ether saddr", TypeEther, link, 6)
	EtherType   = header("ether type", TypeEtherType, link, 12)
)

// A VLAN tag: what it says (priority, and number of the VLAN) and the type of
// what follows. The kernel puts the tag back for whoever looks there.
var (
	TagControl = header("@ll,112,16", TypeTag, link, 14)
	TaggedType = header("@ll,128,16", TypeTag, link, 16)
)

// ARP for IPv4 over Ethernet (RFC 826). The addresses are where they are only
// when the lengths are 6 and 4.
var (
	ARPHardware   = header("arp htype", typeHexBytes(2), network, 0)
	ARPProtocol   = header("arp ptype", TypeEtherType, network, 2)
	ARPHardLength = header("arp hlen", typeNumber(1), network, 4)
	ARPProtLength = header("arp plen", typeNumber(1), network, 5)
	ARPOperation  = header("arp operation", typeNumber(2), network, 6)
	ARPSenderMAC  = header("arp saddr ether", TypeEther, network, 8)
	ARPSenderIP   = header("arp saddr ip", TypeIPv4, network, 14)
	ARPTargetIP   = header("arp daddr ip", TypeIPv4, network, 24)
)

// IPv4 (RFC 791).
var (
	IPFragment = header("ip frag-off", typeHexBytes(2), network, 6)
	IPTTL      = header("ip ttl", typeNumber(1), network, 8)
	IPSource   = header("ip saddr", TypeIPv4, network, 12)
	IPDest     = header("ip daddr", TypeIPv4, network, 16)
)

// IPv6 (RFC 8200).
var (
	IP6Next   = header("ip6 nexthdr", TypeProto, network, 6)
	IP6Hops   = header("ip6 hoplimit", typeNumber(1), network, 7)
	IP6Source = header("ip6 saddr", TypeIPv6, network, 8)
	IP6Dest   = header("ip6 daddr", TypeIPv6, network, 24)
)

// What stands in transport headers. A rule that looks at one must have matched
// the protocol before.
var (
	PortSource = header("th sport", TypeService, transport, 0)
	PortDest   = header("th dport", TypeService, transport, 2)
	UDPSource  = header("udp sport", TypeService, transport, 0)
	UDPDest    = header("udp dport", TypeService, transport, 2)
	ICMPType   = header("icmp type", TypeICMP, transport, 0)
	ICMPv6Type = header("icmpv6 type", TypeICMPv6, transport, 0)
	IGMPType   = header("igmp type", typeHexBytes(1), transport, 0)
	NDTarget   = header("@th,64,128", TypeNDTarget, transport, 8) // "icmpv6 taddr" since nft 1.0.8
)

// NetworkBytes are size bytes of the network header at an offset, for what
// nft(8) has no name for.
func NetworkBytes(offset, size uint32) Operand {
	return header(fmt.Sprintf("@nh,%d,%d", 8*offset, 8*size), typeHexBytes(size), network, offset)
}

func (o Operand) size() uint32 { return o.typ.datatype.Bytes }

// Is matches the one value.
func (o Operand) Is(f Field) Stmt {
	return Stmt{o.text + " " + o.typ.text(f), []expr.Any{o.load(reg1, o.size()), &expr.Cmp{Op: expr.CmpOpEq, Register: reg1, Data: f}}}
}

// Not matches every other value.
func (o Operand) Not(f Field) Stmt {
	return Stmt{o.text + " != " + o.typ.text(f), []expr.Any{o.load(reg1, o.size()), &expr.Cmp{Op: expr.CmpOpNeq, Register: reg1, Data: f}}}
}

// Between matches a range, both ends included.
func (o Operand) Between(low, high Field) Stmt {
	return Stmt{o.text + " " + o.typ.text(low) + "-" + o.typ.text(high), []expr.Any{
		o.load(reg1, o.size()),
		&expr.Cmp{Op: expr.CmpOpGte, Register: reg1, Data: low},
		&expr.Cmp{Op: expr.CmpOpLte, Register: reg1, Data: high},
	}}
}

// Under matches the addresses of a prefix, whose length is a multiple of eight.
func (o Operand) Under(p netip.Prefix) Stmt { return o.under("", expr.CmpOpEq, p) }

// NotUnder matches all others.
func (o Operand) NotUnder(p netip.Prefix) Stmt { return o.under("!= ", expr.CmpOpNeq, p) }

func (o Operand) under(op string, cmp expr.CmpOp, p netip.Prefix) Stmt {
	size := p.Bits() / 8
	return Stmt{o.text + " " + op + p.String(), []expr.Any{
		o.load(reg1, uint32(size)), &expr.Cmp{Op: cmp, Register: reg1, Data: p.Addr().AsSlice()[:size]},
	}}
}

// Masked matches when the bits of mask are those of value.
func (o Operand) Masked(mask, value Field) Stmt { return o.masked("==", expr.CmpOpEq, mask, value) }

// NotMasked matches when they are others.
func (o Operand) NotMasked(mask, value Field) Stmt { return o.masked("!=", expr.CmpOpNeq, mask, value) }

func (o Operand) masked(op string, cmp expr.CmpOp, mask, value Field) Stmt {
	return Stmt{fmt.Sprintf("%s & %s %s %s", o.text, o.typ.text(mask), op, o.typ.text(value)), []expr.Any{
		o.load(reg1, o.size()),
		&expr.Bitwise{SourceRegister: reg1, DestRegister: reg1, Len: o.size(), Mask: mask, Xor: make([]byte, o.size())},
		&expr.Cmp{Op: cmp, Register: reg1, Data: value},
	}}
}

// In matches when the operands, side by side, are an element of a set.
func In(set string, operands ...Operand) Stmt { return lookup(set, " ", false, operands) }

// NotIn matches when they are not.
func NotIn(set string, operands ...Operand) Stmt { return lookup(set, " != ", true, operands) }

func lookup(set, op string, invert bool, operands []Operand) Stmt {
	text, exprs := load(operands)
	return Stmt{text + op + "@" + set, append(exprs, &expr.Lookup{SourceRegister: reg32At, SetName: set, Invert: invert})}
}

// CountIn counts the packet at the operands' element of a dynamic set, which
// is put in when it is not there. When the set is full the rule matches
// nothing.
func CountIn(set string, operands ...Operand) Stmt {
	text, exprs := load(operands)
	return Stmt{"update @" + set + " { " + text + " counter }", append(exprs, &expr.Dynset{
		SrcRegKey: reg32At, SetName: set, Operation: dynsetUpdate, Exprs: []expr.Any{&expr.Counter{}},
	})}
}

// dynsetUpdate is NFT_DYNSET_OP_UPDATE: add the element, or begin its timeout
// anew.
const dynsetUpdate = 1

// load puts the operands into registers, each at a multiple of four bytes, as
// a concatenation has them.
func load(operands []Operand) (text string, exprs []expr.Any) {
	var texts []string
	reg := uint32(reg32At)
	for _, o := range operands {
		texts = append(texts, o.text)
		exprs = append(exprs, o.load(reg, o.size()))
		if o.swap {
			exprs = append(exprs, &expr.Byteorder{SourceRegister: reg, DestRegister: reg, Op: expr.ByteorderHton, Len: o.size(), Size: o.size()})
		}
		reg += (o.size() + 3) / 4
	}
	return strings.Join(texts, " . "), exprs
}

// WholeTCP matches TCP whose header says that it is at least as long as the
// shortest one, and is there up to its flags.
func WholeTCP() Stmt {
	return Stmt{"meta l4proto tcp tcp doff >= 5", append(l4proto(6),
		&expr.Payload{DestRegister: reg1, Base: transport, Offset: 12, Len: 1},
		&expr.Bitwise{SourceRegister: reg1, DestRegister: reg1, Len: 1, Mask: []byte{0xf0}, Xor: []byte{0}},
		&expr.Cmp{Op: expr.CmpOpGte, Register: reg1, Data: []byte{5 << 4}})}
}

// SetMark puts a mark on the packet, for the rules after this one.
func SetMark(mark uint32) Stmt {
	return Stmt{fmt.Sprintf("meta mark set %s", TypeMark.text(native(mark))), []expr.Any{
		&expr.Immediate{Register: reg1, Data: native(mark)},
		&expr.Meta{Key: expr.MetaKeyMARK, Register: reg1, SourceRegister: true},
	}}
}

// SetPriority puts the packet into the class that a map of (operand : class)
// says, and matches nothing when it says nothing.
func SetPriority(o Operand, set string) Stmt {
	return Stmt{"meta priority set " + o.text + " map @" + set, []expr.Any{
		o.load(reg1, o.size()),
		&expr.Lookup{SourceRegister: reg1, DestRegister: reg1, IsDestRegSet: true, SetName: set},
		&expr.Byteorder{SourceRegister: reg1, DestRegister: reg1, Op: expr.ByteorderNtoh, Len: 4, Size: 4},
		&expr.Meta{Key: expr.MetaKeyPRIORITY, Register: reg1, SourceRegister: true},
	}}
}
