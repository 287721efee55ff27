package count

import (
	"net"
	"net/netip"
	"slices"

	"ispctl"
	"ispctl/net/nft"
)

// Layer is the layer's name, and the end of its tables'.
const Layer = "count"

// The dynamic sets: by tap in the table of frames, by address in the other.
const (
	internetOut, internetIn = "internet-out", "internet-in"
	zonesOut, zonesIn       = "zones-out", "zones-in"
	nearOut, nearIn         = "near-out", "near-in"

	out4, in4 = "out4", "in4"
	out6, in6 = "out6", "in6"
)

// What the rules look up.
const (
	gateways = "gateways" // Ethernet addresses of our bridges
	inside4  = "inside4"  // prefixes of zones, and external addresses
	inside6  = "inside6"
	hosts4   = "hosts4" // the host's own addresses in zones
	hosts6   = "hosts6"

	uplinks    = "uplinks"
	addresses4 = "addresses4" // external
	addresses6 = "addresses6"
)

// Sizes of the dynamic sets are bounds that nothing reaches: a tap that the
// wall does not know is dropped before, and addresses are looked up first.
const (
	tapsSize      = 1 << 17
	addressesSize = 1 << 16
)

// Priorities. What comes from a guest is counted after the wall has dropped
// what it does not let through (-498), and before all that others do; what goes
// to it, after everything. On the uplink the provider's bytes are counted as
// they come, before conntrack ("raw" is -300), and as they go, after
// translation ("srcnat" is 100).
const (
	fromTapPriority  = -490
	toTapPriority    = 500
	fromWirePriority = -310
	toWirePriority   = 500
	etherIPv4        = 0x0800
	etherIPv6        = 0x86dd
	etherHeader      = 14
	noTap            = ""
)

// Desired is a table for frames and one for packets on the uplink.
func Desired(m *ispctl.Model) (nft.State, error) {
	if !m.Uplink.Configured() && len(m.Zones) == 0 {
		return nft.NewState(), nil
	}
	t, err := frames(m)
	if err != nil {
		return nil, err
	}
	return nft.NewState(t, packets(m)), nil
}

func tableName(i ispctl.Installation) string { return i.Table(Layer) }

// frames is the table that counts at the taps.
func frames(m *ispctl.Model) (nft.Table, error) {
	sets := []nft.Set{
		{Name: gateways, Key: []nft.Type{nft.TypeEther}},
		{Name: inside4, Key: []nft.Type{nft.TypeIPv4}, Interval: true},
		{Name: inside6, Key: []nft.Type{nft.TypeIPv6}, Interval: true},
		{Name: hosts4, Key: []nft.Type{nft.TypeIPv4}},
		{Name: hosts6, Key: []nft.Type{nft.TypeIPv6}},
	}
	for _, name := range tapSets {
		sets = append(sets, nft.Set{Name: name, Key: []nft.Type{nft.TypeIfname}, Dynamic: true, Size: tapsSize})
	}
	ours := m.Installation.LinkPattern()
	t := nft.NewTable(nft.Bridge, tableName(m.Installation), sets, []nft.Chain{
		{
			Name: "from-taps", Hook: &nft.Hook{Type: "filter", Hook: "prerouting", Priority: fromTapPriority},
			Rules: side{
				link: nft.InLink, near: nearOut, zones: zonesOut, internet: internetOut,
				gateway: nft.EtherDest, peer4: nft.IPDest, peer6: nft.IP6Dest,
			}.rules(nft.NotIIF(ours)),
		},
		{
			Name: "to-taps", Hook: &nft.Hook{Type: "filter", Hook: "postrouting", Priority: toTapPriority},
			Rules: side{
				link: nft.OutLink, near: nearIn, zones: zonesIn, internet: internetIn,
				gateway: nft.EtherSource, peer4: nft.IPSource, peer6: nft.IP6Source,
			}.rules(nft.NotOIF(ours)),
		},
	})
	for _, z := range m.Zones {
		hw, err := net.ParseMAC(ispctl.BridgeMAC(m.Installation.Bridge(z.Name)))
		if err != nil {
			return t, err
		}
		t.Add(gateways, nft.Elem{Key: nft.Join(nft.MAC(hw))})
		t.Add(inside4, prefix(nft.Range(z.Prefix)))
		t.Add(hosts4, nft.Elem{Key: nft.Join(nft.Addr(z.Gateway()))})
		if z.Prefix6.IsValid() {
			t.Add(inside6, prefix(nft.Range(z.Prefix6)))
			t.Add(hosts6, nft.Elem{Key: nft.Join(nft.Addr(z.Gateway6()))})
		}
	}
	// A bridge that has no address yet speaks without one, to its groups: it is the
	// host all the same, and no packet of the Internet's.
	for _, none := range []struct {
		inside, hosts string
		addr          netip.Addr
	}{{inside4, hosts4, netip.IPv4Unspecified()}, {inside6, hosts6, netip.IPv6Unspecified()}} {
		t.Add(none.inside, prefix(nft.Range(netip.PrefixFrom(none.addr, none.addr.BitLen()))))
		t.Add(none.hosts, nft.Elem{Key: nft.Join(nft.Addr(none.addr))})
	}
	addExternal(t, m)
	for _, name := range tapSets {
		t.Keep(name, nft.Ifname(noTap)) // nobody's: the sets have an owner even when there is no guest
		for vm := range m.Guests() {
			for _, nic := range vm.NICs {
				t.Keep(name, nft.Ifname(nic.Tap))
			}
		}
	}
	return t, nil
}

// tapSets are the sets of counters in the table of frames.
var tapSets = []string{internetOut, internetIn, zonesOut, zonesIn, nearOut, nearIn}

// addExternal counts our own external addresses as inside, so that what guests
// send each other by them is no traffic with the Internet. Those inside a
// zone's prefix are there already.
func addExternal(t nft.Table, m *ispctl.Model) {
	for _, a := range external(m) {
		within := slices.ContainsFunc(m.Zones, func(z ispctl.Zone) bool {
			return z.Prefix.Contains(a) || z.Prefix6.Contains(a)
		})
		if within {
			continue
		}
		set := inside4
		if a.Is6() {
			set = inside6
		}
		t.Add(set, prefix(nft.Range(netip.PrefixFrom(a, a.BitLen()))))
	}
}

func prefix(key, end string) nft.Elem { return nft.Elem{Key: key, End: end} }

// side is one direction of what passes a tap.
type side struct {
	link                  nft.Operand
	near, zones, internet string
	gateway               nft.Operand
	peer4, peer6          nft.Operand
}

// rules count each frame once. A set that is full counts nothing, and the frame
// falls through to the next rule: it is never lost altogether.
func (s side) rules(foreign nft.Stmt) []nft.Rule {
	rules := []nft.Rule{nft.NewRule("no link of ours: not for us to count", foreign, nft.Accept())}
	for _, ip := range []struct {
		version       string
		ether         uint16
		peer          nft.Operand
		inside, hosts string
	}{
		{"IPv4", etherIPv4, s.peer4, inside4, hosts4},
		{"IPv6", etherIPv6, s.peer6, inside6, hosts6},
	} {
		routed := func(more ...nft.Stmt) []nft.Stmt {
			return append([]nft.Stmt{nft.EtherType.Is(nft.Short(ip.ether)), nft.In(gateways, s.gateway)}, more...)
		}
		internet := routed(nft.NotIn(ip.inside, ip.peer))
		if ip.version == "IPv6" {
			// Neighbour discovery goes by these, to the gateway and no further.
			internet = append(internet, s.peer6.NotUnder(linkLocal6), s.peer6.NotUnder(groups6))
		}
		rules = append(rules,
			nft.NewRule("Internet, "+ip.version, append(internet, nft.CountIn(s.internet, s.link), nft.Accept())...),
			nft.NewRule("another zone, "+ip.version, append(routed(nft.NotIn(ip.hosts, ip.peer), nft.In(ip.inside, ip.peer)), nft.CountIn(s.zones, s.link), nft.Accept())...),
		)
	}
	return append(rules, nft.NewRule("near: its own zone, and the host", nft.CountIn(s.near, s.link)))
}
