package bridge

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"ispctl"
)

// State is every link of ours by name.
type State map[string]Link

// Len is the number of links.
func (s State) Len() int { return len(s) }

// Kind of link.
type Kind string

// The kinds of link we make.
const (
	Bridge Kind = "bridge"
	Tap    Kind = "tap"
	VMAC   Kind = "macvlan" // on the uplink, with a MAC that the provider issued
	Vif    Kind = "vif"     // a guest's on Xen: netback makes it when the guest starts, and it goes with the guest
	VLAN   Kind = "vlan"    // port of a bridge by which a VLAN of a trunk comes in
)

// Link is what we manage of a link; the rest of its attributes is the
// kernel's.
type Link struct {
	Name      string
	Kind      Kind
	Alias     string         // for people: "zone dmz", "vm web1 nic 0"
	MAC       string         // of a bridge; a tap's is the kernel's choice
	Master    string         // the bridge a tap or a VLAN is a port of
	Parent    string         // of a VMAC or a VLAN: the link it is on, which is not ours; a VMAC's MTU is that link's
	Wire      bool           // its master is the uplink's bridge, which is the operator's
	Isolated  bool           // a tap that other isolated ports of its bridge cannot reach
	MTU       int            // in bytes
	Addresses []netip.Prefix // sorted; empty on a tap
	IPv6      bool           // it speaks IPv6; a tap never does
	Hardened  bool           // its sysctls are those of hardening
	Up        bool

	ID        int        // of a VLAN: the tag its frames bear on the trunk
	Filtering bool       // of a bridge: it keeps VLANs apart
	VLANs     []PortVLAN // of a bridge that does, and of its ports: what may pass there, sorted
}

// PortVLAN is a VLAN that passes a port of a bridge.
type PortVLAN struct {
	ID       int
	Untagged bool // without a tag: what comes in untagged is of it, and what goes out loses its tag
}

func (v PortVLAN) String() string {
	if v.Untagged {
		return strconv.Itoa(v.ID) + " pvid untagged"
	}
	return strconv.Itoa(v.ID)
}

// Desired is a bridge per zone, one for its admin leg, a port per VLAN of a
// trunk, and a tap per NIC, all up. The guests of a leg never see each other. On
// Xen the place of a tap is taken by a vif, for as long as its guest runs.
func Desired(m *ispctl.Model) (State, error) {
	s := State{}
	zones := map[ispctl.Name]ispctl.Zone{}
	for _, z := range m.Zones {
		zones[z.Name] = z
		name := m.Installation.Bridge(z.Name)
		bridge := Link{
			Name: name, Kind: Bridge, Alias: "zone " + string(z.Name), MAC: ispctl.BridgeMAC(name), MTU: z.LinkMTU(),
			Addresses: []netip.Prefix{z.GatewayPrefix()}, Hardened: true, Up: true,
		}
		if z.Prefix6.IsValid() {
			bridge.IPv6 = true
			// The kernel is told to make no link-local address: what we put there
			// is seen when it is missing, and no other is.
			bridge.Addresses = append(bridge.Addresses, z.GatewayPrefix6(), netip.PrefixFrom(ispctl.BridgeLinkLocal(name), 64))
			slices.SortFunc(bridge.Addresses, netip.Prefix.Compare)
		}
		if z.VLANAware() {
			bridge.Filtering, bridge.VLANs = true, []PortVLAN{{ispctl.UntaggedVLAN, true}}
		}
		s[name] = bridge
		if leg := m.LegBridge(z); leg != "" {
			s[leg] = Link{
				Name: leg, Kind: Bridge, Alias: legAlias + "zone " + string(z.Name), MAC: ispctl.BridgeMAC(leg), MTU: ispctl.DefaultMTU,
				Addresses: []netip.Prefix{netip.PrefixFrom(z.LegGateway(), z.Leg.Bits())}, Hardened: true, Up: true,
			}
		}
	}
	for _, a := range m.VMACs() {
		name := m.Installation.VMACLink(a.Addr)
		s[name] = Link{
			Name: name, Kind: VMAC, Alias: "address " + a.Addr.String(), MAC: a.MAC, Parent: m.Uplink.Interface,
			Addresses: []netip.Prefix{netip.PrefixFrom(a.Addr, a.Addr.BitLen())}, Hardened: true, Up: true,
		}
	}
	for _, port := range m.TrunkPorts() {
		link := Link{
			Name: port.Name, Kind: VLAN, Alias: fmt.Sprintf("zone %s trunk %s", port.Zone, port.Trunk), Parent: port.Trunk, ID: port.VLAN,
			Master: m.Installation.Bridge(port.Zone), MTU: zones[port.Zone].LinkMTU(), Hardened: true, Up: true,
		}
		if port.Aware {
			link.VLANs = []PortVLAN{{port.VLAN, true}}
		}
		s[port.Name] = link
	}
	for vm := range m.Guests() {
		for _, nic := range vm.NICs {
			tap := Link{
				Name: nic.Tap, Kind: portKind(m.Installation), Alias: fmt.Sprintf("vm %s nic %d", vm.Name, nic.Index),
				Master: m.Installation.Bridge(nic.Zone), Isolated: zones[nic.Zone].Isolated, MTU: zones[nic.Zone].LinkMTU(), Hardened: true, Up: true,
			}
			if nic.Role == ispctl.AdminNIC {
				tap.Master, tap.Isolated, tap.MTU = m.LegBridge(zones[nic.Zone]), true, ispctl.DefaultMTU
			} else if zones[nic.Zone].VLANAware() {
				for _, tag := range nic.Tags {
					tap.VLANs = append(tap.VLANs, PortVLAN{ID: tag})
				}
				tap.VLANs = append(tap.VLANs, PortVLAN{ispctl.UntaggedVLAN, true}) // the highest of all
			}
			if nic.Role == ispctl.WireNIC {
				// The operator made that bridge, and its MTU is his to know.
				tap.Master, tap.Wire, tap.Isolated, tap.MTU = m.Uplink.Interface, true, false, ispctl.DefaultMTU
			}
			s[nic.Tap] = tap
		}
	}
	return s, nil
}

func portKind(inst ispctl.Installation) Kind {
	if inst.Xen != "" {
		return Vif
	}
	return Tap
}

// legAlias begins the alias of a leg's bridge.
const legAlias = "admin leg of "

// object is what the link is for, as the model names it: "zone dmz", "vm web1".
func (l Link) object() string {
	object, _, _ := strings.Cut(l.Alias, " nic ")
	object, _, _ = strings.Cut(object, " trunk ")
	return strings.TrimPrefix(object, legAlias)
}

// Object is what the link of the change is for, see [converge.Owned].
func (c Change) Object() string { return c.Link.object() }

func sortedNames(s State) []string {
	names := make([]string, 0, len(s))
	for name := range s {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
