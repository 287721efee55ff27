package document

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"go.yaml.in/yaml/v4"

	"ispctl"
)

// MaxBytes is the largest document that is read.
const MaxBytes = 16 << 20

// Parse reads a document. The file's name is for messages.
func Parse(file string, data []byte) (*Document, error) {
	if len(data) > MaxBytes {
		return nil, errorAt(file, At{}, errors.New("the file is larger than 16 MiB"))
	}
	p := &parser{file: file}
	doc := &Document{File: file}
	root, err := p.root(data)
	if err != nil {
		return nil, err
	}
	version, versionAt := Version, At{}
	p.mapping(root, fields{
		"version": func(n *yaml.Node) {
			before := len(p.errs)
			if v := p.integer(n); len(p.errs) == before {
				version, versionAt = v, at(n)
			}
		},
		"uplink":  func(n *yaml.Node) { doc.Uplink, doc.UplinkAt = p.uplink(n, doc), at(n) },
		"sharing": func(n *yaml.Node) { doc.Sharing = p.sharing(n) },
		"host":    func(n *yaml.Node) { doc.HostServices, doc.HostSources = p.host(n) },
		"admin":   func(n *yaml.Node) { doc.Admin = p.admin(n) },
		"addresses": func(n *yaml.Node) {
			p.each(n, func(n *yaml.Node) { doc.Addresses = append(doc.Addresses, p.address(n)) })
		},
		"zones": func(n *yaml.Node) { p.each(n, func(n *yaml.Node) { doc.Zones = append(doc.Zones, p.zone(n)) }) },
		"plans": func(n *yaml.Node) { p.each(n, func(n *yaml.Node) { doc.Plans = append(doc.Plans, p.plan(n)) }) },
		"tenants": func(n *yaml.Node) {
			p.each(n, func(n *yaml.Node) { doc.Tenants = append(doc.Tenants, p.tenant(n)) })
		},
		"vpn":     func(n *yaml.Node) { doc.VPN = p.vpn(n) },
		"gateway": func(n *yaml.Node) { doc.Gateway = p.gateway(n) },
		"vms":     func(n *yaml.Node) { p.each(n, func(n *yaml.Node) { doc.VMs = append(doc.VMs, p.vm(n)) }) },
		"forwards": func(n *yaml.Node) {
			p.each(n, func(n *yaml.Node) { doc.Forwards = append(doc.Forwards, p.forward(n)) })
		},
		"policies": func(n *yaml.Node) {
			p.each(n, func(n *yaml.Node) { doc.Policies = append(doc.Policies, p.policies(n)...) })
		},
		"flows":    func(n *yaml.Node) { p.each(n, func(n *yaml.Node) { doc.Flows = append(doc.Flows, p.flow(n)) }) },
		"totals":   func(n *yaml.Node) { p.each(n, func(n *yaml.Node) { doc.Totals = append(doc.Totals, p.total(n)) }) },
		"metering": func(n *yaml.Node) { doc.Metering = p.metering(n) },
		"quotas":   func(n *yaml.Node) { p.each(n, func(n *yaml.Node) { doc.Quotas = append(doc.Quotas, p.quota(n)) }) },
		"tariffs":  func(n *yaml.Node) { p.each(n, func(n *yaml.Node) { doc.Tariffs = append(doc.Tariffs, p.tariff(n)) }) },
	}, "version")
	if version != Version {
		// What else is wrong with it is not for this ispctl to say.
		return nil, errorAt(file, versionAt, fmt.Errorf("version %d is not known; this ispctl reads version %d", version, Version))
	}
	p.unique(doc)
	return doc, errors.Join(p.errs...)
}

func (p *parser) uplink(n *yaml.Node, doc *Document) *ispctl.Uplink {
	u := &ispctl.Uplink{Kind: ispctl.Routed}
	before := len(p.errs)
	p.mapping(n, fields{
		"interface": func(n *yaml.Node) { u.Interface, _ = p.text(n) },
		"kind":      func(n *yaml.Node) { u.Kind = ispctl.UplinkKind(scalar(p, n, asIs)) },
		"address":   func(n *yaml.Node) { u.Address = p.prefix(n) },
		"gateway":   func(n *yaml.Node) { u.Gateway = p.addr(n) },
		"address6":  func(n *yaml.Node) { u.Address6 = p.prefix(n) },
		"gateway6":  func(n *yaml.Node) { u.Gateway6 = p.addr(n) },
		"on_move":   func(n *yaml.Node) { u.OnMove, _ = p.text(n) },
		"address_rest": func(n *yaml.Node) {
			u.Rest = scalar(p, n, func(s string) (time.Duration, error) {
				d, err := time.ParseDuration(s)
				if err != nil || d <= 0 {
					return 0, fmt.Errorf("%q is no time, as 24h", s)
				}
				return d, nil
			})
		},
		"delivers": func(n *yaml.Node) {
			all := []netip.Prefix{}
			p.each(n, func(n *yaml.Node) { all = append(all, p.prefix(n)) })
			slices.SortFunc(all, netip.Prefix.Compare)
			doc.Delivers = &all
		},
		"down": func(n *yaml.Node) { u.Down = p.rate(n) },
		"up":   func(n *yaml.Node) { u.Up = p.rate(n) },
	}, "interface")
	if len(p.errs) == before {
		p.check(n, u.Validate())
	}
	return u
}

// address is an address alone, or a mapping that says what it is for.
func (p *parser) address(n *yaml.Node) Address {
	a := Address{At: at(n)}
	if n.Kind != yaml.MappingNode {
		a.Addr = p.addr(n)
		return a
	}
	a.Listed = true
	before := len(p.errs)
	p.mapping(n, fields{
		"address": func(n *yaml.Node) { a.Addr = p.addr(n) },
		"mac":     func(n *yaml.Node) { a.MAC = scalar(p, n, ispctl.ParseMAC) },
		"vm":      func(n *yaml.Node) { a.VM, a.VMAt = p.name("vm", n), at(n) },
		"mode":    func(n *yaml.Node) { a.Mode = scalar(p, n, ispctl.ParseVMMode) },
	}, "address")
	if len(p.errs) == before {
		p.check(n, a.Validate())
	}
	return a
}

func (p *parser) host(n *yaml.Node) (services *[]ispctl.Service, sources *[]netip.Prefix) {
	p.mapping(n, fields{
		"services": func(n *yaml.Node) { services = p.services(n) },
		"sources": func(n *yaml.Node) {
			sources = &[]netip.Prefix{}
			p.each(n, func(n *yaml.Node) { *sources = append(*sources, scalar(p, n, ispctl.ParseHostSource)) })
		},
	}, "services")
	return services, sources
}

func (p *parser) services(n *yaml.Node) *[]ispctl.Service {
	services := []ispctl.Service{}
	p.each(n, func(n *yaml.Node) {
		services = append(services, scalar(p, n, ispctl.ParseService))
	})
	return &services
}

// noPrefix is the word for an admin network that there is not.
const noPrefix = "none"

func (p *parser) admin(n *yaml.Node) *Admin {
	a := &Admin{At: at(n)}
	p.mapping(n, fields{
		"prefix": func(n *yaml.Node) {
			prefix := netip.Prefix{}
			if n.Value != noPrefix {
				prefix = p.prefix(n)
				if prefix.IsValid() {
					p.check(n, ispctl.AdminNet{Prefix: prefix}.Validate())
				}
			}
			a.Prefix = &prefix
		},
		"links": func(n *yaml.Node) {
			links := []string{}
			p.each(n, func(n *yaml.Node) {
				links = append(links, scalar(p, n, func(s string) (string, error) { return s, ispctl.ValidateInterface(s) }))
			})
			a.Links = &links
		},
		"services": func(n *yaml.Node) { a.Services = p.services(n) },
	})
	return a
}

func (p *parser) zone(n *yaml.Node) Zone {
	z := Zone{At: at(n)}
	egress := (*bool)(nil)
	p.mapping(n, fields{
		"name":    func(n *yaml.Node) { z.Name = p.name("zone", n) },
		"prefix":  func(n *yaml.Node) { z.Prefix = p.prefix(n) },
		"prefix6": func(n *yaml.Node) { z.Prefix6 = p.prefix(n) },
		"trunk": func(n *yaml.Node) {
			z.Trunk = scalar(p, n, func(s string) (string, error) { return s, ispctl.ValidateInterface(s) })
		},
		"vlan":     func(n *yaml.Node) { z.VLAN = p.integer(n) },
		"snat":     func(n *yaml.Node) { z.SNAT, z.SNATAt = p.addr(n), at(n) },
		"egress":   func(n *yaml.Node) { b := p.boolean(n); egress = &b },
		"isolated": func(n *yaml.Node) { z.Isolated = p.boolean(n) },
		"ksm":      func(n *yaml.Node) { z.KSM = p.boolean(n) },
		"mtu":      func(n *yaml.Node) { z.MTU = p.integer(n) },
		"dhcp":     func(n *yaml.Node) { z.DHCP = p.boolean(n) },
		"dns":      func(n *yaml.Node) { z.DNS = p.boolean(n) },
		"flows":    func(n *yaml.Node) { z.Flows = p.boolean(n) },
	}, "name", "prefix")
	// A source NAT address is only of use to traffic that goes out.
	z.Egress = z.SNAT.IsValid()
	if egress != nil {
		z.Egress = *egress
	}
	if z.Prefix.IsValid() {
		p.check(n, z.Validate())
	}
	return z
}

func (p *parser) plan(n *yaml.Node) Plan {
	plan := Plan{At: at(n)}
	before := len(p.errs)
	p.mapping(n, fields{
		"name":   func(n *yaml.Node) { plan.Name = p.name("plan", n) },
		"cpus":   func(n *yaml.Node) { plan.CPUs = p.integer(n) },
		"memory": func(n *yaml.Node) { plan.Memory = p.size(n) },
		"disk":   func(n *yaml.Node) { plan.Disk = p.size(n) },
		"limits": func(n *yaml.Node) { plan.Limits = p.limits(n, ispctl.Limit.Set) },
	}, "name", "cpus", "memory", "disk")
	if len(p.errs) == before {
		p.check(n, plan.Validate())
	}
	return plan
}

func (p *parser) vm(n *yaml.Node) VM {
	vm := VM{At: at(n)}
	known := fields{
		"name":     func(n *yaml.Node) { vm.Name = p.name("vm", n) },
		"template": func(n *yaml.Node) { vm.Template, vm.TemplateAt = string(p.name("template", n)), at(n) },
		"zone":     func(n *yaml.Node) { vm.Zone, vm.ZoneAt = string(p.name("zone", n)), at(n) },
		"plan":     func(n *yaml.Node) { vm.Plan, vm.PlanAt = string(p.name("plan", n)), at(n) },
		"address":  func(n *yaml.Node) { vm.Address = p.addr(n) },
		"address6": func(n *yaml.Node) { vm.Address6 = p.addr(n) },
		"limits":   func(n *yaml.Node) { l := p.limits(n, ispctl.Limit.Override); vm.Limits = &l },
		"state": func(n *yaml.Node) {
			vm.State = scalar(p, n, func(s string) (ispctl.Wanted, error) {
				if w := ispctl.Wanted(s); w == ispctl.Running || w == ispctl.Stopped {
					return w, nil
				}
				return "", fmt.Errorf("state %q is not running or stopped", s)
			})
		},
		"admin":  func(n *yaml.Node) { b := p.boolean(n); vm.Admin = &b },
		"tenant": func(n *yaml.Node) { t := p.owner(n); vm.Tenant, vm.TenantAt = &t, at(n) },
		"allow":  func(n *yaml.Node) { vm.Allow = set(p, n, ispctl.ParseAllowance) },
		"tags":   func(n *yaml.Node) { vm.Tags = set(p, n, ispctl.ParseTag) },
		"ssh_keys": func(n *yaml.Node) {
			keys := []string{}
			p.each(n, func(n *yaml.Node) {
				keys = append(keys, scalar(p, n, ispctl.ParseSSHKey))
			})
			vm.SSHKeys = &keys
		},
	}
	p.parts(&vm.VMParts, known)
	p.mapping(n, known, "name", "template", "zone", "plan")
	return vm
}

// set is a list in which order and repetition say nothing.
func set[T interface{ ~string | ~int }](p *parser, n *yaml.Node, parse func(string) (T, error)) *[]T {
	all := []T{}
	p.each(n, func(n *yaml.Node) { all = append(all, scalar(p, n, parse)) })
	slices.Sort(all)
	all = slices.Compact(all)
	return &all
}

func (p *parser) forward(n *yaml.Node) Forward {
	f := Forward{At: at(n)}
	p.mapping(n, fields{
		"listen": func(n *yaml.Node) {
			f.ListenAt = at(n)
			f.Listen = scalar(p, n, func(s string) (l ispctl.Listen, err error) {
				l, f.Last, err = ispctl.ParseListenRange(s)
				return l, err
			})
		},
		"to": func(n *yaml.Node) {
			f.ToAt = at(n)
			f.VM = scalar(p, n, func(s string) (vm ispctl.Name, err error) {
				vm, f.Port, err = ispctl.ParseForwardTarget(s)
				return vm, err
			})
		},
	}, "listen", "to")
	return f
}

// unique refuses what is written down twice.
func (p *parser) unique(d *Document) {
	seen := map[string]At{}
	once := func(at At, kind, name string, read bool) {
		what := kind + " " + name
		if first, twice := seen[what]; twice && read { // what could not be read is wrong already
			p.errs = append(p.errs, errorAt(p.file, at, ispctl.Conflicting("", "", "%s is in line %d already", what, first.Line)))
			return
		}
		seen[what] = at
	}
	for _, a := range d.Addresses {
		once(a.At, "address", a.Addr.String(), a.Addr.IsValid())
	}
	for _, z := range d.Zones {
		once(z.At, "zone", string(z.Name), z.Name != "")
	}
	for _, plan := range d.Plans {
		once(plan.At, "plan", string(plan.Name), plan.Name != "")
	}
	for _, t := range d.Tenants {
		once(t.At, "tenant", string(t.Name), t.Name != "")
	}
	for _, vm := range d.VMs {
		once(vm.At, "vm", string(vm.Name), vm.Name != "")
		uniqueParts(vm, once)
	}
	for _, one := range d.Policies {
		once(one.At, "policy", one.Policy.String(), true)
	}
	for _, f := range d.Flows {
		once(f.At, "flow", f.Name(), f.VM != "")
	}
	for _, t := range d.Totals {
		once(t.At, "total", t.Of(), t.Name != "")
	}
	for _, q := range d.Quotas {
		once(q.At, "quota of", q.Object(), q.VM != "" || q.Tenant != "" || q.Plan != "")
	}
	for _, t := range d.Tariffs {
		once(t.At, "tariff of plan", string(t.Plan), t.Plan != "")
	}
	for _, f := range d.Forwards {
		once(f.At, "forward", f.Outside(), f.Listen.Addr.IsValid())
	}
}

func (p *parser) addr(n *yaml.Node) netip.Addr {
	return scalar(p, n, func(s string) (netip.Addr, error) {
		a, err := netip.ParseAddr(s)
		if err != nil || a.Zone() != "" {
			return netip.Addr{}, fmt.Errorf("%q is no IP address", s)
		}
		return a, nil
	})
}

func (p *parser) prefix(n *yaml.Node) netip.Prefix {
	return scalar(p, n, func(s string) (netip.Prefix, error) {
		prefix, err := netip.ParsePrefix(s)
		if err != nil {
			return netip.Prefix{}, fmt.Errorf("%q is not ADDRESS/LENGTH", s)
		}
		return prefix, nil
	})
}

func (p *parser) name(kind string, n *yaml.Node) ispctl.Name {
	return scalar(p, n, func(s string) (ispctl.Name, error) { return ispctl.ParseName(kind, s) })
}

func (p *parser) size(n *yaml.Node) ispctl.Size {
	return scalar(p, n, ispctl.ParseSize)
}

func asIs(s string) (string, error) { return s, nil }
