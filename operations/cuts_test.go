package operations_test

import (
	"net/netip"
	"testing"

	"ispctl"
	"ispctl/operations"
)

func connection(client, server string) operations.Connection {
	return operations.Connection{Client: netip.MustParseAddrPort(client), Server: netip.MustParseAddrPort(server)}
}

func TestParseConnection(t *testing.T) {
	for said, want := range map[string]string{
		"198.51.100.7 51000 203.0.113.2 22":                "198.51.100.7:51000 -> 203.0.113.2:22",
		"2001:db8::7 51000 2001:db8::2 2222":               "[2001:db8::7]:51000 -> [2001:db8::2]:2222",
		"::ffff:198.51.100.7 51000 ::ffff:203.0.113.2 22":  "198.51.100.7:51000 -> 203.0.113.2:22",
		"fe80::1%eth0 51000 fe80::2%eth0 22":               "[fe80::1]:51000 -> [fe80::2]:22",
		"":                                                 "",
		"198.51.100.7 51000 203.0.113.2":                   "",
		"198.51.100.7 51000 203.0.113.2 65536":             "",
		"198.51.100.7 51000 host 22":                       "",
		"198.51.100.7 51000 203.0.113.2 22; rm -rf / # 22": "",
	} {
		c, err := operations.ParseConnection(said)
		if got := c.String(); (err == nil) != (want != "") || err == nil && got != want {
			t.Errorf("%q: %s, %v", said, got, err)
		}
	}
}

// TestCuts asks, for changes to a host that answers 22/tcp, who is cut off.
func TestCuts(t *testing.T) {
	base := ispctl.Model{
		Uplink:       ispctl.Uplink{Interface: "up0", Kind: ispctl.Routed, Address: netip.MustParsePrefix("203.0.113.2/24"), Gateway: addr("203.0.113.1")},
		HostServices: []ispctl.Service{{Port: 22, Proto: ispctl.TCP}},
		Addresses:    []ispctl.Address{{Addr: addr("203.0.113.10")}},
		Zones:        []ispctl.Zone{dmz},
		Policies:     []ispctl.Policy{{From: "dmz", To: ispctl.Host, Opening: ispctl.Opening{Transport: ispctl.TransportTCP, Port: 22}, Family: ispctl.IPv4}},
	}
	bare := ispctl.Model{}
	const client = "198.51.100.7:4000"
	onUplink := connection(client, "[2001:db8::2]:22")
	onUplink.Interface = "up0"
	elsewhere := connection(client, "192.168.1.5:2222")
	elsewhere.Interface = "mgmt0"
	for _, tt := range []struct {
		name   string
		before ispctl.Model
		by     operations.Connection
		change func(m *ispctl.Model)
		want   string
	}{
		{"not by SSH", base, operations.Connection{}, func(m *ispctl.Model) { m.HostServices = nil }, ""},
		{"nothing to do with it", base, connection(client, "203.0.113.2:22"), func(m *ispctl.Model) { m.Zones = nil }, ""},
		{"service closed", base, connection(client, "203.0.113.2:22"), func(m *ispctl.Model) { m.HostServices = []ispctl.Service{{Port: 22, Proto: ispctl.UDP}} }, "22/tcp would not be among the host services [22/udp] of uplink up0"},
		{"source closed", base, connection(client, "203.0.113.2:22"), func(m *ispctl.Model) {
			m.HostSources = []netip.Prefix{netip.MustParsePrefix("192.0.2.99/32")}
		}, "your address 198.51.100.7 would not be among the host sources [192.0.2.99/32]"},
		{"service closed, by an external address", base, connection(client, "203.0.113.10:22"), func(m *ispctl.Model) { m.HostServices = nil }, "22/tcp would not be among the host services [] of uplink up0"},
		{"service closed, by an address that is only the interface's", base, onUplink, func(m *ispctl.Model) { m.HostServices = nil }, "22/tcp would not be among the host services [] of uplink up0"},
		{"service closed, by another interface", base, elsewhere, func(m *ispctl.Model) { m.HostServices = nil }, ""},
		{"another service closed", base, connection(client, "203.0.113.2:22"), func(m *ispctl.Model) {
			m.HostServices = append(m.HostServices, ispctl.Service{Port: 53, Proto: ispctl.UDP})
		}, ""},
		{"closed before", base, connection(client, "203.0.113.2:2222"), func(m *ispctl.Model) { m.HostServices = nil }, ""},
		{"first init, SSH on another port", bare, connection(client, "203.0.113.2:2222"), func(m *ispctl.Model) { *m = base }, "2222/tcp would not be among the host services [22/tcp] of uplink up0"},
		{"first init", bare, connection(client, "203.0.113.2:22"), func(m *ispctl.Model) { *m = base }, ""},
		{"address given up", base, connection(client, "203.0.113.10:22"), func(m *ispctl.Model) { m.Addresses = nil }, "address 203.0.113.10 would be ours no more"},
		{"uplink's address changed", base, connection(client, "203.0.113.2:22"), func(m *ispctl.Model) { m.Uplink.Address = netip.MustParsePrefix("203.0.113.3/24") }, "address 203.0.113.2 would be ours no more"},
		{"port carried to a VM", base, connection(client, "203.0.113.10:22"), func(m *ispctl.Model) { m.Forwards = []ispctl.Forward{forward(t, "203.0.113.10:22", "web1:22")} }, "203.0.113.10:22/tcp would be carried to web1:22"},
		{"port of another protocol carried to a VM", base, connection(client, "203.0.113.10:22"), func(m *ispctl.Model) { m.Forwards = []ispctl.Forward{forward(t, "203.0.113.10:22/udp", "web1:22")} }, ""},
		{"zone over the caller", base, connection("10.20.0.9:4000", "203.0.113.2:22"), func(m *ispctl.Model) { m.Zones = append(m.Zones, mail) }, `your address 10.20.0.9 would lie in zone "mail", and answers would go there`},
		{"zone over the caller, by another interface", base, connection("10.20.0.9:4000", "192.168.1.5:22"), func(m *ispctl.Model) { m.Zones = append(m.Zones, mail) }, `your address 10.20.0.9 would lie in zone "mail", and answers would go there`},
		{"the caller's zone goes", base, connection("10.10.0.9:4000", "10.10.0.1:22"), func(m *ispctl.Model) { m.Zones = nil }, `it comes from zone "dmz", which would be gone`},
		{"the caller's policy goes", base, connection("10.10.0.9:4000", "10.10.0.1:22"), func(m *ispctl.Model) { m.Policies = nil }, `no policy would let zone "dmz" reach the host by tcp/22`},
		{"the caller's policy stays", base, connection("10.10.0.9:4000", "10.10.0.1:22"), func(m *ispctl.Model) { m.HostServices = nil }, ""},
		{"the caller's zone never could", base, connection("10.10.0.9:4000", "10.10.0.1:2222"), func(m *ispctl.Model) { m.Policies = nil }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			after := tt.before
			tt.change(&after)
			if got := operations.Cuts(&tt.before, &after, tt.by); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
