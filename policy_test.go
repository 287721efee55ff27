package ispctl_test

import (
	"testing"

	"ispctl"
)

func TestParseOpening(t *testing.T) {
	for _, tt := range []struct {
		in      string
		want    ispctl.Opening
		refused bool
	}{
		{in: "tcp/443", want: ispctl.Opening{Transport: ispctl.TransportTCP, Port: 443}},
		{in: "udp/65535", want: ispctl.Opening{Transport: ispctl.TransportUDP, Port: 65535}},
		{in: "icmp", want: ispctl.Opening{Transport: ispctl.ICMP}},
		{in: "any", want: ispctl.Opening{Transport: ispctl.AnyTransport}},
		{in: "", refused: true},
		{in: "tcp", refused: true},
		{in: "tcp/", refused: true},
		{in: "tcp/0", refused: true},
		{in: "tcp/65536", refused: true},
		{in: "tcp/80/90", refused: true},
		{in: "icmp/8", refused: true},
		{in: "any/", refused: true},
		{in: "sctp/1", refused: true},
		{in: "443/tcp", refused: true},
		{in: "TCP/443", refused: true},
	} {
		t.Run(tt.in, func(t *testing.T) {
			got, err := ispctl.ParseOpening(tt.in)
			if tt.refused {
				refused(t, err, ispctl.Usage, "service", "is not tcp/PORT, udp/PORT, icmp or any")
				return
			}
			if err != nil || got != tt.want || got.String() != tt.in {
				t.Errorf("want %+v, have %+v (%s), %v", tt.want, got, got, err)
			}
		})
	}
}

func FuzzParseOpening(f *testing.F) {
	for _, seed := range []string{"tcp/443", "udp/053", "icmp", "any", "any/", "tcp/0", "/", "tcp/65536"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ispctl.ParseOpening(s)
		if err != nil {
			refused(t, err, ispctl.Usage, "service")
			return
		}
		if again, err := ispctl.ParseOpening(got.String()); err != nil || again != got {
			t.Fatalf("%q is %s, read again %s, %v", s, got, again, err)
		}
	})
}

func TestParseFamily(t *testing.T) {
	for _, s := range []string{"ipv4", "ipv6"} {
		if f, err := ispctl.ParseFamily(s); err != nil || string(f) != s {
			t.Errorf("%s: %s, %v", s, f, err)
		}
	}
	for _, s := range []string{"", "IPv4", "4", "inet"} {
		_, err := ispctl.ParseFamily(s)
		refused(t, err, ispctl.Usage, "family", "is not ipv4 or ipv6")
	}
}

func TestValidatePolicies(t *testing.T) {
	policy := func(from, to ispctl.End) ispctl.Policy {
		return ispctl.Policy{From: from, To: to, Opening: ispctl.Opening{Transport: ispctl.TransportTCP, Port: 25}, Family: ispctl.IPv4}
	}
	broken := func(change func(*ispctl.Policy)) []ispctl.Policy {
		p := policy("dmz", "mail")
		change(&p)
		return []ispctl.Policy{p}
	}
	for _, tt := range []struct {
		name     string
		policies []ispctl.Policy
		kind     ispctl.ErrorKind
		want     string
	}{
		{"same ends", []ispctl.Policy{policy("dmz", "dmz")}, ispctl.Usage, `policy "dmz -> dmz tcp/25 ipv4": both ends are the same`},
		{"from the host", []ispctl.Policy{policy("host", "dmz")}, ispctl.Usage, "the host reaches its guests as it is"},
		{"from the Internet to the host", []ispctl.Policy{policy("internet", "host")}, ispctl.Usage, "--host-service"},
		{"from nowhere", []ispctl.Policy{policy("x", "dmz")}, ispctl.NotFound, `zone "x" not found (have: dmz, mail, host, internet)`},
		{"to nowhere", []ispctl.Policy{policy("dmz", "x")}, ispctl.NotFound, `zone "x" not found`},
		{"twice", []ispctl.Policy{policy("dmz", "mail"), policy("dmz", "mail")}, ispctl.Conflict, `policy "dmz -> mail tcp/25 ipv4": is there already`},
		{"no family", broken(func(p *ispctl.Policy) { p.Family = "" }), ispctl.Usage, `family "" is not ipv4 or ipv6`},
		{"no transport", broken(func(p *ispctl.Policy) { p.Opening.Transport = "" }), ispctl.Usage, `is not tcp/PORT`},
		{"no port", broken(func(p *ispctl.Policy) { p.Opening.Port = 0 }), ispctl.Usage, `is not tcp/PORT`},
		{"port of icmp", broken(func(p *ispctl.Policy) { p.Opening.Transport = ispctl.ICMP }), ispctl.Usage, `is not tcp/PORT`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := provider()
			m.Policies = tt.policies
			refused(t, m.Validate(), tt.kind, tt.want)
		})
	}
	m := provider()
	m.Policies = []ispctl.Policy{policy("dmz", "mail"), policy("mail", "dmz"), policy("dmz", "internet"), policy("internet", "dmz"), policy("dmz", "host")}
	if err := m.Validate(); err != nil {
		t.Error(err)
	}
	for _, word := range []ispctl.Name{"internet", "host"} {
		m := provider()
		m.Zones[0].Name = word
		refused(t, m.Validate(), ispctl.Usage, "stands for an end of policies that is no zone")
	}
}
