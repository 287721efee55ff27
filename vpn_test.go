package ispctl_test

import (
	"encoding/base64"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"ispctl"
	"ispctl/internal/convergetest"
)

func TestParsePublicKey(t *testing.T) {
	good := string(convergetest.PublicKey(7))
	if k, err := ispctl.ParsePublicKey(" " + good + "\n"); err != nil || string(k) != good {
		t.Errorf("%q, %v", k, err)
	}
	weak := make([]byte, 32)
	weak[0] = 1
	high := make([]byte, 32)
	high[31] = 0x80 // a bit that is not looked at
	for _, bad := range []string{
		"", "AAAA", good[:43], good + "=", strings.Replace(good, "A", "\n", 1), good + "\n" + good, "ssh-ed25519 " + good, strings.Repeat("*", 44),
		good[:42] + "B=", // the same bytes in other words
		base64.StdEncoding.EncodeToString(make([]byte, 32)), base64.StdEncoding.EncodeToString(weak), base64.StdEncoding.EncodeToString(high),
		base64.URLEncoding.EncodeToString([]byte(strings.Repeat("\xff", 32))),
	} {
		if k, err := ispctl.ParsePublicKey(bad); ispctl.KindOf(err) != ispctl.Usage {
			t.Errorf("%q is taken for a key: %q, %v", bad, k, err)
		}
	}
}

func TestValidateEndpoint(t *testing.T) {
	for _, good := range []string{"", "203.0.113.2", "2001:db8::1", "vpn.example.net", "1und1.example", "A.example"} {
		if err := ispctl.ValidateEndpoint(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{
		"a b", "x\nPostUp = reboot", "host:51820", "fe80::1%eth0", "0.0.0.0", "224.0.0.1", "-a.example", "a..b", "a.example.", "$(id)", strings.Repeat("a.", 200) + "a",
	} {
		if err := ispctl.ValidateEndpoint(bad); ispctl.KindOf(err) != ispctl.Usage {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// TestValidateVPN changes a valid model in one place each, and is told what is
// wrong there.
func TestValidateVPN(t *testing.T) {
	inst := ispctl.Installation{Prefix: "isp", Hypervisor: "test:///default"}
	for _, tt := range []struct {
		say    string
		change func(*ispctl.Model)
	}{
		{"", func(*ispctl.Model) {}},
		{"listens on no port", func(m *ispctl.Model) { m.VPN.Port = 0 }},
		{"did you mean 10.9.0.0/24", func(m *ispctl.Model) { m.VPN.Prefix = netip.MustParsePrefix("10.9.0.7/24") }},
		{"is not IPv4", func(m *ispctl.Model) { m.VPN.Prefix = netip.MustParsePrefix("fd00::/64") }},
		{"the length must be", func(m *ispctl.Model) { m.VPN.Prefix = netip.MustParsePrefix("10.9.0.0/31") }},
		{"is public", func(m *ispctl.Model) { m.VPN.Prefix = netip.MustParsePrefix("198.51.100.0/24") }},
		{`overlaps 10.10.0.0/24 of zone "dmz"`, func(m *ispctl.Model) { m.VPN.Prefix = netip.MustParsePrefix("10.10.0.0/25") }},
		{"of the admin network", func(m *ispctl.Model) { m.VPN.Prefix = netip.MustParsePrefix("10.255.77.0/24") }},
		{"would take port 51821/udp away", func(m *ispctl.Model) {
			m.Addresses = append(m.Addresses, ispctl.Address{Addr: netip.MustParseAddr("203.0.113.2")})
			m.Forwards = append(m.Forwards, ispctl.Forward{Listen: ispctl.Listen{Addr: netip.MustParseAddr("203.0.113.2"), Port: 51821, Proto: ispctl.UDP}, VM: "web1", Port: 1})
		}},
		{"is neither an address nor a host name", func(m *ispctl.Model) { m.VPN.Endpoint = "a b" }},
		{`is peer "acme"'s already`, func(m *ispctl.Model) { m.VPN.Peers[1].PublicKey = m.VPN.Peers[0].PublicKey }},
		{"is the host's own already", func(m *ispctl.Model) { m.VPN.Peers[0].PublicKey = m.VPN.PublicKey }},
		{`address 10.9.0.3 is peer "acme"'s`, func(m *ispctl.Model) { m.VPN.Peers[1].Addr = netip.MustParseAddr("10.9.0.3") }},
		{"is none that a peer can have", func(m *ispctl.Model) { m.VPN.Peers[0].Addr = netip.MustParseAddr("10.9.0.1") }},
		{"is none that a peer can have", func(m *ispctl.Model) { m.VPN.Peers[0].Addr = netip.MustParseAddr("10.9.0.255") }},
		{"is none that a peer can have", func(m *ispctl.Model) { m.VPN.Peers[0].Addr = netip.MustParseAddr("10.8.0.7") }},
		{"lower-case", func(m *ispctl.Model) { m.VPN.Peers[0].Name = "A'; drop" }},
		{`role "root" is neither`, func(m *ispctl.Model) { m.VPN.Peers[0].Role = "root" }},
		{`tenant "nope" not found (have: acme)`, func(m *ispctl.Model) { m.VPN.Peers[0].Role, m.VPN.Peers[0].Tenant = ispctl.TenantPeer, "nope" }},
		{"say whose", func(m *ispctl.Model) { m.VPN.Peers[0].Role, m.VPN.Peers[0].Tenant = ispctl.TenantPeer, "" }},
		{"is an operator's", func(m *ispctl.Model) { m.VPN.Peers[1].Tenant = "acme" }},
		{"is not 32 bytes in base64", func(m *ispctl.Model) { m.VPN.Peers[0].PublicKey = "x" }},
		{"has 4 peers", func(m *ispctl.Model) { m.VPN.Prefix = netip.Prefix{} }},
	} {
		m := *convergetest.Models(inst, ispctl.Paths{})[2]
		m.VPN.Peers = slices.Clone(m.VPN.Peers)
		tt.change(&m)
		err := m.Validate()
		if tt.say == "" && err != nil || tt.say != "" && (err == nil || !strings.Contains(err.Error(), tt.say)) {
			t.Errorf("want %q, have %v", tt.say, err)
		}
	}
}

func TestPeerIsActive(t *testing.T) {
	for _, tt := range []struct {
		p    ispctl.Peer
		want bool
	}{{ispctl.Peer{}, true}, {ispctl.Peer{Disabled: true}, false}, {ispctl.Peer{Expired: true}, false}} {
		if got := tt.p.Active(); got != tt.want {
			t.Errorf("%+v: %t", tt.p, got)
		}
	}
}
