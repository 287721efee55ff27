package convergetest

import (
	"slices"

	"ispctl"
)

// Trunk is the interface that zones of [TrunkModels] go on by.
const Trunk = "eth0"

// TrunkModels are valid models that differ in how zones go on by a trunk: not
// at all, as a VLAN each, as those of the guests' tags, and the same the other
// way round. They take a kernel with VLANs.
func TrunkModels(inst ispctl.Installation, paths ispctl.Paths) []*ispctl.Model {
	model := func(change func(*ispctl.Model)) *ispctl.Model {
		m := Models(inst, paths)[2] // with dmz, mail and a guest in each
		for i := range m.VMs {
			m.VMs[i].NICs = slices.Clone(m.VMs[i].NICs)
		}
		change(m)
		return m
	}
	zone := func(m *ispctl.Model, name ispctl.Name) *ispctl.Zone {
		return &m.Zones[slices.IndexFunc(m.Zones, func(z ispctl.Zone) bool { return z.Name == name })]
	}
	nic := func(m *ispctl.Model, name ispctl.Name) *ispctl.NIC {
		return &m.VMs[slices.IndexFunc(m.VMs, func(vm ispctl.VM) bool { return vm.Name == name })].NICs[0]
	}
	return []*ispctl.Model{
		model(func(*ispctl.Model) {}),
		model(func(m *ispctl.Model) {
			zone(m, "dmz").Trunk, zone(m, "dmz").VLAN = Trunk, 10
			zone(m, "mail").Trunk, zone(m, "mail").VLAN, zone(m, "mail").MTU = Trunk, 20, 1400
		}),
		model(func(m *ispctl.Model) {
			zone(m, "dmz").Trunk = Trunk
			zone(m, "mail").Trunk, zone(m, "mail").VLAN = Trunk, 20
			nic(m, "web1").Tags = []int{30, 40}
		}),
		model(func(m *ispctl.Model) {
			zone(m, "dmz").Trunk, zone(m, "dmz").VLAN, zone(m, "dmz").Isolated = Trunk, 30, true
			zone(m, "mail").Trunk = Trunk
			nic(m, "mail1").Tags = []int{20, 40, 4093}
			nic(m, "mail1").Allow = []ispctl.Allowance{ispctl.AllowDHCPSpoofing, ispctl.AllowMACSpoofing}
			nic(m, "web1").Allow = []ispctl.Allowance{ispctl.AllowIPSpoofing, ispctl.AllowRestrictedTraffic}
		}),
	}
}
