package operations

import (
	"net/netip"

	"ispctl"
	"ispctl/templates"
)

// Seed renders what a VM is told about itself at its first boot. It is what
// the layer of disks calls for each VM of a model.
func Seed(set templates.Set) func(*ispctl.Model, ispctl.VM) (map[string][]byte, error) {
	return func(m *ispctl.Model, vm ispctl.VM) (map[string][]byte, error) {
		t, err := set.Get(string(vm.Template))
		if err != nil {
			return nil, err
		}
		in := templates.SeedInput{InstanceID: vm.UUID, Hostname: string(vm.Name), Zone: string(vm.Zone), Keys: vm.SSHKeys}
		for _, nic := range vm.NICs {
			zone, err := m.Zone(string(nic.Zone))
			if err != nil {
				return nil, err
			}
			in.NICs = append(in.NICs, templates.NICInput{
				MAC: nic.MAC, Addr: netip.PrefixFrom(nic.Addr, zone.Prefix.Bits()), Gateway: zone.Gateway(),
			})
		}
		return templates.Seed(t, in)
	}
}
