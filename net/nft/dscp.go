package nft

import "github.com/google/nftables/expr"

// SetDSCP writes a mark of urgency (RFC 2474) into the packet's header; six says
// that it is IPv6's. What of the two bytes is not the mark stays: of IPv4 the
// version, the header's length and the two bits of congestion, whose sum is
// corrected; of IPv6 the version, those bits, and the flow's first.
func SetDSCP(six bool, name string, mark byte) Stmt {
	text, keep, put := "ip", []byte{0xff, 0x03}, []byte{0, mark << 2}
	write := &expr.Payload{OperationType: expr.PayloadWrite, SourceRegister: reg1, Base: network, Len: 2}
	if six {
		text, keep, put = "ip6", []byte{0xf0, 0x3f}, []byte{mark >> 2, mark << 6}
	} else {
		write.CsumType, write.CsumOffset = expr.CsumTypeInet, 10
	}
	return Stmt{text + " dscp set " + name, []expr.Any{
		&expr.Payload{DestRegister: reg1, Base: network, Len: 2},
		&expr.Bitwise{SourceRegister: reg1, DestRegister: reg1, Len: 2, Mask: keep, Xor: put},
		write,
	}}
}
