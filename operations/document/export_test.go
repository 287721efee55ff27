package document_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"ispctl"
	"ispctl/internal/testkit"
	"ispctl/operations/document"
)

func TestExportAsText(t *testing.T) {
	d, err := document.Parse("p.yaml", []byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	m := asModel(d)
	m.VMs[1].NICs = []ispctl.NIC{{Addr: netip.MustParseAddr("10.20.0.2")}}
	m.VMs[0].Wanted, m.VMs[1].Wanted, m.VMs[2].Wanted = ispctl.Stopped, ispctl.Running, ispctl.Absent
	m.VMs[0].SSHKeys = []string{key + " it's me: #1"}
	text, err := document.Export(m)
	if err != nil {
		t.Fatal(err)
	}
	testkit.Golden(t, "export.yaml", string(text))
}

// TestExportIsRead holds every model to come out of its text as it went in.
func TestExportIsRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawModel(t)
		text, err := document.Export(m)
		if err != nil {
			t.Fatal(err)
		}
		d, err := document.Parse("p.yaml", text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if diff := cmp.Diff(m, asModel(d), comparable); diff != "" {
			t.Fatalf("(-want +got):\n%s\n%s", diff, text)
		}
	})
}

// asModel is what a document says, without what it cannot: ids and choices.
func asModel(d *document.Document) *ispctl.Model {
	m := &ispctl.Model{}
	if d.Uplink != nil {
		m.Uplink = *d.Uplink
		if d.Delivers != nil {
			m.Delivers = *d.Delivers
		}
	}
	if d.HostServices != nil && len(*d.HostServices) > 0 {
		m.HostServices = *d.HostServices
	}
	if d.HostSources != nil {
		m.HostSources = *d.HostSources
	}
	if a := d.Admin; a != nil {
		m.Admin.Prefix = *a.Prefix
		if a.Links != nil {
			m.Admin.Links = *a.Links
		}
		if a.Services != nil {
			m.Admin.Services = *a.Services
		}
	}
	for _, a := range d.Addresses {
		m.Addresses = append(m.Addresses, a.Address)
	}
	for _, z := range d.Zones {
		m.Zones = append(m.Zones, z.Zone)
	}
	for _, p := range d.Plans {
		m.Plans = append(m.Plans, p.Plan)
	}
	if d.Gateway != nil {
		m.Gateway = *d.Gateway
	}
	if v := d.VPN; v != nil {
		m.VPN = ispctl.VPN{Port: v.Port, Prefix: v.Prefix, Endpoint: v.Endpoint}
		if v.Services != nil && len(*v.Services) > 0 {
			m.VPN.Services = *v.Services
		}
		for _, p := range v.Peers {
			m.VPN.Peers = append(m.VPN.Peers, p.Peer)
		}
	}
	for _, t := range d.Tenants {
		m.Tenants = append(m.Tenants, t.Tenant)
	}
	for _, vm := range d.VMs {
		one := ispctl.VM{Name: vm.Name, Template: ispctl.Name(vm.Template), Zone: ispctl.Name(vm.Zone), Plan: ispctl.Name(vm.Plan), Wanted: vm.State}
		if vm.SSHKeys != nil && len(*vm.SSHKeys) > 0 {
			one.SSHKeys = *vm.SSHKeys
		}
		if vm.Tenant != nil {
			one.Tenant = *vm.Tenant
		}
		partsOf(vm, &one)
		if vm.Address.IsValid() {
			one.NICs = []ispctl.NIC{{Addr: vm.Address}}
			if vm.Allow != nil {
				one.NICs[0].Allow = *vm.Allow
			}
			if vm.Tags != nil {
				one.NICs[0].Tags = *vm.Tags
			}
		}
		for _, nic := range vm.NICs {
			next := ispctl.NIC{Zone: nic.Zone, Addr: nic.Address, Addr6: nic.Address6}
			if nic.Tags != nil {
				next.Tags, next.Allow = *nic.Tags, *nic.Allow
			}
			one.NICs = append(one.NICs, next)
		}
		if d.Admin != nil && vm.Admin == nil {
			one.NICs = append(one.NICs, ispctl.NIC{Role: ispctl.AdminNIC})
		}
		m.VMs = append(m.VMs, one)
	}
	for _, f := range d.Forwards {
		m.Forwards = append(m.Forwards, f.Forward)
	}
	for _, p := range d.Policies {
		m.Policies = append(m.Policies, p.Policy)
	}
	if d.Metering != nil {
		if d.Metering.TimeZone != nil {
			m.Metering.TimeZone = *d.Metering.TimeZone
		}
		if d.Metering.KeepDays != nil {
			m.Metering.KeepDays = *d.Metering.KeepDays
		}
		if d.Metering.FlowDays != nil {
			m.Metering.FlowDays = *d.Metering.FlowDays
		}
	}
	for _, q := range d.Quotas {
		m.Quotas = append(m.Quotas, q.Quota)
	}
	for _, one := range d.Tariffs {
		m.Tariffs = append(m.Tariffs, one.Tariff)
	}
	return m
}

// Words that YAML takes for something else, and any others.
var names = rapid.OneOf(
	rapid.SampledFrom([]string{"null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf", "e1", "a"}),
	rapid.StringMatching(`[a-z]([a-z0-9-]{0,20}[a-z0-9])?`),
)

func drawAddr(t *rapid.T, what string) netip.Addr {
	return netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, what)))
}

func drawModel(t *rapid.T) *ispctl.Model {
	m := &ispctl.Model{}
	if rapid.Bool().Draw(t, "uplink") {
		m.Uplink = ispctl.Uplink{Interface: rapid.StringMatching(`[a-z0-9.~!#&%@-]{3,15}`).Draw(t, "interface"), Kind: ispctl.Routed}
		if rapid.Bool().Draw(t, "with address") {
			m.Uplink.Address = netip.PrefixFrom(drawAddr(t, "uplink address"), rapid.IntRange(0, 32).Draw(t, "bits"))
		}
		if gw := drawAddr(t, "gateway"); gw != m.Uplink.Address.Addr() && rapid.Bool().Draw(t, "with gateway") {
			m.Uplink.Gateway = gw
		}
	}
	if m.Uplink.Configured() && rapid.Bool().Draw(t, "failover") {
		m.Uplink.Kind, m.Uplink.OnMove, m.Uplink.Rest = ispctl.Failover, "/opt/move --to yes", 36*time.Hour
		m.Delivers = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8::/48")}
	}
	port := rapid.Uint16Range(1, 65535)
	proto := rapid.SampledFrom([]ispctl.Protocol{ispctl.TCP, ispctl.UDP})
	for range rapid.IntRange(0, 3).Draw(t, "services") {
		m.HostServices = append(m.HostServices, ispctl.Service{Port: port.Draw(t, "port"), Proto: proto.Draw(t, "proto")})
	}
	if rapid.Bool().Draw(t, "sources") {
		m.HostSources = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")}
	}
	if rapid.Bool().Draw(t, "admin") {
		m.Admin.Prefix = netip.MustParsePrefix("10.255.0.0/16")
		for range rapid.IntRange(0, 2).Draw(t, "links") {
			m.Admin.Links = append(m.Admin.Links, rapid.StringMatching(`[a-z0-9.~!#&%@-]{3,15}`).Draw(t, "link"))
		}
		for range rapid.IntRange(0, 2).Draw(t, "admin services") {
			m.Admin.Services = append(m.Admin.Services, ispctl.Service{Port: port.Draw(t, "admin port"), Proto: proto.Draw(t, "admin proto")})
		}
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "addresses") {
		m.Addresses = append(m.Addresses, ispctl.Address{
			Addr: netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}), MAC: rapid.SampledFrom([]string{"", "00:50:56:00:12:34"}).Draw(t, "mac"),
		})
		if a := &m.Addresses[i]; rapid.Bool().Draw(t, "to itself") {
			a.VM, a.Mode = ispctl.Name(names.Draw(t, "vm")), rapid.SampledFrom(ispctl.VMModes).Draw(t, "mode")
		}
	}
	for i, name := range rapid.SliceOfNDistinct(names, 0, 4, rapid.ID).Draw(t, "zones") {
		z := ispctl.Zone{
			Name: ispctl.Name(name), Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i), 0, 0}), rapid.IntRange(16, 30).Draw(t, "bits")),
			VLAN: rapid.IntRange(0, 4094).Draw(t, "vlan"), Egress: rapid.Bool().Draw(t, "egress"),
			Isolated: rapid.Bool().Draw(t, "isolated"), MTU: rapid.SampledFrom([]int{0, 576, 1500, 9000}).Draw(t, "mtu"),
			DHCP: rapid.Bool().Draw(t, "dhcp"), DNS: rapid.Bool().Draw(t, "dns"), Flows: rapid.Bool().Draw(t, "flows"),
		}
		if rapid.Bool().Draw(t, "on a trunk") {
			z.Trunk = "eth1"
		}
		if z.Egress && len(m.Addresses) > 0 && rapid.Bool().Draw(t, "snat") {
			z.SNAT = m.Addresses[0].Addr
		}
		m.Zones = append(m.Zones, z)
	}
	for _, name := range rapid.SliceOfNDistinct(names, 0, 3, rapid.ID).Draw(t, "plans") {
		m.Plans = append(m.Plans, ispctl.Plan{
			Name: ispctl.Name(name), CPUs: rapid.IntRange(1, ispctl.MaxCPUs).Draw(t, "cpus"),
			Memory: ispctl.Size(rapid.Int64Range(int64(ispctl.MinMemory/ispctl.MiB), 1<<20).Draw(t, "memory")) * ispctl.MiB,
			Disk:   ispctl.Size(rapid.Int64Range(int64(ispctl.MinDisk/ispctl.MiB), 1<<30).Draw(t, "disk")) * ispctl.MiB,
		})
	}
	tenants := rapid.SliceOfNDistinct(names, 0, 3, rapid.ID).Draw(t, "tenants")
	if rapid.Bool().Draw(t, "gateway") {
		m.Gateway.Listen = netip.MustParseAddrPort(rapid.SampledFrom([]string{"10.99.0.1:2222", "[fd00::1]:1", "198.51.100.7:65535"}).Draw(t, "listen"))
	}
	if rapid.Bool().Draw(t, "vpn") {
		m.VPN = drawVPN(t, tenants)
	}
	for i, name := range tenants {
		m.Tenants = append(m.Tenants, drawTenant(t, name, i))
	}
	for _, name := range rapid.SliceOfNDistinct(names, 0, 4, rapid.ID).Draw(t, "vms") {
		vm := ispctl.VM{
			Name: ispctl.Name(name), Template: ispctl.Name(names.Draw(t, "template")), Zone: ispctl.Name(names.Draw(t, "zone")), Plan: ispctl.Name(names.Draw(t, "plan")),
			Wanted: rapid.SampledFrom([]ispctl.Wanted{ispctl.Running, ispctl.Stopped}).Draw(t, "wanted"),
		}
		for range rapid.IntRange(0, 2).Draw(t, "keys") {
			read, err := ispctl.ParseSSHKey(key + " " + rapid.String().Filter(oneLine).Draw(t, "comment"))
			if err != nil {
				t.Fatal(err)
			}
			vm.SSHKeys = append(vm.SSHKeys, read)
		}
		if len(tenants) > 0 && rapid.Bool().Draw(t, "of a tenant") {
			vm.Tenant = m.Tenants[0].Name
		}
		if rapid.Bool().Draw(t, "with address") {
			vm.NICs = []ispctl.NIC{{Addr: drawAddr(t, "address")}}
			if rapid.Bool().Draw(t, "with tags and allowances") {
				vm.NICs[0].Tags, vm.NICs[0].Allow = []int{2, 4093}, ispctl.Allowances()
			}
			drawParts(t, &vm)
			if m.Admin.Configured() && rapid.Bool().Draw(t, "on a leg") {
				vm.NICs = append(vm.NICs, ispctl.NIC{Role: ispctl.AdminNIC})
			}
		}
		m.VMs = append(m.VMs, vm)
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "forwards") {
		m.Forwards = append(m.Forwards, ispctl.Forward{
			Listen: ispctl.Listen{Addr: drawAddr(t, "listen"), Port: uint16(i + 1), Proto: proto.Draw(t, "proto")},
			VM:     ispctl.Name(names.Draw(t, "vm")), Port: port.Draw(t, "to"),
		})
	}
	for i, from := range m.Zones {
		for j, to := range m.Zones {
			if i != j && rapid.Bool().Draw(t, "policy") {
				m.Policies = append(m.Policies, ispctl.Policy{
					From: ispctl.End(from.Name), To: ispctl.End(to.Name), Log: rapid.Bool().Draw(t, "log"),
					Opening: rapid.SampledFrom([]ispctl.Opening{{Transport: ispctl.AnyTransport}, {Transport: ispctl.ICMP}, {Transport: ispctl.TransportTCP, Port: 443}, {Transport: ispctl.TransportUDP, Port: 65535}}).Draw(t, "opening"),
					Family:  rapid.SampledFrom([]ispctl.Family{ispctl.IPv4, ispctl.IPv6}).Draw(t, "family"),
				})
			}
		}
	}
	drawUsage(t, m)
	return m
}

// drawUsage draws quotas of the VMs and plans there are, and tariffs.
func drawUsage(t *rapid.T, m *ispctl.Model) {
	m.Metering.TimeZone = rapid.SampledFrom([]string{"", "UTC", "Europe/Berlin"}).Draw(t, "time zone")
	m.Metering.KeepDays = rapid.SampledFrom([]int{0, 62, 400}).Draw(t, "keep days")
	m.Metering.FlowDays = rapid.SampledFrom([]int{0, 1, 365}).Draw(t, "flow days")
	size := rapid.Int64Range(1, 1<<45)
	rate := rapid.Int64Range(int64(ispctl.MinRate), int64(ispctl.MaxRate))
	direction := rapid.SampledFrom(ispctl.Directions())
	quota := func(vm, plan ispctl.Name) {
		q := ispctl.Quota{
			VM: vm, Plan: plan, Volume: ispctl.Size(size.Draw(t, "volume")), Direction: direction.Draw(t, "direction"),
			Day: rapid.IntRange(1, 31).Draw(t, "day"), Action: rapid.SampledFrom(ispctl.Actions()).Draw(t, "action"),
		}
		if q.Action == ispctl.ActionThrottle {
			q.Rate = ispctl.Rate(rate.Draw(t, "rate"))
		}
		m.Quotas = append(m.Quotas, q)
	}
	for _, vm := range m.VMs {
		if rapid.Bool().Draw(t, "vm quota") {
			quota(vm.Name, "")
		}
	}
	for _, p := range m.Plans {
		if rapid.Bool().Draw(t, "plan quota") {
			quota("", p.Name)
		}
		if !rapid.Bool().Draw(t, "tariff") {
			continue
		}
		one := ispctl.Tariff{Plan: p.Name, Currency: "EUR", Volume: direction.Draw(t, "by volume"), PerGB: ispctl.Price(rapid.Int64Range(0, 1<<40).Draw(t, "per GB"))}
		one.Included = ispctl.Size(rapid.Int64Range(0, 1<<45).Draw(t, "included"))
		if rapid.Bool().Draw(t, "percentile") {
			one.Percentile, one.Committed, one.PerMbit = direction.Draw(t, "by percentile"), ispctl.Rate(rate.Draw(t, "committed")), ispctl.Price(rapid.Int64Range(0, 1<<40).Draw(t, "per Mbit"))
		}
		m.Tariffs = append(m.Tariffs, one)
	}
}

func drawTenant(t *rapid.T, name string, i int) ispctl.Tenant {
	text := rapid.StringOfN(rapid.RuneFrom(nil, unicode.Letter, unicode.Digit, unicode.Punct, unicode.Symbol), 0, 40, 200)
	one := ispctl.Tenant{
		Name: ispctl.Name(name), Title: text.Draw(t, "title"), Contact: text.Draw(t, "contact"), Suspended: rapid.Bool().Draw(t, "suspended"),
		Share: ispctl.Share{
			VMs: rapid.Int64Range(0, 100).Draw(t, "vms at most"), CPUs: rapid.Int64Range(0, 100).Draw(t, "cpus at most"),
			Memory: ispctl.Size(rapid.Int64Range(0, 1<<40).Draw(t, "memory at most")), Bandwidth: ispctl.Rate(rapid.Int64Range(0, 1<<40).Draw(t, "bandwidth at most")),
		},
	}
	if i == 0 && rapid.Bool().Draw(t, "with a key") {
		one.Keys = []string{key}
	}
	return one
}

// oneLine is what can be a key's comment at all.
func oneLine(s string) bool {
	_, err := ispctl.ParseSSHKey(fmt.Sprintf("%s %s", key, s))
	return err == nil
}
