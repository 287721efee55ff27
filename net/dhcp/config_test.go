package dhcp_test

import (
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ispctl"
	"ispctl/internal/convergetest"
	"ispctl/internal/testkit"
	"ispctl/net/dhcp"
)

// TestConfigurations are as they were, and dnsmasq takes them.
func TestConfigurations(t *testing.T) {
	testkit.Need(t, dnsmasq)
	for name, z := range map[string]ispctl.Zone{
		"dhcp-dns-egress": {Name: "dmz", Prefix: netip.MustParsePrefix("10.10.0.0/24"), Egress: true, DHCP: true, DNS: true},
		"dhcp-dns-closed": {Name: "dmz", Prefix: netip.MustParsePrefix("10.10.0.0/24"), DHCP: true, DNS: true},
		"dhcp":            {Name: "lab", Prefix: netip.MustParsePrefix("10.0.0.0/8"), MTU: 9000, DHCP: true},
		"dhcp-dns-ipv6":   {Name: "six", Prefix: netip.MustParsePrefix("10.10.0.0/24"), Prefix6: netip.MustParsePrefix("2001:db8:10::/80"), DHCP: true, DNS: true},
		"dns":             {Name: "a-b", Prefix: netip.MustParsePrefix("192.0.2.4/30"), DNS: true},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := dhcp.Desired(&ispctl.Model{Installation: inst, Zones: []ispctl.Zone{z}})
			if err != nil || len(s) != 1 {
				t.Fatal(s, err)
			}
			testkit.Golden(t, name+".conf", s[z.Name].Config)
			if said, ok := takes(t, s[z.Name].Config); !ok {
				t.Error(said)
			}
		})
	}
	if said, ok := takes(t, "dhcp-range=nonsense\n"); ok {
		t.Errorf("dnsmasq takes everything: %s", said)
	}
}

// takes asks dnsmasq about a configuration.
func takes(t testing.TB, config string) (said string, ok bool) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "conf")
	if err := os.WriteFile(path, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("dnsmasq", "--test", "--conf-file="+path).CombinedOutput()
	return string(out), err == nil
}

func TestZonesWithoutServer(t *testing.T) {
	m := convergetest.Models(inst, ispctl.Paths{})[2]
	m.Zones = []ispctl.Zone{{Name: "dmz", Prefix: netip.MustParsePrefix("10.10.0.0/24")}}
	if s, err := dhcp.Desired(m); err != nil || len(s) != 0 {
		t.Errorf("%v, %v", s, err)
	}
}

func TestDesiredRefuses(t *testing.T) {
	for name, harm := range map[string]func(*ispctl.Model){
		"a line in a zone's name":  func(m *ispctl.Model) { m.Zones[0].Name = "dmz\nserver=192.0.2.1" },
		"a path":                   func(m *ispctl.Model) { m.Zones[0].Name = "../../etc" },
		"a prefix with host bits":  func(m *ispctl.Model) { m.Zones[0].Prefix = netip.MustParsePrefix("10.10.0.7/24") },
		"no prefix":                func(m *ispctl.Model) { m.Zones[0].Prefix = netip.Prefix{} },
		"a line in a VM's name":    func(m *ispctl.Model) { m.VMs[1].Name = "web1\n10.10.0.1" },
		"a name of two labels":     func(m *ispctl.Model) { m.VMs[1].Name = "web1.mail" },
		"no MAC":                   func(m *ispctl.Model) { m.VMs[1].NICs[0].MAC = "" },
		"a tag in a MAC":           func(m *ispctl.Model) { m.VMs[1].NICs[0].MAC = "02:00:00:00:00:01,set:x" },
		"a MAC of any host":        func(m *ispctl.Model) { m.VMs[1].NICs[0].MAC = "02:00:00:00:00:*" },
		"a MAC of eight bytes":     func(m *ispctl.Model) { m.VMs[1].NICs[0].MAC = "02:00:00:00:00:00:00:01" },
		"an address of elsewhere":  func(m *ispctl.Model) { m.VMs[1].NICs[0].Addr = addr("10.20.0.2") },
		"no address":               func(m *ispctl.Model) { m.VMs[1].NICs[0].Addr = netip.Addr{} },
		"an IPv6 one of elsewhere": func(m *ispctl.Model) { m.VMs[1].NICs[0].Addr6 = addr("2001:db8:77::2") },
		"an address with a scope":  func(m *ispctl.Model) { m.VMs[1].NICs[0].Addr = addr("fe80::1%a,b") },
		"a prefix of no label":     func(m *ispctl.Model) { m.Installation.Prefix = "a,b" },
	} {
		t.Run(name, func(t *testing.T) {
			m := models(ispctl.Paths{})[guests]
			if m.VMs[1].Name != "web1" || m.Zones[0].Name != "dmz" {
				t.Fatal(m.VMs, m.Zones)
			}
			harm(m)
			for i := range m.VMs {
				if i == 1 && m.VMs[i].NICs[0].Zone == "dmz" {
					m.VMs[i].NICs[0].Zone = m.Zones[0].Name
				}
			}
			if s, err := dhcp.Desired(m); ispctl.KindOf(err) != ispctl.Usage {
				t.Errorf("want a refusal, have %v, %v", s, err)
			}
		})
	}
}

// FuzzConfiguration: what is not refused, dnsmasq takes, and what it takes has
// as many lines as it should, each with as many fields.
func FuzzConfiguration(f *testing.F) {
	testkit.Need(f, dnsmasq)
	f.Add("isp", "dmz", "web1", "02:00:00:00:00:01", uint32(0x0a0a0000), uint8(24), uint32(2), 1400, true, true)
	f.Add("isp", "dmz\nserver=1.2.3.4", "web1 #", "02-00-00-00-00-01", uint32(0xc0000204), uint8(30), uint32(1), 0, true, false)
	f.Add("a\"b", "a\\nb", "-", "0200.0000.0001", uint32(0), uint8(8), uint32(1), -1, false, true)
	f.Fuzz(func(t *testing.T, prefix, zone, vm, mac string, network uint32, bits uint8, host uint32, mtu int, egress, withDNS bool) {
		at := netip.PrefixFrom(ipv4(network), int(bits%33)).Masked()
		z := ispctl.Zone{Name: ispctl.Name(zone), Prefix: at, MTU: mtu, Egress: egress, DHCP: true, DNS: withDNS}
		s, err := dhcp.Desired(&ispctl.Model{
			Installation: ispctl.Installation{Prefix: prefix, Hypervisor: "test:///default"}, Zones: []ispctl.Zone{z},
			VMs: []ispctl.VM{{Name: ispctl.Name(vm), NICs: []ispctl.NIC{{Zone: z.Name, MAC: mac, Addr: ipv4(network | host)}}}},
		})
		if err != nil {
			if ispctl.KindOf(err) != ispctl.Usage {
				t.Errorf("kind %d: %v", ispctl.KindOf(err), err)
			}
			return
		}
		server := s[z.Name]
		names, macs := server.HostFiles()
		// The lines of the host files have no program to test them but as
		// options; hosts(5) is an address, blanks and a name.
		if said, ok := takes(t, server.Config+"dhcp-host="+macs); !ok {
			t.Errorf("%s\n%s", said, server.Config)
		}
		want := configLines(withDNS, egress)
		for _, one := range []struct {
			text                  string
			lines, commas, blanks int
		}{{names, 1, 0, 1}, {macs, 1, 1, 0}, {server.Config, want, -1, -1}} {
			if strings.Count(one.text, "\n") != one.lines ||
				one.commas >= 0 && strings.Count(one.text, ",") != one.commas || one.blanks >= 0 && strings.Count(one.text, " ") != one.blanks {
				t.Errorf("want %+v", one)
			}
		}
	})
}

func ipv4(n uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
}

// configLines is how many lines a configuration with DHCP has.
func configLines(withDNS, egress bool) int {
	switch {
	case !withDNS:
		return 21
	case egress:
		return 25
	}
	return 26
}
