package document

import (
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"go.yaml.in/yaml/v4"

	"ispctl"
)

// VMParts are what a VM has of its own beside what its plan and its zone give.
// What is nil, or not listed, is not mentioned.
type VMParts struct {
	CPUs             *int         // zero: the plan's
	Memory, DiskSize *ispctl.Size // the same
	Disks            []Disk
	NICs             []NIC // beside the first
	Autostart        *ispctl.Autostart
}

// Disk is a data disk.
type Disk struct {
	At
	Name ispctl.Name
	Size ispctl.Size
}

// NIC is a NIC in one more zone.
type NIC struct {
	At, ZoneAt        At
	Zone              ispctl.Name
	Address, Address6 netip.Addr // invalid: not mentioned
	Allow             *[]ispctl.Allowance
	Tags              *[]int
}

type (
	outDisk struct {
		Name string `yaml:"name"`
		Size string `yaml:"size"`
	}
	outNIC struct {
		Zone     string             `yaml:"zone"`
		Address  string             `yaml:"address"`
		Address6 string             `yaml:"address6,omitempty"`
		Allow    []ispctl.Allowance `yaml:"allow,omitempty"`
		Tags     []int              `yaml:"tags,omitempty,flow"`
	}
	outAutostart struct {
		Enabled bool   `yaml:"enabled"`
		Order   int    `yaml:"order,omitempty"`
		Delay   string `yaml:"delay,omitempty"`
	}
	outParts struct {
		CPUs      int           `yaml:"cpus,omitempty"`
		Memory    string        `yaml:"memory,omitempty"`
		Disk      string        `yaml:"disk,omitempty"`
		Disks     []outDisk     `yaml:"disks,omitempty"`
		NICs      []outNIC      `yaml:"nics,omitempty"`
		Autostart *outAutostart `yaml:"autostart,omitempty"`
	}
)

func exportParts(vm ispctl.VM) outParts {
	out := outParts{CPUs: vm.CPUs}
	if vm.Memory > 0 {
		out.Memory = vm.Memory.String()
	}
	if vm.DiskSize > 0 {
		out.Disk = vm.DiskSize.String()
	}
	for _, d := range vm.Disks {
		out.Disks = append(out.Disks, outDisk{string(d.Name), d.Size.String()})
	}
	if nics := vm.ZoneNICs(); len(nics) > 1 {
		for _, nic := range nics[1:] {
			one := outNIC{Zone: string(nic.Zone), Address: nic.Addr.String(), Allow: nic.Allow, Tags: nic.Tags}
			if nic.Addr6.IsValid() {
				one.Address6 = nic.Addr6.String()
			}
			out.NICs = append(out.NICs, one)
		}
	}
	if s := vm.Autostart; s != (ispctl.Autostart{}) {
		out.Autostart = &outAutostart{Enabled: !s.Off, Order: s.Order}
		if s.Delay > 0 {
			out.Autostart.Delay = s.Delay.String()
		}
	}
	return out
}

// ofPlan is the word for a size that is the plan's.
const ofPlan = "plan"

// parts are the keys of a VM that VMParts are of.
func (p *parser) parts(v *VMParts, into fields) {
	into["cpus"] = func(n *yaml.Node) {
		v.CPUs = own(p, n, func(s string) (int, error) {
			i, err := strconv.Atoi(s)
			if err != nil || i < 1 {
				return 0, fmt.Errorf("%q is no number of CPUs from 1 on, nor %q", s, ofPlan)
			}
			return i, nil
		})
	}
	into["memory"] = func(n *yaml.Node) { v.Memory = own(p, n, ispctl.ParseSize) }
	into["disk"] = func(n *yaml.Node) { v.DiskSize = own(p, n, ispctl.ParseSize) }
	into["disks"] = func(n *yaml.Node) {
		p.each(n, func(n *yaml.Node) {
			d := Disk{At: at(n)}
			p.mapping(n, fields{
				"name": func(n *yaml.Node) { d.Name = p.name("disk", n) },
				"size": func(n *yaml.Node) { d.Size = p.size(n) },
			}, "name", "size")
			v.Disks = append(v.Disks, d)
		})
	}
	into["nics"] = func(n *yaml.Node) {
		p.each(n, func(n *yaml.Node) {
			nic := NIC{At: at(n)}
			p.mapping(n, fields{
				"zone":     func(n *yaml.Node) { nic.Zone, nic.ZoneAt = p.name("zone", n), at(n) },
				"address":  func(n *yaml.Node) { nic.Address = p.addr(n) },
				"address6": func(n *yaml.Node) { nic.Address6 = p.addr(n) },
				"allow":    func(n *yaml.Node) { nic.Allow = set(p, n, ispctl.ParseAllowance) },
				"tags":     func(n *yaml.Node) { nic.Tags = set(p, n, ispctl.ParseTag) },
			}, "zone")
			v.NICs = append(v.NICs, nic)
		})
	}
	into["autostart"] = func(n *yaml.Node) { v.Autostart = p.autostart(n) }
}

// own reads a size of a VM's own; the word for the plan's is zero.
func own[T any](p *parser, n *yaml.Node, read func(string) (T, error)) *T {
	v := scalar(p, n, func(s string) (T, error) {
		if s == ofPlan {
			var zero T
			return zero, nil
		}
		return read(s)
	})
	return &v
}

func (p *parser) autostart(n *yaml.Node) *ispctl.Autostart {
	var s ispctl.Autostart
	p.mapping(n, fields{
		"enabled": func(n *yaml.Node) { s.Off = !p.boolean(n) },
		"order":   func(n *yaml.Node) { s.Order = p.integer(n) },
		"delay":   func(n *yaml.Node) { s.Delay = scalar(p, n, time.ParseDuration) },
	})
	return &s
}

// uniqueParts refuses what is written down twice of one VM.
func uniqueParts(vm VM, once func(at At, kind, name string, read bool)) {
	for _, d := range vm.Disks {
		once(d.At, "disk", string(vm.Name)+"/"+string(d.Name), vm.Name != "" && d.Name != "")
	}
	for _, nic := range vm.NICs {
		once(nic.At, "nic of vm", string(vm.Name)+" in zone "+string(nic.Zone), vm.Name != "" && nic.Zone != "")
	}
}
