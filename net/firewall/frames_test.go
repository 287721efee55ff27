package firewall_test

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"slices"

	"ispctl/net/firewall"
)

// frame is one that a guest sends. Hostile ones name the reason they are
// dropped for, and where even without walls nothing would come out, who sees to
// that.
type frame struct {
	name    string
	from    string // tap; empty: web
	bytes   []byte
	reason  firewall.Reason
	already string
}

func (f frame) tap() string {
	if f.from == "" {
		return web
	}
	return f.from
}

// Ethernet.

var (
	toAll    = hw("ff:ff:ff:ff:ff:ff")
	stranger = hw("02:00:00:00:00:99")
)

const (
	arpType  = 0x0806
	ip4Type  = 0x0800
	ip6Type  = 0x86dd
	vlanType = 0x8100
	qinqType = 0x88a8
)

func eth(dst, src net.HardwareAddr, kind uint16, payload []byte) []byte {
	return slices.Concat(dst, src, short(kind), payload)
}

// tagged puts VLAN tags before the type of a frame, the outermost first.
func tagged(f []byte, tags ...uint16) []byte {
	head, rest := f[:12], f[12:]
	for i := len(tags) - 2; i >= 0; i -= 2 {
		rest = slices.Concat(short(tags[i]), short(tags[i+1]), rest)
	}
	return slices.Concat(head, rest)
}

func short(n uint16) []byte { return binary.BigEndian.AppendUint16(nil, n) }

// ARP.

type arp struct {
	op                 uint16
	senderMAC          net.HardwareAddr
	sender             netip.Addr
	targetMAC          net.HardwareAddr
	target             netip.Addr
	hard, proto        uint16
	hardLen, protoLen  byte
	dst, src           net.HardwareAddr
	trailing, cutShort int
}

// guestARP is a guest asking for an address.
func guestARP(tap string, target netip.Addr) []byte {
	switch tap {
	case neighbour:
		return arp{senderMAC: neighbourMAC, src: neighbourMAC, sender: neighbourAddr, target: target}.frame()
	case six:
		// Its fence is a question by IPv6.
		return nd(six, 135, sixAddr, target)
	}
	return arp{target: target}.frame()
}

// frame fills in what was left out: a whole question of web, to all.
func (a arp) frame() []byte {
	def(&a.op, 1)
	def(&a.hard, 1)
	def(&a.proto, ip4Type)
	def(&a.hardLen, 6)
	def(&a.protoLen, 4)
	if a.senderMAC == nil {
		a.senderMAC = webMAC
	}
	if a.src == nil {
		a.src = webMAC
	}
	if a.dst == nil {
		a.dst = toAll
	}
	if a.targetMAC == nil {
		a.targetMAC = make(net.HardwareAddr, 6)
	}
	if !a.sender.IsValid() {
		a.sender = webAddr
	}
	if !a.target.IsValid() {
		a.target = neighbourAddr
	}
	b := slices.Concat(short(a.hard), short(a.proto), []byte{a.hardLen, a.protoLen}, short(a.op),
		a.senderMAC, a.sender.AsSlice(), a.targetMAC, a.target.AsSlice(), make([]byte, a.trailing))
	return eth(a.dst, a.src, arpType, b[:len(b)-a.cutShort])
}

func def[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

// IPv4.

type ip4 struct {
	dst, src  net.HardwareAddr
	from, to  netip.Addr
	proto     byte
	options   []byte
	first     byte // version and header length; 0: right
	length    int  // 0: right
	fragment  uint16
	ttl       byte
	payload   []byte
	cutShort  int
	ethertype uint16
}

func (p ip4) frame() []byte {
	if p.dst == nil {
		p.dst = neighbourMAC
	}
	if p.src == nil {
		p.src = webMAC
	}
	if !p.from.IsValid() {
		p.from = webAddr
	}
	if !p.to.IsValid() {
		p.to = neighbourAddr
	}
	head := 20 + len(p.options)
	def(&p.first, byte(0x40|head/4))
	def(&p.length, head+len(p.payload))
	def(&p.ttl, 64)
	def(&p.ethertype, ip4Type)
	h := slices.Concat([]byte{p.first, 0}, short(uint16(p.length)), []byte{0x12, 0x34}, short(p.fragment),
		[]byte{p.ttl, p.proto, 0, 0}, p.from.AsSlice(), p.to.AsSlice(), p.options)
	binary.BigEndian.PutUint16(h[10:], checksum(h))
	b := append(h, p.payload...)
	return eth(p.dst, p.src, p.ethertype, b[:len(b)-p.cutShort])
}

func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}

func udp(from, to uint16, payload ...byte) []byte {
	return slices.Concat(short(from), short(to), short(uint16(8+len(payload))), short(0), payload)
}

func tcp(from, to uint16) []byte {
	return slices.Concat(short(from), short(to), make([]byte, 8), []byte{0x50, 0x02}, make([]byte, 6))
}

// icmp is a message of ICMP, ICMPv6 or IGMP.
func icmp(kind, code byte, body ...byte) []byte {
	b := append([]byte{kind, code, 0, 0}, body...)
	for len(b) < 8 {
		b = append(b, 0)
	}
	binary.BigEndian.PutUint16(b[2:], checksum(b))
	return b
}

// groupMAC is where frames to a group go.
func groupMAC(a netip.Addr) net.HardwareAddr {
	b := a.AsSlice()
	if a.Is4() {
		return net.HardwareAddr{1, 0, 0x5e, b[1] & 0x7f, b[2], b[3]}
	}
	return net.HardwareAddr{0x33, 0x33, b[12], b[13], b[14], b[15]}
}

// IPv6.

type ip6 struct {
	dst, src net.HardwareAddr
	from, to netip.Addr
	hops     byte
	next     byte
	length   int // 0: right
	first    byte
	payload  []byte
	cutShort int
}

func (p ip6) frame() []byte {
	if !p.from.IsValid() {
		p.from = sixAddr
	}
	if !p.to.IsValid() {
		p.to = ip("fd10::2")
	}
	if p.src == nil {
		p.src = sixMAC
	}
	if p.dst == nil {
		p.dst = neighbourMAC
		if p.to.IsMulticast() {
			p.dst = groupMAC(p.to)
		}
	}
	def(&p.hops, 64)
	def(&p.first, 0x60)
	def(&p.length, len(p.payload))
	b := slices.Concat([]byte{p.first, 0, 0, 0}, short(uint16(p.length)), []byte{p.next, p.hops}, p.from.AsSlice(), p.to.AsSlice(), p.payload)
	return eth(p.dst, p.src, ip6Type, b[:len(b)-p.cutShort])
}

// nd is neighbour discovery about a target, as six does it.
func nd(tap string, kind byte, from, target netip.Addr) []byte {
	t := target
	if t.Is4() { // of a fence
		b := t.As4()
		t = netip.AddrFrom16([16]byte{0xfd, 0x10, 14: b[2], 15: b[3]})
	}
	b := t.As16()
	to := netip.AddrFrom16([16]byte{0xff, 2, 11: 1, 0xff, b[13], b[14], b[15]})
	if kind == 136 {
		to = ip("ff02::1")
	}
	_ = tap
	return ip6{from: from, to: to, hops: 255, next: 58, payload: icmp(kind, 0, append(make([]byte, 4), b[:]...)...)}.frame()
}

// extension is an extension header of eight bytes before what follows.
func extension(next byte, rest ...byte) []byte {
	return slices.Concat([]byte{next, 0, 1, 4, 0, 0, 0, 0}, rest)
}

// fragment6 is a fragment header before what follows.
func fragment6(next byte, offset uint16, more bool, rest ...byte) []byte {
	if more {
		offset |= 1
	}
	return slices.Concat([]byte{next, 0}, short(offset), []byte{0, 0, 0, 7}, rest)
}

// asSix are frames of the first guest as the one with addresses of both
// families would send them: what holds one family does not loosen the other.
func asSix(frames []frame) []frame {
	var all []frame
	for _, f := range frames {
		if f.from != "" {
			continue
		}
		f.from, f.name = six, "both families: "+f.name
		f.bytes = bytes.ReplaceAll(f.bytes, webMAC, sixMAC)
		f.bytes = bytes.ReplaceAll(f.bytes, webAddr.AsSlice(), sixAddr4.AsSlice())
		if size := 14 + 4*int(f.bytes[14]&0xf); binary.BigEndian.Uint16(f.bytes[12:]) == ip4Type && size <= len(f.bytes) {
			// The bridge itself looks at the checksum of what is about groups.
			f.bytes[24], f.bytes[25] = 0, 0
			binary.BigEndian.PutUint16(f.bytes[24:], checksum(f.bytes[14:size]))
		}
		all = append(all, f)
	}
	return all
}
