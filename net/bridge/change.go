package bridge

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"ispctl/converge"
)

// Act is what a change does to a link.
type Act int

// The acts, in the order a link goes through them.
const (
	Replace      Act = iota // remove a link of ours that has the wrong kind
	Add                     // make it, with its mark, alias and MAC, and leave it down
	SetMAC                  // give a bridge its own address
	SetMTU                  // set the MTU to Link.MTU
	SetAlias                // say what it is for
	Harden                  // set the sysctls of hardening
	DelAddress              // take Prefix off
	AddAddress              // put Prefix on
	SetFiltering            // let Link.Filtering say whether a bridge keeps VLANs apart
	SetMaster               // make it a port of Link.Master
	DelVLAN                 // let VLAN pass it no more
	AddVLAN                 // let VLAN pass it
	SetIsolated             // let Link.Isolated say whether isolated ports reach it
	SetUp                   // let it carry frames
	Remove                  // it is left over
)

// Change is one act on a link. Link is the link as wanted, or, where it is to
// go, as it was seen.
type Change struct {
	Act    Act
	Link   Link
	Prefix netip.Prefix // of DelAddress and AddAddress
	VLAN   PortVLAN     // of DelVLAN and AddVLAN
}

// Kind is Prune for what is left over and Ensure for all else.
func (c Change) Kind() converge.Kind {
	if c.Act == Remove {
		return converge.Prune
	}
	return converge.Ensure
}

// String is the ip(8) command.
func (c Change) String() string {
	dev := c.Link.Name
	switch c.Act {
	case Add:
		switch c.Link.Kind {
		case Tap:
			return fmt.Sprintf("ip tuntap add dev %s mode tap vnet_hdr", dev)
		case VLAN:
			return fmt.Sprintf("ip link add link %s name %s mtu %d type vlan id %d", c.Link.Parent, dev, c.Link.MTU, c.Link.ID)
		}
		if c.Link.Kind == VMAC {
			return fmt.Sprintf("ip link add name %s link %s address %s type macvlan mode private", dev, c.Link.Parent, c.Link.MAC)
		}
		return fmt.Sprintf("ip link add name %s address %s type bridge", dev, c.Link.MAC)
	case SetMAC:
		return fmt.Sprintf("ip link set dev %s address %s", dev, c.Link.MAC)
	case SetMTU:
		return fmt.Sprintf("ip link set dev %s mtu %d", dev, c.Link.MTU)
	case SetIsolated:
		return fmt.Sprintf("bridge link set dev %s isolated %s", dev, onOff(c.Link.Isolated))
	case SetAlias:
		return fmt.Sprintf("ip link set dev %s alias %s", dev, strconv.Quote(c.Link.Alias))
	case Harden:
		parts := []string{"sysctl -w"}
		for _, one := range hardening(c.Link.Kind, c.Link.IPv6) {
			parts = append(parts, one.text(dev))
		}
		text := strings.Join(parts, " ")
		if c.Link.Kind == Bridge {
			text += fmt.Sprintf(" && ip link set dev %s type bridge group_fwd_mask 0x%x", dev, groupsToFilter)
		}
		return text
	case DelAddress:
		return fmt.Sprintf("ip address delete %s dev %s", c.Prefix, dev)
	case AddAddress:
		text := fmt.Sprintf("ip address add %s dev %s", c.Prefix, dev)
		if c.Prefix.Addr().Is6() {
			text += " nodad"
		}
		return text
	case SetMaster:
		if c.Link.Master == "" {
			return fmt.Sprintf("ip link set dev %s nomaster", dev)
		}
		return fmt.Sprintf("ip link set dev %s master %s", dev, c.Link.Master)
	case SetFiltering:
		if !c.Link.Filtering {
			return fmt.Sprintf("ip link set dev %s type bridge vlan_filtering 0", dev)
		}
		return fmt.Sprintf("ip link set dev %s type bridge vlan_default_pvid 0 vlan_filtering 1", dev)
	case DelVLAN:
		return fmt.Sprintf("bridge vlan del dev %s vid %d%s", dev, c.VLAN.ID, c.self())
	case AddVLAN:
		return fmt.Sprintf("bridge vlan add dev %s vid %s%s", dev, c.VLAN, c.self())
	case SetUp:
		return fmt.Sprintf("ip link set dev %s up", dev)
	default: // Replace, Remove
		return "ip link delete dev " + dev
	}
}

// self says that a VLAN is of the bridge itself, by which the host takes part.
func (c Change) self() string {
	if c.Link.Kind == Bridge {
		return " self"
	}
	return ""
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}
