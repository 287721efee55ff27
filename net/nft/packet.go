package nft

import (
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
