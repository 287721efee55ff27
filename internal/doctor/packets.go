package doctor

import (
	"context"
	"fmt"
	"strings"

	"ispctl"
	"ispctl/zones"
)

// path is a connection that the rules let through.
type path struct {
	from, to ispctl.End
	opening  ispctl.Opening
	family   ispctl.Family
}

func (q path) String() string {
	return fmt.Sprintf("%s -> %s %s %s", q.from, q.to, q.opening, q.family)
}

// maxPaths bounds the time: one that is lost takes about two seconds.
const maxPaths = 16

// probePort is one that nobody uses.
const probePort = 47808

// paths are what is to be tried: one for each pair of ends and family that
// anything is open between.
func paths(m *ispctl.Model) []path {
	type pair struct {
		from, to ispctl.End
		family   ispctl.Family
	}
	var all []path
	seen := map[pair]bool{}
	add := func(q path) {
		one := pair{q.from, q.to, q.family}
		if len(all) >= maxPaths || seen[one] || !canTry(m, q) {
			return
		}
		seen[one] = true
		all = append(all, q)
	}
	any := ispctl.Opening{Transport: ispctl.TransportTCP, Port: probePort}
	for _, z := range m.Zones {
		for _, f := range []ispctl.Family{ispctl.IPv4, ispctl.IPv6} {
			add(path{ispctl.End(z.Name), ispctl.Internet, any, f})
		}
	}
	for _, p := range m.Policies {
		o := p.Opening
		if o.Transport == ispctl.AnyTransport {
			o = any
		}
		add(path{p.From, p.To, o, p.Family})
	}
	return all
}

// canTry is whether the rules let it through and a packet can be sent for it
// here: from a zone, of a family that both ends have.
func canTry(m *ispctl.Model, q path) bool {
	has := func(e ispctl.End) bool {
		if e == ispctl.Internet {
			gateway := m.Uplink.Gateway
			if q.family == ispctl.IPv6 {
				gateway = m.Uplink.Gateway6
			}
			return m.Uplink.Configured() && gateway.IsValid()
		}
		z, err := m.Zone(string(e))
		if err != nil {
			return false // the host answers for itself
		}
		return q.family == ispctl.IPv4 && z.Prefix.IsValid() || q.family == ispctl.IPv6 && z.Prefix6.IsValid()
	}
	return q.from != ispctl.Internet && has(q.from) && has(q.to) && zones.Decide(m, q.from, q.to, q.opening, q.family).Allowed
}

// packets sends one for each path, and asks who took those that are lost.
func packets(ctx context.Context, p *Patient) ([]Finding, error) {
	all := paths(p.Model)
	if len(all) == 0 {
		return []Finding{{State: Skipped, Found: "nothing is open between zones or to the Internet: there is no packet to send"}}, nil
	}
	var found []Finding
	blamed := map[string]bool{}
	for _, q := range all {
		reached, detail, err := p.Probe(ctx, q.from, q.to, q.opening, q.family)
		if err != nil {
			return found, fmt.Errorf("%s: %w", q, err)
		}
		if reached {
			continue
		}
		f := Finding{State: Failed, Object: q.String(), Found: "the packet from " + detail + " was lost"}
		took, err := p.blame(ctx, q)
		switch {
		case err != nil:
			f.Found += "; who took it could not be found out: " + err.Error()
		case took == nil:
			f.Found += ", and no rule of nftables took it"
			f.Cure = "look at what nftables does not trace: iptables-legacy-save, tc filter, ip rule, ip route get"
		case blamed[took.String()]:
			continue // one rule, one line
		default:
			blamed[took.String()] = true
			f.Found += ": " + took.String()
			f.Cure = cureFor(took, p.Model)
		}
		found = append(found, f)
	}
	if len(found) == 0 {
		return []Finding{{State: OK, Found: fmt.Sprintf("%d of %d came through", len(all), len(all))}}, nil
	}
	return found, nil
}

// tools are those that are known to drop what we forward, by what their tables
// or chains are called.
var tools = []struct {
	name  string
	bears func(d *drop) bool
	cure  func(links, example string) string
}{
	{
		"firewalld", func(d *drop) bool { return strings.HasPrefix(d.table, "firewalld") },
		func(_, example string) string {
			return "for each link of ours: firewall-cmd --permanent --zone=trusted --add-interface=" + example + "; then firewall-cmd --reload"
		},
	},
	{
		"ufw", func(d *drop) bool { return strings.HasPrefix(d.chain, "ufw") || d.ufw },
		func(_, example string) string {
			return "for each link of ours: ufw route allow in on " + example + " and ufw route allow out on " + example
		},
	},
	{
		"libvirt", func(d *drop) bool {
			return strings.HasPrefix(d.chain, "LIBVIRT_") || strings.HasPrefix(d.chain, "guest_") && d.table == "libvirt_network"
		},
		func(string, string) string {
			return "virsh net-destroy default; virsh net-autostart default --disable (guests of ours do not need it)"
		},
	},
	{
		"Docker", func(d *drop) bool { return strings.HasPrefix(d.chain, "DOCKER") || d.docker },
		func(links, _ string) string {
			return "iptables -I DOCKER-USER -i " + links + " -j ACCEPT; iptables -I DOCKER-USER -o " + links + " -j ACCEPT; kept by a unit that is ordered after docker.service"
		},
	},
}

// cureFor is how to make peace with whose rule it is.
func cureFor(d *drop, m *ispctl.Model) string {
	if d.ours(m.Installation) {
		return "ispctl converge; if it stays, that is an error of ispctl"
	}
	pattern := strings.TrimSuffix(m.Installation.LinkPattern(), "*")
	example := pattern + "ZONE"
	if len(m.Zones) > 0 {
		example = m.Installation.Bridge(m.Zones[0].Name)
	}
	for _, t := range tools {
		if t.bears(d) {
			return t.name + ": " + t.cure(pattern+"+", example)
		}
	}
	return fmt.Sprintf("have whoever made it let %s* through: nft insert rule %s %s %s iifname %q accept, and the same for oifname", pattern, d.family, d.table, d.chain, pattern+"*")
}
