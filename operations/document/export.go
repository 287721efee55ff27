package document

import (
	"fmt"

	"go.yaml.in/yaml/v4"

	"ispctl"
)

// The shapes that Export writes; their tags are the keys that Parse reads.
type (
	outDocument struct {
		Version   int          `yaml:"version"`
		Uplink    *outUplink   `yaml:"uplink,omitempty"`
		Host      *outHost     `yaml:"host,omitempty"`
		Sharing   *outSharing  `yaml:"sharing,omitempty"`
		Admin     *outAdmin    `yaml:"admin,omitempty"`
		Addresses []any        `yaml:"addresses,omitempty"` // text, or outAddress
		Zones     []outZone    `yaml:"zones,omitempty"`
		Plans     []outPlan    `yaml:"plans,omitempty"`
		Tenants   []outTenant  `yaml:"tenants,omitempty"`
		VPN       *outVPN      `yaml:"vpn,omitempty"`
		Gateway   *outGateway  `yaml:"gateway,omitempty"`
		VMs       []outVM      `yaml:"vms,omitempty"`
		Forwards  []outForward `yaml:"forwards,omitempty"`
		Policies  []outPolicy  `yaml:"policies,omitempty"`
		Flows     []outFlow    `yaml:"flows,omitempty"`
		Totals    []outTotal   `yaml:"totals,omitempty"`
		Metering  *outMetering `yaml:"metering,omitempty"`
		Quotas    []outQuota   `yaml:"quotas,omitempty"`
		Tariffs   []outTariff  `yaml:"tariffs,omitempty"`
	}
	outUplink struct {
		Interface string   `yaml:"interface"`
		Kind      string   `yaml:"kind"`
		Address   string   `yaml:"address,omitempty"`
		Gateway   string   `yaml:"gateway,omitempty"`
		Address6  string   `yaml:"address6,omitempty"`
		Gateway6  string   `yaml:"gateway6,omitempty"`
		OnMove    string   `yaml:"on_move,omitempty"`
		Rest      string   `yaml:"address_rest,omitempty"`
		Delivers  []string `yaml:"delivers,omitempty"`
		Down      string   `yaml:"down,omitempty"`
		Up        string   `yaml:"up,omitempty"`
	}
	outAddress struct {
		Address string `yaml:"address"`
		MAC     string `yaml:"mac,omitempty"`
		VM      string `yaml:"vm,omitempty"`
		Mode    string `yaml:"mode,omitempty"`
	}
	outHost struct {
		Services []string `yaml:"services"`
		Sources  []string `yaml:"sources,omitempty"`
	}
	outAdmin struct {
		Prefix   string   `yaml:"prefix"`
		Links    []string `yaml:"links,omitempty"`
		Services []string `yaml:"services,omitempty"`
	}
	outZone struct {
		Name     string `yaml:"name"`
		Prefix   string `yaml:"prefix"`
		Prefix6  string `yaml:"prefix6,omitempty"`
		Trunk    string `yaml:"trunk,omitempty"`
		VLAN     int    `yaml:"vlan,omitempty"`
		SNAT     string `yaml:"snat,omitempty"`
		Egress   bool   `yaml:"egress"`
		Isolated bool   `yaml:"isolated,omitempty"`
		KSM      bool   `yaml:"ksm,omitempty"`
		MTU      int    `yaml:"mtu,omitempty"`
		DHCP     bool   `yaml:"dhcp,omitempty"`
		DNS      bool   `yaml:"dns,omitempty"`
		Flows    bool   `yaml:"flows,omitempty"`
	}
	outPlan struct {
		Name   string `yaml:"name"`
		CPUs   int    `yaml:"cpus"`
		Memory string `yaml:"memory"`
		Disk   string `yaml:"disk"`

		Limits map[string]string `yaml:"limits,omitempty"`
	}
	outVM struct {
		Name     string   `yaml:"name"`
		Template string   `yaml:"template"`
		Zone     string   `yaml:"zone"`
		Plan     string   `yaml:"plan"`
		Tenant   string   `yaml:"tenant,omitempty"`
		Address  string   `yaml:"address,omitempty"`
		Address6 string   `yaml:"address6,omitempty"`
		State    string   `yaml:"state"`
		Admin    *bool    `yaml:"admin,omitempty"`
		Tags     []int    `yaml:"tags,omitempty,flow"`
		SSHKeys  []string `yaml:"ssh_keys"`

		Allow []ispctl.Allowance `yaml:"allow,omitempty"`

		Limits map[string]string `yaml:"limits,omitempty"`

		outParts `yaml:",inline"`
	}
	outPolicy struct {
		From     string   `yaml:"from"`
		To       string   `yaml:"to"`
		Services []string `yaml:"services"`
		Families []string `yaml:"families"`
		Log      bool     `yaml:"log,omitempty"`
	}
	outFlow struct {
		VM     string `yaml:"vm"`
		Match  string `yaml:"match"`
		Remote string `yaml:"remote,omitempty"`
		Rate   string `yaml:"rate,omitempty"`

		PerConnection bool   `yaml:"per_connection,omitempty"`
		Priority      string `yaml:"priority,omitempty"`
	}
	outTotal struct {
		Zone      string `yaml:"zone,omitempty"`
		Tenant    string `yaml:"tenant,omitempty"`
		Down      string `yaml:"down,omitempty"`
		Up        string `yaml:"up,omitempty"`
		Guarantee string `yaml:"guarantee,omitempty"`
	}
	outForward struct {
		Listen string `yaml:"listen"`
		To     string `yaml:"to"`
	}
)

// Export writes a model down, so that applying the text to it changes nothing.
func Export(m *ispctl.Model) ([]byte, error) {
	out := outDocument{Version: Version, Host: &outHost{Services: []string{}}, Sharing: writeSharing(m.Sharing)}
	if u := m.Uplink; u.Configured() {
		out.Uplink = &outUplink{Interface: u.Interface, Kind: string(u.Kind), OnMove: u.OnMove}
		if u.Rest > 0 {
			out.Uplink.Rest = u.Rest.String()
		}
		for _, p := range m.Delivers {
			out.Uplink.Delivers = append(out.Uplink.Delivers, p.String())
		}
		if u.Address.IsValid() {
			out.Uplink.Address = u.Address.String()
		}
		if u.Gateway.IsValid() {
			out.Uplink.Gateway = u.Gateway.String()
		}
		if u.Address6.IsValid() {
			out.Uplink.Address6 = u.Address6.String()
		}
		if u.Gateway6.IsValid() {
			out.Uplink.Gateway6 = u.Gateway6.String()
		}
		if u.Down > 0 {
			out.Uplink.Down = u.Down.String()
		}
		if u.Up > 0 {
			out.Uplink.Up = u.Up.String()
		}
	}
	for _, s := range m.HostServices {
		out.Host.Services = append(out.Host.Services, s.String())
	}
	for _, p := range m.HostSources {
		out.Host.Sources = append(out.Host.Sources, p.String())
	}
	if m.Admin.Configured() {
		out.Admin = &outAdmin{Prefix: m.Admin.Prefix.String(), Links: m.Admin.Links}
		for _, s := range m.Admin.Services {
			out.Admin.Services = append(out.Admin.Services, s.String())
		}
	}
	for _, a := range m.Addresses {
		if a.Mode == ispctl.Shared && a.MAC == "" {
			out.Addresses = append(out.Addresses, a.Addr.String())
			continue
		}
		out.Addresses = append(out.Addresses, outAddress{Address: a.Addr.String(), MAC: a.MAC, VM: string(a.VM), Mode: string(a.Mode)})
	}
	for _, z := range m.Zones {
		zone := outZone{Name: string(z.Name), Prefix: z.Prefix.String(), Trunk: z.Trunk, VLAN: z.VLAN, Egress: z.Egress, Isolated: z.Isolated, KSM: z.KSM, MTU: z.MTU, DHCP: z.DHCP, DNS: z.DNS, Flows: z.Flows}
		if z.SNAT.IsValid() {
			zone.SNAT = z.SNAT.String()
		}
		if z.Prefix6.IsValid() {
			zone.Prefix6 = z.Prefix6.String()
		}
		out.Zones = append(out.Zones, zone)
	}
	for _, p := range m.Plans {
		out.Plans = append(out.Plans, outPlan{Name: string(p.Name), CPUs: p.CPUs, Memory: p.Memory.String(), Disk: p.Disk.String(), Limits: limitTexts(p.Limits)})
	}
	out.VPN = exportVPN(m.VPN)
	if m.Gateway.Configured() {
		out.Gateway = &outGateway{m.Gateway.Listen.String()}
	}
	for _, t := range m.Tenants {
		out.Tenants = append(out.Tenants, exportTenant(t))
	}
	for vm := range m.Guests() {
		out.VMs = append(out.VMs, exportVM(m, vm))
	}
	for _, f := range m.Forwards {
		out.Forwards = append(out.Forwards, outForward{Listen: f.Outside(), To: f.To()})
	}
	for _, p := range m.Policies {
		out.Policies = append(out.Policies, outPolicy{
			From: string(p.From), To: string(p.To), Services: []string{p.Opening.String()}, Families: []string{string(p.Family)}, Log: p.Log,
		})
	}
	for _, f := range m.Flows {
		one := outFlow{VM: string(f.VM), Match: f.Match.String(), PerConnection: f.Each, Priority: string(f.Urgency)}
		if f.Rate > 0 {
			one.Rate = f.Rate.String()
		}
		if f.Remote.IsValid() {
			one.Remote = f.Remote.String()
		}
		out.Flows = append(out.Flows, one)
	}
	exportUsage(m, &out)
	for _, t := range m.Totals {
		texts := limitTexts(ispctl.Limits{Down: t.Down, Up: t.Up, Guarantee: t.Guarantee})
		out.Totals = append(out.Totals, outTotal{Down: texts["down"], Up: texts["up"], Guarantee: texts["guarantee"]})
		if one := &out.Totals[len(out.Totals)-1]; t.Kind == ispctl.TenantTotal {
			one.Tenant = string(t.Name)
		} else {
			one.Zone = string(t.Name)
		}
	}
	return dump(out)
}

// ExportVM writes one VM down, as a document of its own.
func ExportVM(m *ispctl.Model, vm ispctl.VM) ([]byte, error) {
	return dump(outDocument{Version: Version, VMs: []outVM{exportVM(m, vm)}})
}

func dump(out outDocument) ([]byte, error) {
	text, err := yaml.Dump(out, yaml.WithLineWidth(-1)) // a key is one line
	if err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	return text, nil
}

func exportVM(m *ispctl.Model, vm ispctl.VM) outVM {
	one := outVM{
		Name: string(vm.Name), Template: string(vm.Template), Zone: string(vm.Zone), Plan: string(vm.Plan),
		Tenant: string(vm.Tenant), State: string(vm.Wanted), SSHKeys: append([]string{}, vm.SSHKeys...), Limits: limitTexts(vm.Limits), outParts: exportParts(vm),
	}
	if len(vm.NICs) > 0 {
		one.Address = vm.NICs[0].Addr.String()
		one.Allow, one.Tags = vm.NICs[0].Allow, vm.NICs[0].Tags
		if six := vm.NICs[0].Addr6; six.IsValid() {
			one.Address6 = six.String()
		}
	}
	if m.Admin.Configured() && len(vm.AdminNICs()) == 0 {
		one.Admin = new(bool)
	}
	return one
}
