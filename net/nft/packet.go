package nft

import (
	"encoding/binary"
	"strconv"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// TypeFamily is the version of IP.
var TypeFamily = Type{datatype: nftables.TypeNFProto, text: func(b []byte) string {
	if b[0] == unix.NFPROTO_IPV6 {
		return "ipv6"
	}
	return "ipv4"
}}

// What is said of a packet in a table of family inet.
var (
	OutLink   = meta("oifname", TypeIfname, expr.MetaKeyOIFNAME)
	IPVersion = meta("meta nfproto", TypeFamily, expr.MetaKeyNFPROTO)
	DestPort  = header("th dport", TypeService, transport, 2)
)

// Families as fields.
var (
	FamilyIPv4 = Field{unix.NFPROTO_IPV4}
	FamilyIPv6 = Field{unix.NFPROTO_IPV6}
)

// LogAs writes the packet's head to the kernel's log.
func LogAs(prefix string) Stmt {
	return Stmt{"log prefix " + strconv.Quote(prefix), []expr.Any{&expr.Log{Key: 1 << unix.NFTA_LOG_PREFIX, Data: []byte(prefix)}}}
}

// OnEthernet holds a statement about Ethernet headers to interfaces that have
// them, where the family of the table does not say so.
func OnEthernet(s Stmt) Stmt {
	return Stmt{s.text, append([]expr.Any{
		&expr.Meta{Key: expr.MetaKeyIIFTYPE, Register: reg1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: reg1, Data: binary.NativeEndian.AppendUint16(nil, unix.ARPHRD_ETHER)},
	}, s.exprs...)}
}

// IsARP matches what the kernel takes for ARP.
func IsARP() Stmt { return protocol("arp", unix.ETH_P_ARP) }

// IsIPv4 matches what the kernel takes for IPv4.
func IsIPv4() Stmt { return protocol("ip", unix.ETH_P_IP) }

func protocol(name string, number uint16) Stmt {
	return Stmt{"meta protocol " + name, []expr.Any{
		&expr.Meta{Key: expr.MetaKeyPROTOCOL, Register: reg1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: reg1, Data: Short(number)},
	}}
}
