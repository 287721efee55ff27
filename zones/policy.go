package zones

import (
	"fmt"
	"slices"

	"ispctl"
)

// Verdict is what would happen to a new connection, and why.
type Verdict struct {
	Allowed bool
	Rule    string // what decides
}

// Decide says what the model lets happen to a connection of that kind from one
// end to the other, as the firewall's rules read it, first to last.
func Decide(m *ispctl.Model, from, to ispctl.End, o ispctl.Opening, f ispctl.Family) Verdict {
	switch {
	case from == to:
		return Verdict{true, "inside one zone nothing is judged"}
	case from == ispctl.Host:
		return Verdict{true, "the host reaches its guests"}
	case from == ispctl.Internet && to == ispctl.Host:
		return hostVerdict(m, o)
	}
	if to == ispctl.Internet {
		if z, err := m.Zone(string(from)); err == nil && (f == ispctl.IPv4 && z.Egress || f == ispctl.IPv6 && z.Egress6()) {
			return Verdict{true, fmt.Sprintf("zone %s has egress", from)}
		}
	}
	if to == ispctl.Host {
		if service := zoneService(m, from, o, f); service != "" {
			return Verdict{true, fmt.Sprintf("zone %s has %s", from, service)}
		}
	}
	for _, p := range m.Policies {
		if p.From == from && p.To == to && p.Family == f && covers(p.Opening, o) {
			return Verdict{true, "policy " + p.String()}
		}
	}
	return Verdict{false, "closed: no policy lets it through"}
}

// zoneService names what the host answers to the guests of a zone on that port,
// if anything.
func zoneService(m *ispctl.Model, zone ispctl.End, o ispctl.Opening, f ispctl.Family) string {
	z, err := m.Zone(string(zone))
	dhcp := uint16(67)
	if f == ispctl.IPv6 {
		dhcp = 547
	}
	switch {
	case err != nil, f == ispctl.IPv6 && !z.Prefix6.IsValid():
		return ""
	case z.DNS && o.Port == 53:
		return "DNS"
	case z.DHCP && o == ispctl.Opening{Transport: ispctl.TransportUDP, Port: dhcp}:
		return "DHCP"
	}
	return ""
}

// covers reports whether letting one through lets the other through.
func covers(have, asked ispctl.Opening) bool {
	return have.Transport == ispctl.AnyTransport || have == asked
}

func hostVerdict(m *ispctl.Model, o ispctl.Opening) Verdict {
	listed := ispctl.Service{Port: o.Port, Proto: ispctl.Protocol(o.Transport)}
	switch {
	case o.Transport == ispctl.ICMP:
		return Verdict{true, "the host answers ping on the uplink"}
	case slices.Contains(m.HostServices, listed):
		return Verdict{true, "host service " + listed.String()}
	}
	return Verdict{false, "closed: no host service"}
}
