package zones_test

import (
	"net/netip"
	"testing"

	"ispctl"
	"ispctl/zones"
)

func TestDecide(t *testing.T) {
	tcp := func(port uint16) ispctl.Opening { return ispctl.Opening{Transport: ispctl.TransportTCP, Port: port} }
	udp := func(port uint16) ispctl.Opening { return ispctl.Opening{Transport: ispctl.TransportUDP, Port: port} }
	icmp, anything := ispctl.Opening{Transport: ispctl.ICMP}, ispctl.Opening{Transport: ispctl.AnyTransport}
	m := &ispctl.Model{
		Zones: []ispctl.Zone{
			{Name: "dmz", Prefix: netip.MustParsePrefix("10.10.0.0/24"), Egress: true},
			{Name: "lab", Prefix: netip.MustParsePrefix("10.30.0.0/24"), DHCP: true},
			{Name: "mail", Prefix: netip.MustParsePrefix("10.20.0.0/24"), DNS: true},
		},
		HostServices: []ispctl.Service{{Port: 22, Proto: ispctl.TCP}},
		Policies: []ispctl.Policy{
			{From: "dmz", To: "mail", Opening: tcp(25), Family: ispctl.IPv4},
			{From: "lab", To: "mail", Opening: anything, Family: ispctl.IPv6},
			{From: "mail", To: "internet", Opening: tcp(25), Family: ispctl.IPv4},
			{From: "mail", To: "host", Opening: icmp, Family: ispctl.IPv4},
			{From: "internet", To: "mail", Opening: tcp(25), Family: ispctl.IPv6},
		},
	}
	const closed = "closed: no policy lets it through"
	for _, tt := range []struct {
		from, to ispctl.End
		opening  ispctl.Opening
		family   ispctl.Family
		allowed  bool
		rule     string
	}{
		{"dmz", "mail", tcp(25), ispctl.IPv4, true, "policy dmz -> mail tcp/25 ipv4"},
		{"dmz", "mail", tcp(26), ispctl.IPv4, false, closed},
		{"dmz", "mail", ispctl.Opening{Transport: ispctl.TransportUDP, Port: 25}, ispctl.IPv4, false, closed},
		{"dmz", "mail", tcp(25), ispctl.IPv6, false, closed},  // a policy for one family says nothing of the other
		{"mail", "dmz", tcp(25), ispctl.IPv4, false, closed},  // nor of the way back
		{"dmz", "mail", anything, ispctl.IPv4, false, closed}, // a part is not all
		{"lab", "mail", tcp(9999), ispctl.IPv6, true, "policy lab -> mail any ipv6"},
		{"lab", "mail", icmp, ispctl.IPv6, true, "policy lab -> mail any ipv6"},
		{"lab", "dmz", icmp, ispctl.IPv6, false, closed},
		{"dmz", "internet", tcp(443), ispctl.IPv4, true, "zone dmz has egress"},
		{"dmz", "internet", tcp(443), ispctl.IPv6, false, closed},
		{"lab", "internet", tcp(443), ispctl.IPv4, false, closed},
		{"mail", "internet", tcp(25), ispctl.IPv4, true, "policy mail -> internet tcp/25 ipv4"},
		{"mail", "internet", tcp(443), ispctl.IPv4, false, closed},
		{"mail", "host", icmp, ispctl.IPv4, true, "policy mail -> host icmp ipv4"},
		{"mail", "host", tcp(22), ispctl.IPv4, false, closed}, // a host service is the uplink's
		{"mail", "host", tcp(53), ispctl.IPv4, true, "zone mail has DNS"},
		{"mail", "host", udp(53), ispctl.IPv4, true, "zone mail has DNS"},
		{"mail", "host", udp(53), ispctl.IPv6, false, closed},
		{"mail", "host", udp(67), ispctl.IPv4, false, closed},
		{"mail", "host", anything, ispctl.IPv4, false, closed},
		{"mail", "lab", udp(53), ispctl.IPv4, false, closed},
		{"lab", "host", udp(67), ispctl.IPv4, true, "zone lab has DHCP"},
		{"lab", "host", tcp(67), ispctl.IPv4, false, closed},
		{"lab", "host", udp(53), ispctl.IPv4, false, closed},
		{"internet", "host", udp(53), ispctl.IPv4, false, "closed: no host service"},
		{"internet", "mail", tcp(25), ispctl.IPv6, true, "policy internet -> mail tcp/25 ipv6"},
		{"internet", "dmz", tcp(22), ispctl.IPv4, false, closed},
		{"internet", "host", tcp(22), ispctl.IPv4, true, "host service 22/tcp"},
		{"internet", "host", tcp(23), ispctl.IPv4, false, "closed: no host service"},
		{"internet", "host", icmp, ispctl.IPv4, true, "the host answers ping on the uplink"},
		{"internet", "host", anything, ispctl.IPv4, false, "closed: no host service"},
		{"host", "mail", tcp(25), ispctl.IPv4, true, "the host reaches its guests"},
		{"mail", "mail", tcp(25), ispctl.IPv4, true, "inside one zone nothing is judged"},
	} {
		t.Run(string(tt.from)+" to "+string(tt.to)+" "+tt.opening.String()+" "+string(tt.family), func(t *testing.T) {
			if got, want := zones.Decide(m, tt.from, tt.to, tt.opening, tt.family), (zones.Verdict{Allowed: tt.allowed, Rule: tt.rule}); got != want {
				t.Errorf("want %+v, have %+v", want, got)
			}
		})
	}
}
