package rehearse_test

import (
	"net/netip"
	"os/exec"
	"testing"
	"time"

	"ispctl"
	"ispctl/internal/rehearse"
	"ispctl/internal/testkit"
	"ispctl/operations"
)

// TestThrough tries connections with real packets, and wants of them what the
// model says.
func TestThrough(t *testing.T) {
	testkit.Need(t, testkit.Root)
	addr, prefix := netip.MustParseAddr, netip.MustParsePrefix
	open := ispctl.Model{
		Installation: ispctl.Installation{Prefix: "isp", Hypervisor: "test:///default"},
		Uplink:       ispctl.Uplink{Interface: "eth0", Kind: ispctl.Routed, Address: prefix("203.0.113.2/24"), Gateway: addr("203.0.113.1")},
		HostServices: []ispctl.Service{{Port: 22, Proto: ispctl.TCP}},
		Addresses:    []ispctl.Address{{Addr: addr("203.0.113.10")}},
		Zones:        []ispctl.Zone{{ID: 1, Name: "dmz", Prefix: prefix("10.10.0.0/24")}},
		VMs: []ispctl.VM{{ID: 1, UUID: "u1", Name: "web1", Zone: "dmz", Wanted: ispctl.Running, NICs: []ispctl.NIC{
			{Zone: "dmz", MAC: "02:00:00:00:00:01", Tap: "isp-1-0", Addr: addr("10.10.0.2")},
		}}},
	}
	for _, tt := range []struct {
		name, client, server string
		change               func(m *ispctl.Model)
		want                 bool
	}{
		{"as it is", "198.51.100.7:4000", "203.0.113.2:22", func(*ispctl.Model) {}, true},
		{"by an external address", "198.51.100.7:4000", "203.0.113.10:22", func(*ispctl.Model) {}, true},
		{"by IPv6", "[2001:db8::7]:4000", "[2001:db8::2]:22", func(*ispctl.Model) {}, true},
		{"closed by IPv6", "[2001:db8::7]:4000", "[2001:db8::2]:22", func(m *ispctl.Model) { m.HostServices = nil }, false},
		{"another port", "198.51.100.7:4000", "203.0.113.2:2222", func(*ispctl.Model) {}, false},
		{"closed", "198.51.100.7:4000", "203.0.113.2:22", func(m *ispctl.Model) { m.HostServices = nil }, false},
		{"open for UDP only", "198.51.100.7:4000", "203.0.113.2:22", func(m *ispctl.Model) { m.HostServices[0].Proto = ispctl.UDP }, false},
		{"carried to a VM", "198.51.100.7:4000", "203.0.113.10:22", func(m *ispctl.Model) {
			m.Forwards = []ispctl.Forward{{ID: 1, Listen: ispctl.Listen{Addr: addr("203.0.113.10"), Port: 22, Proto: ispctl.TCP}, VM: "web1", Port: 22}}
		}, false},
		{"a zone over the caller", "10.20.0.7:4000", "203.0.113.2:22", func(m *ispctl.Model) {
			m.Zones = append(m.Zones, ispctl.Zone{ID: 2, Name: "mail", Prefix: prefix("10.20.0.0/24")})
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := open
			m.HostServices = append([]ispctl.Service{}, open.HostServices...)
			tt.change(&m)
			c := operations.Connection{Client: netip.MustParseAddrPort(tt.client), Server: netip.MustParseAddrPort(tt.server), Interface: "eth0"}
			links, err := exec.Command("ip", "-o", "link").Output()
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			got, err := rehearse.Through(t.Context(), &m, c.Client, c.Server)
			if err != nil || got != tt.want {
				t.Errorf("through: %t, %v; want %t", got, err, tt.want)
			}
			t.Logf("took %v", time.Since(start).Round(time.Millisecond))
			none := open
			none.Uplink, none.Zones = ispctl.Uplink{}, nil
			if why := operations.Cuts(&none, &m, c); (why == "") != tt.want {
				t.Errorf("packets come through: %t; the model says %q", got, why)
			}
			after, err := exec.Command("ip", "-o", "link").Output()
			if err != nil || len(after) != len(links) {
				t.Errorf("links are left here: %v\n%s", err, after)
			}
		})
	}
}
