package qos

import (
	"net/netip"
	"slices"

	"golang.org/x/net/bpf"

	"ispctl"
)

// Inbound is where what comes in by the uplink waits before it is put on a
// zone's bridge: one interface for the host. There the packet has its guest's
// address again, and the class that it was told while it was routed.
type Inbound struct {
	Device  string // empty: it is not there
	Up      bool
	Bridges map[string]Program // that send there what their program says, by name
}

// inbound adds what the zones' bridges send through the inbound tree, if there is
// any need for it.
func (s *State) inbound(m *ispctl.Model, guests []guestClass, local []netip.Prefix, leaf func() Kind) {
	down := inward(m)
	if !down.needed(m, guests) {
		return
	}
	s.Inbound.Device, s.Inbound.Up = m.Installation.Inbound(), true
	s.Uplink[s.Inbound.Device] = down.tree(m, guests, leaf)
	from := fromOutside(local)
	for _, z := range m.Zones {
		s.Inbound.Bridges[m.Installation.Bridge(z.Name)] = from
	}
}

// fromOutside matches packets that come from no zone of this host.
func fromOutside(local []netip.Prefix) Program {
	w := wish{direction: toGuest}
	part := func(v version, zones []netip.Prefix) []bpf.Instruction {
		var code []bpf.Instruction
		for _, z := range zones {
			if v.of(z.Addr()) {
				code = append(append(code, w.under(v, z, 1)...), bpf.RetConstant{})
			}
		}
		return append(code, bpf.RetConstant{Val: ^uint32(0)})
	}
	four := part(ipv4, local)
	return assemble(slices.Concat([]bpf.Instruction{
		bpf.LoadAbsolute{Off: etherType, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: ipv4.etherType, SkipTrue: 3},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: ipv6.etherType, SkipTrue: 1},
		bpf.RetConstant{},
		bpf.Jump{Skip: uint32(len(four))},
	}, four, part(ipv6, append(slices.Clone(onLink), local...))))
}
