package nft

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/google/nftables"
)

// Type is the type of one field of a key or a value.
type Type struct {
	datatype nftables.SetDatatype
	text     func([]byte) string
	example  string // an expression of the type, where a set needs one
	nameless bool   // nft(8) can declare it only by an example
}

// The types of fields, as nft(8) calls them.
var (
	TypeIfname = Type{
		datatype: nftables.TypeIFName, example: "iifname",
		text: func(b []byte) string { return strconv.Quote(strings.TrimRight(string(b), "\x00")) },
	}
	TypeIPv4      = Type{datatype: nftables.TypeIPAddr, text: addrText, example: "ip saddr"}
	TypeIPv6      = Type{datatype: nftables.TypeIP6Addr, text: addrText}
	TypeEther     = Type{datatype: nftables.TypeEtherAddr, example: "ether saddr", text: func(b []byte) string { return net.HardwareAddr(b).String() }}
	TypeEtherType = Type{datatype: nftables.TypeEtherType, text: hexText}
	TypeProto     = Type{datatype: nftables.TypeInetProto, text: func(b []byte) string { return protoName(b[0]) }}
	TypeService   = Type{datatype: nftables.TypeInetService, text: numberText}
	TypeICMP      = Type{datatype: nftables.TypeICMPType, text: numberText}
	TypeICMPv6    = Type{datatype: nftables.TypeICMP6Type, text: numberText}
	TypeMark      = Type{datatype: nftables.TypeMark, text: func(b []byte) string { return fmt.Sprintf("0x%08x", binary.NativeEndian.Uint32(b)) }}
	TypeClass     = Type{datatype: nftables.TypeClassID, text: classText}

	// TypeNDTarget is the target of a neighbour solicitation or
	// advertisement: to the kernel an address like any other. nft(8) before
	// 1.0.8 can look at it only as bytes, and does not look up bytes among
	// addresses; so its script has to declare the set by an example.
	TypeNDTarget = Type{datatype: nftables.TypeIP6Addr, text: hexText, example: "@th,64,128", nameless: true}
)

// TypeTime is a moment by the clock, in nanoseconds since 1970. nft(8) has it
// in seconds, and its name for it stands for two types.
var TypeTime = Type{
	datatype: nftables.TypeTimeDate, example: "meta time", nameless: true,
	text: func(b []byte) string { return strconv.FormatUint(binary.BigEndian.Uint64(b)/uint64(time.Second), 10) },
}

// Time encodes a moment, in whole seconds.
func Time(at time.Time) Field {
	return binary.BigEndian.AppendUint64(nil, uint64(at.Unix())*uint64(time.Second))
}

// TypeTag is two bytes of a VLAN's header, to the kernel a number like any
// other. nft(8) has a name only for parts of them, so a set of them is declared
// by an example.
var TypeTag = Type{datatype: nftables.TypeInetService, text: numberText, example: "@ll,112,16", nameless: true}

// types are all that a set of ours can have.
var types = []Type{TypeIfname, TypeIPv4, TypeIPv6, TypeEther, TypeEtherType, TypeProto, TypeService, TypeICMP, TypeICMPv6, TypeMark, TypeClass, TypeFamily, TypeTime}

// Types of operands that stand in no set.
func typeHexBytes(size uint32) Type { return Type{datatype: integer(size), text: hexText} }
func typeNumber(size uint32) Type   { return Type{datatype: integer(size), text: numberText} }

func integer(size uint32) nftables.SetDatatype {
	d := nftables.TypeInteger
	d.Bytes = size
	return d
}

// classText is a class as nft(8) has it: two numbers in hexadecimal.
func classText(b []byte) string {
	return fmt.Sprintf("%x:%x", binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:]))
}

func addrText(b []byte) string { a, _ := netip.AddrFromSlice(b); return a.String() }

func hexText(b []byte) string { return fmt.Sprintf("0x%x", b) }

func numberText(b []byte) string {
	var n uint64
	for _, one := range b {
		n = n<<8 | uint64(one)
	}
	return strconv.FormatUint(n, 10)
}

func protoName(n byte) string {
	switch n {
	case 6:
		return "tcp"
	case 17:
		return "udp"
	}
	return strconv.Itoa(int(n))
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

// MAC encodes an Ethernet address, as parsed.
func MAC(a net.HardwareAddr) Field { return Field(a) }

// Byte encodes a number of one byte.
func Byte(n byte) Field { return Field{n} }

// Short encodes a number of two bytes.
func Short(n uint16) Field { return binary.BigEndian.AppendUint16(nil, n) }

// Mark encodes a packet mark.
func Mark(n uint32) Field { return native(n) }

// Class encodes a class of tc(8), in network byte order: nft(8) takes a map's
// values to be in it unless it made the map itself.
func Class(major, minor uint16) Field {
	return binary.BigEndian.AppendUint32(nil, uint32(major)<<16|uint32(minor))
}

// native is the byte order of marks and conntrack states in registers.
func native(n uint32) []byte {
	return binary.NativeEndian.AppendUint32(nil, n)
}
