package operations

import (
	"net/netip"
	"slices"
	"sync"

	"ispctl"
	"ispctl/images"
	"ispctl/templates"
)

// Seed is what a VM is told about itself at its first boot. It is what the
// layer of disks asks for each VM of a model.
func Seed(set templates.Set, keys HostKeys) func(*ispctl.Model, ispctl.VM) (images.Seed, error) {
	digesters := sync.OnceValues(func() (map[ispctl.Name]templates.Digester, error) {
		all := map[ispctl.Name]templates.Digester{}
		for _, t := range set.List() {
			d, err := templates.NewDigester(t)
			if err != nil {
				return nil, err
			}
			all[t.Name] = d
		}
		return all, nil
	})
	return func(m *ispctl.Model, vm ispctl.VM) (images.Seed, error) {
		t, in, err := seedInput(set, m, vm)
		if err != nil {
			return images.Seed{}, err
		}
		all, err := digesters()
		if err != nil {
			return images.Seed{}, err
		}
		digest, err := all[t.Name].Digest(in)
		return images.Seed{Digest: digest, Files: func() (map[string][]byte, error) {
			// It takes as long as all else: only where it is to be written.
			var err error
			if in.Private, err = keys.private(vm); err != nil {
				return nil, err
			}
			return templates.Seed(t, in)
		}}, err
	}
}

// seedInput is a VM's template, and what it is told, but for the private half of
// its host key.
func seedInput(set templates.Set, m *ispctl.Model, vm ispctl.VM) (templates.Template, templates.SeedInput, error) {
	t, err := set.Get(string(vm.Template))
	in := templates.SeedInput{InstanceID: vm.InstanceID(), Hostname: string(vm.Name), Zone: string(vm.Zone), Keys: vm.SSHKeys, HostKey: vm.HostKey}
	if err != nil {
		return t, in, err
	}
	if vm.Rescue != "" {
		image, _ := m.ImageByDigest(vm.Rescue)
		if t, err = rescueTemplate(set, image); err != nil {
			return t, in, err
		}
		in.InstanceID += "-rescue"
		vm.NICs = vm.AdminNICs()
	}
	routed := m.AddressesOf(vm.Name, ispctl.RoutedIn)
	onWire := slices.ContainsFunc(vm.NICs, func(n ispctl.NIC) bool { return n.Role == ispctl.WireNIC })
	for _, nic := range vm.NICs {
		if nic.Role == ispctl.WireNIC {
			in.NICs = append(in.NICs, templates.NICInput{MAC: nic.MAC, Nets: []templates.NetInput{{
				Addr: netip.PrefixFrom(nic.Addr, nic.Addr.BitLen()), Gateway: m.Uplink.Gateway,
			}}})
			continue
		}
		zone, err := m.Zone(string(nic.Zone))
		if err != nil {
			return t, in, err
		}
		if nic.Role == ispctl.AdminNIC {
			// Whoever comes to it there is seen as its gateway, which is a
			// neighbour.
			in.NICs = append(in.NICs, templates.NICInput{MAC: nic.MAC, Nets: []templates.NetInput{{Addr: netip.PrefixFrom(nic.Addr, zone.Leg.Bits())}}})
			continue
		}
		told := templates.NICInput{MAC: nic.MAC, Nets: []templates.NetInput{{Addr: netip.PrefixFrom(nic.Addr, zone.Prefix.Bits()), Gateway: zone.Gateway()}}}
		if onWire && m.Uplink.Gateway.IsValid() {
			told.Nets[0].Gateway = netip.Addr{} // its way out is the wire
		}
		further := nic.Index != vm.ZoneNICs()[0].Index
		if further {
			told.Nets[0].Gateway = netip.Addr{} // its way out is that of its first zone
		}
		if zone.DNS && !further {
			told.DNS = []netip.Addr{zone.Gateway()}
		}
		if nic.Addr6.IsValid() {
			way := zone.Gateway6()
			if further {
				way = netip.Addr{}
			}
			told.Nets = append(told.Nets, templates.NetInput{Addr: netip.PrefixFrom(nic.Addr6, zone.Prefix6.Bits()), Gateway: way})
			if zone.DNS && !further {
				told.DNS = append(told.DNS, zone.Gateway6())
			}
		}
		for _, a := range routed {
			told.Nets = append(told.Nets, templates.NetInput{Addr: netip.PrefixFrom(a.Addr, a.Addr.BitLen())})
		}
		routed = nil // they are on the first NIC
		in.NICs = append(in.NICs, told)
	}
	return t, in, nil
}
