package ispctl_test

import (
	"net/netip"
	"testing"

	"ispctl"
)

func TestParseGatewayListen(t *testing.T) {
	for text, want := range map[string]string{"10.99.0.1:2222": "10.99.0.1:2222", "[2001:db8::1]:22": "[2001:db8::1]:22", "[::ffff:10.0.0.1]:22": "10.0.0.1:22"} {
		if got, err := ispctl.ParseGatewayListen(text); err != nil || got.String() != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"": "is not ADDRESS:PORT", "10.0.0.1": "is not ADDRESS:PORT", "host:22": "is not ADDRESS:PORT", "10.0.0.1:99999": "is not ADDRESS:PORT", "[fe80::1%eth0]:22": "is not ADDRESS:PORT",
		"10.0.0.1:0": "has no port", "0.0.0.0:22": "every address of the host", "[::]:22": "every address of the host", "224.0.0.1:22": "no address that a tenant can be told", "[fe80::1]:22": "no address that a tenant can be told",
	} {
		_, err := ispctl.ParseGatewayListen(text)
		refused(t, err, ispctl.Usage, want)
	}
}

func TestGatewayAmongOthers(t *testing.T) {
	at := func(text string) *ispctl.Model {
		m := shared()
		m.Uplink.Address = netip.MustParsePrefix("203.0.113.2/24")
		m.HostServices = []ispctl.Service{{Port: 22, Proto: ispctl.TCP}}
		m.Addresses = append(m.Addresses, ispctl.Address{Addr: netip.MustParseAddr("203.0.113.10")})
		m.Forwards = []ispctl.Forward{{Listen: ispctl.Listen{Addr: netip.MustParseAddr("203.0.113.10"), Port: 2222, Proto: ispctl.TCP}, VM: "a", Port: 22}}
		m.Gateway.Listen = netip.MustParseAddrPort(text)
		return m
	}
	for _, fine := range []string{"203.0.113.2:2222", "10.99.0.1:22", "203.0.113.10:2223"} {
		if err := at(fine).Validate(); err != nil {
			t.Errorf("%s: %v", fine, err)
		}
	}
	for text, want := range map[string]string{
		"10.10.0.1:2222": `of zone "dmz", among guests`, "203.0.113.9:2222": `is vm "a"'s address`, "203.0.113.10:2222": "is carried to a:22 by a forward", "203.0.113.2:22": "port 22 is a service of the host itself",
	} {
		refused(t, at(text).Validate(), ispctl.Conflict, want)
	}
}
