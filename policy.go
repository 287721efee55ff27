package ispctl

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// End is one end of a policy: the name of a zone, or one of the two words.
type End string

// The ends that are no zones. No zone may bear their names.
const (
	Internet End = "internet" // whatever is behind the uplink
	Host     End = "host"     // the host itself
)

// Transport is a protocol that a policy can open.
type Transport string

// The transports of policies. ICMP stands for ICMPv6 in IPv6.
const (
	AnyTransport Transport = "any"
	TransportTCP Transport = "tcp"
	TransportUDP Transport = "udp"
	ICMP         Transport = "icmp"
)

// Opening is what a policy lets through: a transport and, for tcp and udp, a
// port, written `tcp/443`, `icmp` or `any`.
type Opening struct {
	Transport Transport
	Port      uint16 // 0 where the transport has none
}

// ParseOpening reads `tcp/443`, `udp/53`, `icmp` or `any`.
func ParseOpening(s string) (Opening, error) {
	transport, port, found := strings.Cut(s, "/")
	switch t := Transport(transport); t {
	case AnyTransport, ICMP:
		if !found {
			return Opening{Transport: t}, nil
		}
	case TransportTCP, TransportUDP:
		if n, err := strconv.ParseUint(port, 10, 16); err == nil && n > 0 {
			return Opening{Transport: t, Port: uint16(n)}, nil
		}
	}
	return Opening{}, Invalid("service", s, "is not tcp/PORT, udp/PORT, icmp or any")
}

// String is the text ParseOpening reads.
func (o Opening) String() string {
	if o.Port == 0 {
		return string(o.Transport)
	}
	return string(o.Transport) + "/" + strconv.Itoa(int(o.Port))
}

// Family is a version of IP.
type Family string

// The families. A policy names those it speaks of: one for IPv4 says nothing of
// IPv6, now or when the zone gets a prefix.
const (
	IPv4 Family = "ipv4"
	IPv6 Family = "ipv6"
)

// ParseFamily reads `ipv4` or `ipv6`.
func ParseFamily(s string) (Family, error) {
	if f := Family(s); f == IPv4 || f == IPv6 {
		return f, nil
	}
	return "", Invalid("family", s, "is not ipv4 or ipv6")
}

// Policy lets connections be opened from one end to the other. What is not let
// through by a policy is closed; the answers to what is let through come back.
type Policy struct {
	From, To End
	Opening  Opening
	Family   Family
	Log      bool // write each new connection to the kernel's log
	Applied  bool
}

// Key is what there can be only one policy of.
func (p Policy) Key() Policy {
	return Policy{From: p.From, To: p.To, Opening: p.Opening, Family: p.Family}
}

// String is the policy in words: `dmz -> mail tcp/25 ipv4`.
func (p Policy) String() string {
	return string(p.From) + " -> " + string(p.To) + " " + p.Opening.String() + " " + string(p.Family)
}

// ComparePolicies orders policies by ends, family and opening.
func ComparePolicies(a, b Policy) int {
	return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To), cmp.Compare(a.Family, b.Family),
		cmp.Compare(a.Opening.Transport, b.Opening.Transport), cmp.Compare(a.Opening.Port, b.Opening.Port))
}

// Validate checks the policy by itself.
func (p Policy) Validate() error {
	bad := func(format string, args ...any) error { return Invalid("policy", p.String(), format, args...) }
	switch {
	case p.From == p.To:
		return bad("both ends are the same; what is inside a zone is not the firewall's to say")
	case p.From == Host:
		return bad("the host reaches its guests as it is")
	case p.From == Internet && p.To == Host:
		return bad("what the host answers on the uplink is listed by `ispctl init --host-service`")
	case p.Family != IPv4 && p.Family != IPv6:
		return bad("family %q is not ipv4 or ipv6", p.Family)
	}
	if o, err := ParseOpening(p.Opening.String()); err != nil || o != p.Opening {
		return bad("service %q is not tcp/PORT, udp/PORT, icmp or any", p.Opening)
	}
	return nil
}

// EndNames are all ends a policy of this model can have: the two words and the
// zones.
func (m *Model) EndNames() []End {
	ends := make([]End, 0, len(m.Zones)+2)
	for _, z := range m.Zones {
		ends = append(ends, End(z.Name))
	}
	return append(ends, Host, Internet)
}

// End finds an end by name; the error lists those there are.
func (m *Model) End(name string) (End, error) {
	if ends := m.EndNames(); !slices.Contains(ends, End(name)) {
		return "", NotFoundError("zone", name, ends)
	}
	return End(name), nil
}

func (m *Model) validatePolicies() error {
	seen := map[Policy]bool{}
	for _, p := range m.Policies {
		if err := p.Validate(); err != nil {
			return err
		}
		for _, end := range []End{p.From, p.To} {
			if _, err := m.End(string(end)); err != nil {
				return err
			}
		}
		if z, err := m.Zone(string(p.From)); err == nil && p.To == Internet && p.Family == IPv4 && private(z.Prefix) && !m.SourceOf(z).IsValid() {
			return Invalid("policy", p.String(), "zone %q has the private prefix %s and no address to go out with: set snat", z.Name, z.Prefix)
		}
		if z, err := m.Zone(string(p.From)); err == nil && p.To == Internet && p.Family == IPv6 && local6.Overlaps(z.Prefix6) {
			return Invalid("policy", p.String(), "zone %q has the prefix %s, which no one on the Internet can answer to", z.Name, z.Prefix6)
		}
		if seen[p.Key()] {
			return Conflicting("policy", p.String(), "is there already")
		}
		seen[p.Key()] = true
	}
	return nil
}
