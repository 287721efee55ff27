package ispctl

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// A zone with a trunk goes on behind it, at a switch that is not ours. With a
// VLAN the whole zone is that VLAN there. Without one the zone ends here, and
// its bridge keeps VLANs apart: each guest takes part in those of its tags.

// Bounds of the tags that guests may bear. VLAN 1 is what switches take
// untagged frames for, and must not leak between them and us.
const (
	minTag = 2
	maxTag = 4093
)

// UntaggedVLAN is what a bridge that keeps VLANs apart takes untagged frames
// for: those of the zone itself. No port of a trunk is in it.
const UntaggedVLAN = 4094

// TrunkPort is the port of a bridge by which a VLAN of a trunk comes in.
type TrunkPort struct {
	Name  string // of the link: trunk.vlan
	Trunk string
	VLAN  int
	Zone  Name
	Aware bool // of a bridge that keeps VLANs apart
}

// VLANAware reports whether the zone's bridge keeps VLANs apart, so that its
// guests may have tags.
func (z Zone) VLANAware() bool { return z.Trunk != "" && z.VLAN == 0 }

func trunkPort(z Zone, vlan int) TrunkPort {
	return TrunkPort{Name: z.Trunk + "." + strconv.Itoa(vlan), Trunk: z.Trunk, VLAN: vlan, Zone: z.Name, Aware: z.VLANAware()}
}

// TrunkPorts are the ports of all zones on trunks, by name. A VLAN that no
// guest takes part in has none.
func (m *Model) TrunkPorts() []TrunkPort {
	var ports []TrunkPort
	aware := map[Name]Zone{}
	for _, z := range m.Zones {
		switch {
		case z.VLANAware():
			aware[z.Name] = z
		case z.Trunk != "":
			ports = append(ports, trunkPort(z, z.VLAN))
		}
	}
	if len(aware) > 0 {
		ports = append(ports, m.taggedPorts(aware)...)
	}
	slices.SortFunc(ports, func(a, b TrunkPort) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(string(a.Zone), string(b.Zone)))
	})
	return slices.Compact(ports)
}

// taggedPorts are those of the VLANs that guests of such zones take part in.
func (m *Model) taggedPorts(aware map[Name]Zone) (ports []TrunkPort) {
	for vm := range m.Guests() {
		for _, nic := range vm.ZoneNICs() {
			if z, ok := aware[nic.Zone]; ok {
				for _, tag := range nic.Tags {
					ports = append(ports, trunkPort(z, tag))
				}
			}
		}
	}
	return ports
}

// ParseTag reads a VLAN that a guest is to take part in.
func ParseTag(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || strconv.Itoa(n) != s {
		return 0, Invalid("tag", s, "is no number")
	}
	return n, validateTag(n)
}

func validateTag(n int) error {
	if n < minTag || n > maxTag {
		return Invalid("tag", strconv.Itoa(n), "is not %d to %d; VLAN 1 is what switches take untagged frames for, and %d is kept for those of the zone", minTag, maxTag, UntaggedVLAN)
	}
	return nil
}

// validateTrunk checks what a zone says of its trunk by itself.
func (z Zone) validateTrunk() error {
	if z.Trunk == "" {
		return nil
	}
	if err := ValidateInterface(z.Trunk); err != nil {
		return err
	}
	longest := z.VLAN
	if z.VLANAware() {
		longest = maxTag
	}
	if name := trunkPort(z, longest).Name; len(name) > MaxInterfaceName {
		return Invalid("zone", string(z.Name), "its port %s on trunk %s would have %d bytes; the kernel takes %d, so give the trunk a shorter name", name, z.Trunk, len(name), MaxInterfaceName)
	}
	return nil
}

// validateTrunks holds every VLAN of a trunk to lead into one zone.
func (m *Model) validateTrunks() error {
	zones := byName(m.Zones, func(z Zone) Name { return z.Name })
	for _, z := range m.Zones {
		if z.Trunk != "" && strings.HasPrefix(z.Trunk, m.Installation.Prefix+"-") {
			return Invalid("zone", string(z.Name), "its trunk %s is named as the links of guests and zones are", z.Trunk)
		}
	}
	for vm := range m.Guests() {
		for _, nic := range vm.NICs {
			if err := zones[nic.Zone].validateTags(vm.Name, nic); err != nil {
				return err
			}
		}
	}
	ports := m.TrunkPorts()
	for i, port := range ports {
		switch {
		case i > 0 && ports[i-1].Name == port.Name:
			return Conflicting("zone", string(port.Zone), "vlan %d of trunk %s is zone %q's", port.VLAN, port.Trunk, ports[i-1].Zone)
		case port.Name == m.Uplink.Interface:
			return Conflicting("zone", string(port.Zone), "vlan %d of trunk %s is the uplink", port.VLAN, port.Trunk)
		case slices.Contains(m.Admin.Links, port.Name):
			return Conflicting("zone", string(port.Zone), "vlan %d of trunk %s is a link of operators", port.VLAN, port.Trunk)
		}
	}
	return nil
}

func (z Zone) validateTags(vm Name, nic NIC) error {
	if len(nic.Tags) == 0 {
		return nil
	}
	if nic.Role != ZoneNIC || !z.VLANAware() {
		return Conflicting("vm", string(vm), "nic %d has tags %v, and zone %q has no trunk that keeps VLANs apart (a trunk, and no vlan)", nic.Index, nic.Tags, nic.Zone)
	}
	for i, tag := range nic.Tags {
		if err := validateTag(tag); err != nil {
			return err
		}
		if i > 0 && nic.Tags[i-1] >= tag {
			return Invalid("vm", string(vm), "nic %d: tags %v are not in order, each once", nic.Index, nic.Tags)
		}
	}
	return nil
}
