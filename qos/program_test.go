package qos_test

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"golang.org/x/net/bpf"

	"ispctl"
	"ispctl/qos"
)

// run has a program judge a frame, by an interpreter that is not the kernel's.
func run(t *testing.T, p qos.Program, frame []byte) uint16 {
	t.Helper()
	var raw []bpf.RawInstruction
	for i := 0; i < len(p); i += 8 {
		one := []byte(p[i : i+8])
		raw = append(raw, bpf.RawInstruction{Op: binary.NativeEndian.Uint16(one), Jt: one[2], Jf: one[3], K: binary.NativeEndian.Uint32(one[4:])})
	}
	code, whole := bpf.Disassemble(raw)
	if !whole {
		t.Fatal("the program is none")
	}
	vm, err := bpf.NewVM(code)
	if err != nil {
		t.Fatal(err)
	}
	class, err := vm.Run(frame)
	if err != nil {
		t.Fatal(err)
	}
	return uint16(class)
}

// frame is one with ports, and a mark of urgency; the two bits beside the mark
// are set.
func frame(from, to string, proto byte, mark byte, ports ...uint16) []byte {
	source, target := netip.MustParseAddr(from), netip.MustParseAddr(to)
	b := make([]byte, 14)
	tos := mark<<2 | 3
	if source.Is4() {
		b[12], b[13] = 0x08, 0x00
		b = append(b, 0x45, tos, 0, 28, 0, 0, 0, 0, 64, proto, 0, 0)
	} else {
		b[12], b[13] = 0x86, 0xdd
		b = append(b, 0x60|tos>>4, tos<<4|0xf, 0xff, 0xff, 0, 8, proto, 64)
	}
	b = append(append(b, source.AsSlice()...), target.AsSlice()...)
	for _, port := range ports {
		b = binary.BigEndian.AppendUint16(b, port)
	}
	return append(b, 0, 8, 0, 0)
}

// TestWhichClass: priorities come after flow limits, and both after the zones.
func TestWhichClass(t *testing.T) {
	const rest, urgent, bulk, flow = 0x10, 0x11, 0x12, 0x100
	m := limited(4) // as this says below
	m.VMs[0].Limits.Local = ispctl.NoLimit
	want := mustDesire(t, m)
	var web, mail qos.Port
	for _, vm := range m.VMs {
		for _, nic := range vm.NICs {
			switch {
			case nic.Role == ispctl.AdminNIC:
			case vm.Name == "web1":
				web = want.Ports[nic.Tap]
			case vm.Name == "mail1":
				mail = want.Ports[nic.Tap]
			}
		}
	}
	const udp, tcp, far, far6, web4, web6 = 17, 6, "198.51.100.200", "2001:db8:ffff::1", "10.10.0.2", "2001:db8:10::2"
	for name, one := range map[string]struct {
		tree  qos.Tree
		frame []byte
		class uint16
	}{
		"no mark":                          {web.FromGuest, frame(web4, far, udp, 0, 1, 2), rest},
		"EF":                               {web.FromGuest, frame(web4, far, udp, 46, 1, 2), urgent},
		"EF, received":                     {web.ToGuest, frame(far, web4, udp, 46, 1, 2), urgent},
		"EF of IPv6":                       {web.FromGuest, frame(web6, far6, udp, 46, 1, 2), urgent},
		"CS1":                              {web.FromGuest, frame(web4, far, udp, 8, 1, 2), bulk},
		"LE of IPv6":                       {web.FromGuest, frame(web6, far6, udp, 1, 1, 2), bulk},
		"AF31, which is neither":           {web.FromGuest, frame(web4, far, udp, 26, 1, 2), rest},
		"a flow limit, and EF":             {web.FromGuest, frame(web4, far, tcp, 46, 1000, 80), flow},
		"the same from the other end":      {web.ToGuest, frame(far6, web6, tcp, 46, 80, 1000), flow},
		"each connection, and EF":          {web.FromGuest, frame(web4, "198.51.100.1", tcp, 46, 1000, 443), urgent},
		"EF to a zone":                     {web.FromGuest, frame(web4, "10.20.0.2", udp, 46, 1, 2), 0},
		"a flow that is interactive":       {mail.FromGuest, frame("10.20.0.2", far, udp, 0, 5060, 5060), urgent},
		"a flow that is, bulk by its mark": {mail.FromGuest, frame("10.20.0.2", far, udp, 8, 5060, 5060), urgent},
		"a flow that is normal, and EF":    {mail.FromGuest, frame("10.20.0.2", far, udp, 46, 1000, 53), rest},
	} {
		if class := run(t, one.tree.Program, one.frame); class != one.class {
			t.Errorf("%s: want class %x, have %x", name, one.class, class)
		}
	}
	prios := map[uint16]uint32{}
	for _, c := range web.FromGuest.Classes {
		prios[c.Minor] = c.Prio
	}
	if prios[urgent] != 0 || prios[rest] != 1 || prios[bulk] != 2 || prios[flow] != 2 {
		t.Errorf("priorities: %v", prios)
	}
}
