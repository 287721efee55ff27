package ispctl_test

import (
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"ispctl"
	"ispctl/internal/convergetest"
)

var inst = ispctl.Installation{Prefix: "isp", Hypervisor: "test:///default"}

// provider is a valid model: zones dmz (10.10.0.0/24, goes out with
// 203.0.113.10) and mail (10.20.0.0/24), a VM in each, a forward to each, the
// uplink up0 with 203.0.113.2/24.
func provider() *ispctl.Model { return convergetest.Models(inst, ispctl.Paths{})[2] }

func guestOf(m *ispctl.Model, name ispctl.Name) *ispctl.VM {
	return &m.VMs[slices.IndexFunc(m.VMs, func(vm ispctl.VM) bool { return vm.Name == name })]
}

func tag(m *ispctl.Model, vm ispctl.Name, tags ...int) { guestOf(m, vm).NICs[0].Tags = tags }

func allow(m *ispctl.Model, vm ispctl.Name, nic int, all ...ispctl.Allowance) {
	guestOf(m, vm).NICs[nic].Allow = all
}

// TestTrunksAreValid: the same VLAN on two trunks is two VLANs.
func TestTrunksAreValid(t *testing.T) {
	for i, m := range convergetest.TrunkModels(inst, ispctl.Paths{}) {
		if err := m.Validate(); err != nil {
			t.Errorf("model %d: %v", i, err)
		}
	}
	m := provider()
	m.Zones[0].Trunk, m.Zones[0].VLAN, m.Zones[1].Trunk, m.Zones[1].VLAN = "eth1", 10, "eth2", 10
	if err := m.Validate(); err != nil {
		t.Error(err)
	}
}

func TestValidate(t *testing.T) {
	addr, prefix := netip.MustParseAddr, netip.MustParsePrefix
	const usage, conflict, notFound = ispctl.Usage, ispctl.Conflict, ispctl.NotFound
	for _, tt := range []struct {
		name string
		harm func(*ispctl.Model)
		kind ispctl.ErrorKind
		want string
	}{
		// The installation.
		{"no prefix", func(m *ispctl.Model) { m.Installation.Prefix = "" }, usage, "installation prefix: the name is empty"},
		{"prefix is no label", func(m *ispctl.Model) { m.Installation.Prefix = "i*" }, usage, `installation prefix "i*"`},
		{"prefix too long", func(m *ispctl.Model) { m.Installation.Prefix = "ispc" }, usage, "is longer than 3 bytes"},
		{"no hypervisor", func(m *ispctl.Model) { m.Installation.Hypervisor = "" }, usage, "hypervisor: is not set"},

		// The uplink and the host.
		{"uplink by itself", func(m *ispctl.Model) { m.Uplink.Kind = "x" }, usage, `kind "x" is not known`},
		{"uplink is a zone's bridge", func(m *ispctl.Model) { m.Uplink.Interface = "isp-dmz" }, usage, `uplink "isp-dmz": is the bridge of zone "dmz"`},
		{"service without a port", func(m *ispctl.Model) { m.HostServices[0].Port = 0 }, usage, `service "0/tcp"`},
		{"service of no protocol", func(m *ispctl.Model) { m.HostServices[0].Proto = "icmp" }, usage, `service "22/icmp"`},

		// The admin network.
		{"admin network public", func(m *ispctl.Model) { m.Admin.Prefix = prefix("203.0.112.0/24") }, usage, `admin network "203.0.112.0/24": is public`},
		{"admin link no interface", func(m *ispctl.Model) { m.Admin.Links = []string{"a/b"} }, usage, `interface "a/b"`},
		{"admin link is the uplink", func(m *ispctl.Model) { m.Admin.Links = []string{"up0"} }, usage, `admin link "up0": is the uplink: whoever is on the Internet would come in by it`},
		{"admin link is ours", func(m *ispctl.Model) { m.Admin.Links = []string{"isp-dmz"} }, usage, `admin link "isp-dmz": is named as the links of guests and zones are`},
		{"admin service of no protocol", func(m *ispctl.Model) { m.Admin.Services[0].Proto = "icmp" }, usage, `service "123/icmp"`},
		{"admin network on the uplink", func(m *ispctl.Model) { m.Uplink.Address = prefix("10.255.9.2/24") }, conflict, `admin network "10.255.0.0/16": prefix 10.255.0.0/16 overlaps 10.255.9.0/24 of uplink up0`},
		{"admin network over a zone", func(m *ispctl.Model) {
			m.Admin.Prefix, m.Zones[0].Leg, m.Zones[1].Leg = prefix("10.0.0.0/8"), prefix("10.255.0.0/24"), prefix("10.255.1.0/24")
		}, conflict, "overlaps 10.0.0.0/8 of the admin network"},

		// Addresses.
		{"address IPv6 link-local", func(m *ispctl.Model) { m.Addresses[0].Addr = addr("fe80::1") }, usage, `address "fe80::1": is neither of 2000::/3 nor of fc00::/7`},
		{"address IPv4 in IPv6", func(m *ispctl.Model) { m.Addresses[0].Addr = addr("::ffff:203.0.113.9") }, usage, "is no IPv4 or IPv6 address"},
		{"address none", func(m *ispctl.Model) { m.Addresses[0].Addr = netip.Addr{} }, usage, "is no IPv4 or IPv6 address"},
		{"address loopback", func(m *ispctl.Model) { m.Addresses[0].Addr = addr("127.0.0.1") }, usage, "can be no host's external address"},
		{"address multicast", func(m *ispctl.Model) { m.Addresses[0].Addr = addr("224.0.0.1") }, usage, "can be no host's external address"},
		{"address unspecified", func(m *ispctl.Model) { m.Addresses[0].Addr = addr("0.0.0.0") }, usage, "can be no host's external address"},
		{"address link-local", func(m *ispctl.Model) { m.Addresses[0].Addr = addr("169.254.0.1") }, usage, "can be no host's external address"},
		{"address broadcast", func(m *ispctl.Model) { m.Addresses[0].Addr = addr("255.255.255.255") }, usage, "can be no host's external address"},
		{"address twice", func(m *ispctl.Model) { m.Addresses[1] = m.Addresses[0] }, conflict, `address "203.0.113.10": is there already`},
		{"address is the gateway", func(m *ispctl.Model) { m.Addresses[0].Addr = addr("203.0.113.1") }, conflict, "is the uplink's gateway"},

		// A zone by itself.
		{"zone without a name", func(m *ispctl.Model) { m.Zones[0].Name = "" }, usage, "zone: the name is empty"},
		{"zone's name no label", func(m *ispctl.Model) { m.Zones[0].Name = "d mz" }, usage, `zone "d mz"`},
		{"zone without a prefix", func(m *ispctl.Model) { m.Zones[0].Prefix = netip.Prefix{} }, usage, `zone "dmz": has no prefix`},
		{"prefix IPv6", func(m *ispctl.Model) { m.Zones[0].Prefix = prefix("2001:db8::/64") }, usage, "prefix 2001:db8::/64 is not IPv4"},
		{"prefix with host bits", func(m *ispctl.Model) { m.Zones[0].Prefix = prefix("10.10.0.1/24") }, usage, "did you mean 10.10.0.0/24?"},
		{"prefix /7", func(m *ispctl.Model) { m.Zones[0].Prefix = prefix("10.0.0.0/7") }, usage, "the length must be 8 to 30"},
		{"prefix /31", func(m *ispctl.Model) { m.Zones[0].Prefix = prefix("10.10.0.0/31") }, usage, "the length must be 8 to 30"},
		{"prefix loopback", func(m *ispctl.Model) { m.Zones[0].Prefix = prefix("127.1.0.0/16") }, usage, "is loopback"},
		{"prefix multicast", func(m *ispctl.Model) { m.Zones[0].Prefix = prefix("224.0.0.0/8") }, usage, "is loopback, multicast"},
		{"prefix link-local", func(m *ispctl.Model) { m.Zones[0].Prefix = prefix("169.254.1.0/24") }, usage, "is loopback, multicast, link-local"},
		{"prefix unspecified", func(m *ispctl.Model) { m.Zones[0].Prefix = prefix("0.0.0.0/8") }, usage, "or unspecified"},
		{"VLAN below", func(m *ispctl.Model) { m.Zones[0].VLAN = -1 }, usage, "vlan -1 is not 1 to 4094"},
		{"VLAN above", func(m *ispctl.Model) { m.Zones[0].VLAN = 4095 }, usage, "vlan 4095 is not 1 to 4094"},
		{"trunk no interface", func(m *ispctl.Model) { m.Zones[0].Trunk = "a/b" }, usage, `interface "a/b"`},
		{"trunk's port too long", func(m *ispctl.Model) { m.Zones[0].Trunk, m.Zones[0].VLAN = "enp129s0f1np1", 10 }, usage, "its port enp129s0f1np1.10 on trunk enp129s0f1np1 would have 16 bytes"},
		{"trunk of guests", func(m *ispctl.Model) { m.Zones[0].Trunk, m.Zones[0].VLAN = "isp-x", 10 }, usage, "its trunk isp-x is named as the links of guests and zones are"},
		{"VLAN twice on a trunk", func(m *ispctl.Model) {
			for i := range m.Zones {
				m.Zones[i].Trunk, m.Zones[i].VLAN = "eth1", 10
			}
		}, conflict, `zone "mail": vlan 10 is zone "dmz"'s`},
		{"VLAN is a guest's tag", func(m *ispctl.Model) {
			m.Zones[0].Trunk, m.Zones[1].Trunk, m.Zones[1].VLAN = "eth1", "eth1", 10
			tag(m, "web1", 10)
		}, conflict, "vlan 10 of trunk eth1 is zone"},
		{"VLAN is the uplink", func(m *ispctl.Model) { m.Zones[0].Trunk, m.Zones[0].VLAN, m.Uplink.Interface = "eth1", 10, "eth1.10" }, conflict, "vlan 10 of trunk eth1 is the uplink"},
		{"VLAN is the operators'", func(m *ispctl.Model) {
			m.Zones[0].Trunk, m.Zones[0].VLAN, m.Admin.Links = "eth1", 10, []string{"eth1.10"}
		}, conflict, "is a link of operators"},
		{"tags without a trunk", func(m *ispctl.Model) { tag(m, "web1", 10) }, conflict, `vm "web1": nic 0 has tags [10], and zone "dmz" has no trunk`},
		{"tags in a VLAN", func(m *ispctl.Model) { m.Zones[0].Trunk, m.Zones[0].VLAN = "eth1", 5; tag(m, "web1", 10) }, conflict, "has no trunk that keeps VLANs apart"},
		{"tag 1", func(m *ispctl.Model) { m.Zones[0].Trunk = "eth1"; tag(m, "web1", 1) }, usage, `tag "1": is not 2 to 4093`},
		{"tag 4094", func(m *ispctl.Model) { m.Zones[0].Trunk = "eth1"; tag(m, "web1", 4094) }, usage, `tag "4094": is not 2 to 4093`},
		{"tags twice", func(m *ispctl.Model) { m.Zones[0].Trunk = "eth1"; tag(m, "web1", 10, 10) }, usage, "tags [10 10] are not in order"},
		{"allowance unknown", func(m *ispctl.Model) { allow(m, "web1", 0, "allow_all") }, usage, `allowance "allow_all": is none of`},
		{"allowance twice", func(m *ispctl.Model) { allow(m, "web1", 0, ispctl.AllowIPSpoofing, ispctl.AllowIPSpoofing) }, usage, "are not in order"},
		{"allowance on a leg", func(m *ispctl.Model) { allow(m, "web1", 1, ispctl.AllowIPSpoofing) }, conflict, "nic 1 is on an admin leg"},

		// A zone beside others.
		{"bridge's name too long", func(m *ispctl.Model) { m.Zones[0].Name = "abcdefghijkl" }, usage, "its bridge isp-abcdefghijkl would have 16 bytes; the kernel takes 15, so the zone's name 11"},
		{"prefix overlaps", func(m *ispctl.Model) { m.Zones[1].Prefix = prefix("10.10.0.128/25") }, conflict, `prefix 10.10.0.128/25 overlaps 10.10.0.0/24 of zone "dmz"`},
		{"prefix overlaps the uplink", func(m *ispctl.Model) { m.Zones[1].Prefix = prefix("203.0.113.128/25") }, conflict, "overlaps 203.0.113.0/24 of uplink up0"},
		{"prefix holds the gateway", func(m *ispctl.Model) {
			m.Uplink.Address, m.Uplink.Gateway = prefix("192.0.2.7/32"), addr("10.20.0.1")
		}, conflict, "prefix 10.20.0.0/24 holds the uplink's gateway 10.20.0.1"},
		{"prefix holds an external address", func(m *ispctl.Model) { m.Addresses[1].Addr = addr("10.20.0.99") }, conflict, "prefix 10.20.0.0/24 holds the external address 10.20.0.99"},
		{"snat is nobody's", func(m *ispctl.Model) { m.Zones[0].SNAT = addr("203.0.113.99") }, notFound, `address "203.0.113.99" not found (have: 203.0.113.10, 203.0.113.11)`},
		{"nothing to go out with", func(m *ispctl.Model) {
			m.Uplink.Address, m.Zones[1].Egress = netip.Prefix{}, true
		}, usage, `zone "mail": egress from the private prefix 10.20.0.0/24 needs an address to go out with`},
		{"VLAN twice", func(m *ispctl.Model) { m.Zones[0].VLAN, m.Zones[1].VLAN = 10, 10 }, conflict, `zone "mail": vlan 10 is zone "dmz"'s`},

		// Plans.
		{"plan's name no label", func(m *ispctl.Model) { m.Plans[0].Name = "Small" }, usage, `plan "Small"`},
		{"no CPU", func(m *ispctl.Model) { m.Plans[0].CPUs = 0 }, usage, `plan "small": cpus 0 is not 1 to 512`},
		{"too many CPUs", func(m *ispctl.Model) { m.Plans[0].CPUs = 513 }, usage, "cpus 513 is not 1 to 512"},
		{"too little memory", func(m *ispctl.Model) { m.Plans[0].Memory = ispctl.MinMemory - ispctl.MiB }, usage, "is not " + ispctl.MinMemory.String() + " to 64TiB"},
		{"too much memory", func(m *ispctl.Model) { m.Plans[0].Memory = 65 * ispctl.TiB }, usage, "memory 65TiB is not"},
		{"memory of a broken MiB", func(m *ispctl.Model) { m.Plans[0].Memory = 128*ispctl.MiB + ispctl.KiB }, usage, "memory 131073KiB is no whole number of MiB"},
		{"too little disk", func(m *ispctl.Model) { m.Plans[0].Disk = 63 * ispctl.MiB }, usage, "disk 63MiB is not 64MiB to 1024TiB"},
		{"too much disk", func(m *ispctl.Model) { m.Plans[0].Disk = math.MaxInt64 }, usage, "is not 64MiB to 1024TiB"},
		{"disk of a broken MiB", func(m *ispctl.Model) { m.Plans[0].Disk = 20e9 }, usage, "disk 20GB is no whole number of MiB"},

		// VMs.
		{"VM's name no label", func(m *ispctl.Model) { m.VMs[0].Name = "a.b" }, usage, `vm "a.b"`},
		{"plan is gone", func(m *ispctl.Model) { m.VMs[0].Plan = "huge" }, notFound, `plan "huge" not found (have: small)`},
		{"image is gone", func(m *ispctl.Model) { m.Images = nil }, conflict, `vm "mail1": its image 5f70bf18a086 is gone from the store`},
		{"disk smaller than the image", func(m *ispctl.Model) { m.Images[0].Size = 2 * ispctl.GiB }, conflict, `plan "small" has a disk of 1GiB; image "micro" needs 2GiB`},
		{"zone is gone", func(m *ispctl.Model) { m.VMs[0].NICs[0].Zone = "lab" }, notFound, `zone "lab" not found (have: dmz, mail)`},
		{"address outside the zone", func(m *ispctl.Model) { m.VMs[0].NICs[0].Addr = addr("10.30.0.2") }, conflict, `vm "mail1": address 10.30.0.2 is no guest's in 10.20.0.0/24 of zone "mail"`},
		{"address is the network's", func(m *ispctl.Model) { m.VMs[0].NICs[0].Addr = addr("10.20.0.0") }, conflict, "address 10.20.0.0 is no guest's"},
		{"address is the broadcast", func(m *ispctl.Model) { m.VMs[0].NICs[0].Addr = addr("10.20.0.255") }, conflict, "address 10.20.0.255 is no guest's"},
		{"address is the zone's gateway", func(m *ispctl.Model) { m.VMs[0].NICs[0].Addr = addr("10.20.0.1") }, conflict, `address 10.20.0.1 is the gateway of zone "mail"`},
		{"no address", func(m *ispctl.Model) { m.VMs[0].NICs[0].Addr = netip.Addr{} }, conflict, "is no guest's"},
		{"address is another's", func(m *ispctl.Model) {
			m.VMs[0].NICs[0].Zone, m.VMs[0].NICs[0].Addr = "dmz", addr("10.10.0.2")
		}, conflict, `vm "web1": address 10.10.0.2 is vm "mail1"'s`},
		{"address is still a destroyed VM's", func(m *ispctl.Model) {
			m.Forwards = nil
			m.VMs[0].Wanted = ispctl.Absent
			m.VMs[1].NICs = m.VMs[0].NICs
		}, conflict, `vm "web1": address 10.20.0.2 is vm "mail1"'s`},
		{"address is still a destroyed VM's of a later name", func(m *ispctl.Model) {
			m.Forwards = nil
			m.VMs[1].Wanted = ispctl.Absent
			m.VMs[0].NICs = m.VMs[1].NICs
		}, conflict, `vm "mail1": address 10.10.0.2 is vm "web1"'s`},

		// Forwards.
		{"forward twice", func(m *ispctl.Model) { m.Forwards[1].Listen = m.Forwards[0].Listen }, conflict, `forward "203.0.113.10:2222/tcp": is carried to web1:22 already`},
		{"forward on nobody's address", func(m *ispctl.Model) { m.Forwards[0].Listen.Addr = addr("203.0.113.99") }, notFound, `address "203.0.113.99" not found`},
		{"forward to no VM", func(m *ispctl.Model) { m.Forwards[0].VM = "ghost" }, notFound, `vm "ghost" not found (have: mail1, web1)`},
		{"forward to a destroyed VM", func(m *ispctl.Model) { m.VMs[1].Wanted = ispctl.Absent }, conflict, `forward "203.0.113.10:2222/tcp": vm "web1" is being destroyed`},
		{"forward from port 0", func(m *ispctl.Model) { m.Forwards[0].Listen.Port = 0 }, usage, `forward "203.0.113.10:0/tcp"`},
		{"forward to port 0", func(m *ispctl.Model) { m.Forwards[0].Port = 0 }, usage, `forward target "web1:0"`},
		{"forward of no protocol", func(m *ispctl.Model) { m.Forwards[0].Listen.Proto = "sctp" }, usage, `protocol "sctp" is not tcp or udp`},
		{"forward takes the host's SSH", func(m *ispctl.Model) {
			m.Addresses = append(m.Addresses, ispctl.Address{Addr: addr("203.0.113.2")})
			m.Forwards[0].Listen = ispctl.Listen{Addr: addr("203.0.113.2"), Port: 22, Proto: ispctl.TCP}
		}, conflict, `forward "203.0.113.2:22/tcp": would take service 22/tcp away from the host itself`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := provider()
			m.Addresses, m.Zones = slices.Clone(m.Addresses), slices.Clone(m.Zones) // other models have them too
			tt.harm(m)
			refused(t, m.Validate(), tt.kind, tt.want)
		})
	}
}

// TestValidateTakes what looks like a fault and is none.
func TestValidateTakes(t *testing.T) {
	addr, prefix := netip.MustParseAddr, netip.MustParsePrefix
	for name, change := range map[string]func(*ispctl.Model){
		"all as it is":   func(*ispctl.Model) {},
		"nothing at all": func(m *ispctl.Model) { *m = ispctl.Model{Installation: m.Installation} },
		"zones that touch": func(m *ispctl.Model) {
			m.Zones[1].Prefix = prefix("10.10.1.0/24")
			m.VMs, m.Forwards = m.VMs[1:], m.Forwards[:1]
		},
		"no VLAN twice": func(m *ispctl.Model) { m.Zones[0].VLAN, m.Zones[1].VLAN = 0, 0 },
		"last VLAN":     func(m *ispctl.Model) { m.Zones[0].VLAN = 4094 },
		"longest bridge": func(m *ispctl.Model) {
			m.Zones = append(m.Zones, ispctl.Zone{Name: "abcdefghijk", Prefix: prefix("10.99.0.0/16")})
		},
		"/30 with its guest":   func(m *ispctl.Model) { m.Zones[1].Prefix = prefix("10.20.0.0/30") },
		"last guest of a /24":  func(m *ispctl.Model) { m.VMs[0].NICs[0].Addr = addr("10.20.0.254") },
		"egress by the uplink": func(m *ispctl.Model) { m.Zones[1].Egress = true },
		"public zone without snat": func(m *ispctl.Model) {
			m.Uplink.Address = netip.Prefix{}
			m.Zones[1].Prefix, m.Zones[1].Egress, m.VMs[0].NICs[0].Addr = prefix("198.51.100.0/24"), true, addr("198.51.100.2")
		},
		"smallest plan": func(m *ispctl.Model) {
			m.Plans[0] = ispctl.Plan{Name: "small", CPUs: 1, Memory: ispctl.MinMemory, Disk: ispctl.MinDisk}
		},
		"largest plan": func(m *ispctl.Model) {
			m.Plans[0] = ispctl.Plan{Name: "small", CPUs: ispctl.MaxCPUs, Memory: ispctl.MaxMemory, Disk: ispctl.MaxDisk}
		},
		"destroyed VM whose zone, plan and image are gone": func(m *ispctl.Model) {
			m.VMs[0].Wanted = ispctl.Absent
			m.VMs[0].Plan, m.VMs[0].Zone, m.VMs[0].Image, m.VMs[0].NICs[0].Zone = "x", "x", "x", "x"
			m.Forwards = m.Forwards[:1]
		},
		"one port, two protocols": func(m *ispctl.Model) {
			m.Forwards[1] = m.Forwards[0]
			m.Forwards[1].Listen.Proto = ispctl.UDP
		},
		"forward of the host's own address that is no service": func(m *ispctl.Model) {
			m.Addresses = append(m.Addresses, ispctl.Address{Addr: addr("203.0.113.2")})
			m.Forwards[0].Listen = ispctl.Listen{Addr: addr("203.0.113.2"), Port: 22, Proto: ispctl.UDP}
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := provider()
			m.Addresses, m.Zones = slices.Clone(m.Addresses), slices.Clone(m.Zones)
			change(m)
			if err := m.Validate(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestInstallationNames(t *testing.T) {
	if err := (ispctl.Installation{Prefix: "i", Hypervisor: "embed"}).Validate(); err != nil {
		t.Error(err)
	}
	for what, names := range map[string][2]string{
		"bridge": {inst.Bridge("dmz"), "isp-dmz"}, "tap": {inst.Tap(12, 1), "isp-12-1"}, "pattern": {inst.LinkPattern(), "isp-*"},
		"table": {inst.Table("nat"), "ispctl-nat"}, "domain": {inst.Domain("web1"), "isp-web1"},
	} {
		if names[0] != names[1] {
			t.Errorf("%s: want %s, have %s", what, names[1], names[0])
		}
	}
	other := ispctl.Installation{Prefix: "lab"}
	if inst.LinkGroup() == other.LinkGroup() || inst.LinkGroup() == 0 {
		t.Errorf("link groups %d and %d", inst.LinkGroup(), other.LinkGroup())
	}
}

func TestPathsAreUnderTheirRoot(t *testing.T) {
	for root, want := range map[string]string{"": "/", "/": "/", "/srv/a b": "/srv/a b/", "rel": "rel/"} {
		p := ispctl.Paths{Root: root}
		for _, path := range []string{
			p.Config(), p.Templates(), p.Database(), p.Lock(), p.Images(), p.Image("d"), p.Guests(), p.Guest("u"), p.Disk("u"),
			p.Seed("u"), p.SerialLog("u"), p.ImageDisk("d"), p.ImageKernel("d"), p.ImageInitrd("d"), p.Embed(), p.Run(),
		} {
			if !strings.HasPrefix(path, want) || strings.HasPrefix(path, "//") {
				t.Errorf("root %q: %s", root, path)
			}
		}
	}
}
