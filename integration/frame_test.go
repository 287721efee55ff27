package integration

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
)

// framer makes the frames that a guest could send.
type framer struct {
	mac  net.HardwareAddr
	addr string
}

func short(n uint16) []byte { return binary.BigEndian.AppendUint16(nil, n) }

func ip(s string) []byte { return netip.MustParseAddr(s).AsSlice() }

func (f framer) eth(to net.HardwareAddr, kind uint16, payload []byte) []byte {
	return slices.Concat(to, f.mac, short(kind), payload)
}

// arp asks (1) or answers (2) with whatever is said inside.
func (f framer) arp(op uint16, to, senderMAC net.HardwareAddr, sender, target string) []byte {
	return f.eth(to, 0x0806, slices.Concat(short(1), short(0x0800), []byte{6, 4}, short(op), senderMAC, ip(sender), make([]byte, 6), ip(target), make([]byte, 18)))
}

func (f framer) ip(to net.HardwareAddr, proto byte, from, dest string, payload []byte) []byte {
	return f.eth(to, 0x0800, slices.Concat(header4(proto, from, dest, len(payload)), payload))
}

func (f framer) udp(to net.HardwareAddr, from, dest string, port uint16) []byte {
	payload := slices.Concat(short(40000), short(port), short(16), short(0), make([]byte, 8)) // no checksum
	return f.ip(to, 17, from, dest, payload)
}

// ip6 is from the link-local address of the MAC.
func (f framer) ip6(to net.HardwareAddr, next byte, dest string, payload []byte) []byte {
	return f.eth(to, 0x86dd, slices.Concat(header6(next, linkLocal(f.mac), dest, len(payload)), payload))
}

func linkLocal(mac net.HardwareAddr) string {
	return netip.AddrFrom16([16]byte{0xfe, 0x80, 8: mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]}).String()
}

func header4(proto byte, from, dest string, payload int) []byte {
	h := slices.Concat([]byte{0x45, 0}, short(uint16(20+payload)), []byte{0, 1, 0, 0, 64, proto, 0, 0}, ip(from), ip(dest))
	binary.BigEndian.PutUint16(h[10:], ^fold(sum(h)))
	return h
}

func header6(next byte, from, dest string, payload int) []byte {
	return slices.Concat([]byte{0x60, 0, 0, 0}, short(uint16(payload)), []byte{next, 255}, ip(from), ip(dest))
}

// tag puts a VLAN tag before the type of a frame.
func tag(frame []byte, kind, vid uint16) []byte {
	return slices.Concat(frame[:12], short(kind), short(vid), frame[12:])
}

// sum and fold are the Internet checksum (RFC 1071).
func sum(b []byte) (n uint32) {
	for i := 0; i+1 < len(b); i += 2 {
		n += uint32(b[i])<<8 | uint32(b[i+1])
	}
	return n
}

func fold(n uint32) uint16 {
	for n > 0xffff {
		n = n>>16 + n&0xffff
	}
	return uint16(n)
}
