package firewall

import (
	"net"
	"net/netip"
	"slices"

	"ispctl"
	"ispctl/net/nft"
)

// The sets against spoofing. A NIC adds an element to each of the first three
// or four, and no rule.
const (
	taps       = "taps"       // the ends of guests' NICs
	blocked    = "blocked"    // those of guests whose quota is used up, admin legs apart, and all of those whose tenant is suspended
	stopped    = "stopped"    // the latter
	macs       = "macs"       // (tap . MAC)
	addresses4 = "addresses4" // (tap . MAC . address)
	addresses6 = "addresses6" // the same for IPv6, link-local addresses included
	macs6      = "macs6"      // (tap . MAC) of NICs with an IPv6 address
	targets    = "targets"    // addresses6, as neighbour discovery has them in its targets

	transports   = "transports"   // protocols, besides TCP, UDP and ICMP, that a guest may speak to another machine
	fragmentable = "fragmentable" // protocols whose later fragments pass
	errands4     = "errands4"     // ICMP to one machine
	errands6     = "errands6"     // ICMPv6 to one machine
	dhcpServers  = "dhcp-servers" // ports that a guest may not send from
	dhcpClients  = "dhcp-clients" // ports that a guest may not send to
)

// Everything of the bridge tables happens before anybody else's rule sees the
// frame: nft(8)'s earliest name, "dstnat" of family bridge, is -300. The three
// chains are one after the other, see [condemn].
const (
	beyondPriority = -501 // what comes by a trunk, and from no guest
	judgePriority  = -500
	countPriority  = -499
	closePriority  = -498
	blockPriority  = 400
)

// spoofing is the table that judges what enters by a tap.
func spoofing(m *ispctl.Model) (nft.Table, error) {
	tap := nft.TypeIfname
	ours := m.Installation.LinkPattern()
	t := nft.NewTable(nft.Bridge, m.Installation.Table(Layer), append([]nft.Set{
		{Name: taps, Key: []nft.Type{tap}},
		{Name: blocked, Key: []nft.Type{tap}},
		{Name: stopped, Key: []nft.Type{tap}},
		{Name: macs, Key: []nft.Type{tap, nft.TypeEther}},
		{Name: addresses4, Key: []nft.Type{tap, nft.TypeEther, nft.TypeIPv4}},
		{Name: addresses6, Key: []nft.Type{tap, nft.TypeEther, nft.TypeIPv6}},
		{Name: macs6, Key: []nft.Type{tap, nft.TypeEther}},
		{Name: targets, Key: []nft.Type{tap, nft.TypeEther, nft.TypeNDTarget}},
		{Name: transports, Key: []nft.Type{nft.TypeProto}},
		{Name: fragmentable, Key: []nft.Type{nft.TypeProto}},
		{Name: errands4, Key: []nft.Type{nft.TypeICMP}},
		{Name: errands6, Key: []nft.Type{nft.TypeICMPv6}},
		{Name: dhcpServers, Key: []nft.Type{nft.TypeService}},
		{Name: dhcpClients, Key: []nft.Type{nft.TypeService}},
	}, slices.Concat(legSets(), allowanceSets(), trunkSets())...), []nft.Chain{
		{
			Name: "beyond", Hook: &nft.Hook{Type: "filter", Hook: "prerouting", Priority: beyondPriority},
			Rules: beyond(ours),
		},
		{Name: optedChain, Rules: optedOuts()},
		{Name: blockedChain, Rules: blockedRules()},
		{
			Name: "judge", Hook: &nft.Hook{Type: "filter", Hook: "prerouting", Priority: judgePriority},
			Rules: judge(ours),
		},
		{
			// Before it is counted as handed over.
			Name: "to-blocked", Hook: &nft.Hook{Type: "filter", Hook: "postrouting", Priority: blockPriority},
			Rules: []nft.Rule{rule("it may hear nothing", nft.OIF(ours), nft.In(blocked, nft.OutLink), nft.Drop())},
		},
		{
			Name: "close", Hook: &nft.Hook{Type: "filter", Hook: "prerouting", Priority: closePriority},
			Rules: []nft.Rule{closeCondemned(ours)},
		},
		{
			// A bridge hands frames to reserved groups to the host itself,
			// past prerouting.
			Name: "judge-reserved", Hook: &nft.Hook{Type: "filter", Hook: "input", Priority: judgePriority},
			Rules: []nft.Rule{rule("group of the bridge itself", nft.IIF(ours), reservedGroup(), condemn(reserved))},
		},
		{
			Name: "close-reserved", Hook: &nft.Hook{Type: "filter", Hook: "input", Priority: closePriority},
			Rules: []nft.Rule{closeCondemned(ours)},
		},
	})
	for _, p := range []byte{protoIPIP, protoDCCP, protoIPv6, protoGRE, protoESP, protoL2TP, protoSCTP, protoUDPLite} {
		t.Add(transports, element(nft.Byte(p)))
		t.Add(fragmentable, element(nft.Byte(p)))
	}
	for _, p := range []byte{protoICMP, protoTCP, protoUDP, protoICMPv6} {
		t.Add(fragmentable, element(nft.Byte(p)))
	}
	for _, n := range []byte{0, 3, 8, 11, 12} { // echo reply, unreachable, echo, time exceeded, parameter problem
		t.Add(errands4, element(nft.Byte(n)))
	}
	for _, n := range []byte{1, 2, 3, 4, 128, 129} { // unreachable, too big, time exceeded, parameter problem, echo, reply
		t.Add(errands6, element(nft.Byte(n)))
	}
	for _, port := range []uint16{dhcpServer, dhcpv6Server} {
		t.Add(dhcpServers, element(nft.Service(port)))
	}
	for _, port := range []uint16{dhcpClient, dhcpv6Client} {
		t.Add(dhcpClients, element(nft.Service(port)))
	}
	zones := map[ispctl.Name]ispctl.Zone{}
	for _, z := range m.Zones {
		zones[z.Name] = z
	}
	routed := map[ispctl.Name][]netip.Addr{}
	for _, a := range m.Addresses {
		if a.Mode == ispctl.RoutedIn {
			routed[a.VM] = append(routed[a.VM], a.Addr)
		}
	}
	addBlocked(t, m)
	addOrdinary(t)
	addTrunks(t, m, zones)
	for vm := range m.Guests() {
		for _, nic := range vm.NICs {
			own := []netip.Addr{nic.Addr, nic.Addr6}
			if nic.Role == ispctl.ZoneNIC {
				own = append(own, routed[vm.Name]...)
				delete(routed, vm.Name) // they are on the first NIC
			}
			if err := addNIC(t, nic, own, zones[nic.Zone]); err != nil {
				return nft.Table{}, ispctl.Invalid("vm", string(vm.Name), "nic %d: %v", nic.Index, err)
			}
		}
	}
	return t, nil
}

// addNIC lets a NIC speak as itself.
func addNIC(t nft.Table, nic ispctl.NIC, own []netip.Addr, z ispctl.Zone) error {
	hw, err := net.ParseMAC(nic.MAC)
	if err != nil {
		return err
	}
	tap, mac := nft.Ifname(nic.Tap), nft.MAC(hw)
	t.Add(taps, element(tap))
	t.Add(macs, element(tap, mac))
	if nic.Role == ispctl.AdminNIC {
		if !z.Leg.IsValid() {
			return ispctl.Invalid("zone", string(nic.Zone), "has no admin leg")
		}
		addLegNIC(t, nic, tap, mac, z)
		return nil
	}
	addAllowances(t, nic, own, hw)
	addTags(t, nic, hw, z)
	for _, a := range own {
		switch {
		case a.Is4():
			t.Add(addresses4, element(tap, mac, nft.Addr(a)))
		case a.Is6():
			t.Add(macs6, element(tap, mac))
			// The link-local address that it makes of its MAC. One that it makes
			// otherwise (RFC 7217) cannot be known in advance; to let any pass
			// would let a guest take its router's.
			for _, a := range []netip.Addr{a, ispctl.LinkLocal(hw)} {
				t.Add(addresses6, element(tap, mac, nft.Addr(a)))
				t.Add(targets, element(tap, mac, nft.Addr(a)))
			}
		}
	}
	return nil
}

func element(fields ...nft.Field) nft.Elem { return nft.Elem{Key: nft.Join(fields...)} }

// rule is a rule of statements and groups of statements.
func rule(why string, parts ...any) nft.Rule {
	var stmts []nft.Stmt
	for _, p := range parts {
		switch p := p.(type) {
		case nft.Stmt:
			stmts = append(stmts, p)
		case []nft.Stmt:
			stmts = append(stmts, p...)
		}
	}
	return nft.NewRule(why, stmts...)
}
