package operations

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"ispctl"
	"ispctl/zones"
)

// Connection is the TCP connection by which a caller is here.
type Connection struct {
	Client, Server netip.AddrPort
	Interface      string // that has the server's address; empty: not known
}

// ParseConnection reads SSH_CONNECTION as sshd(8) sets it: the client's address
// and port, and the server's.
func ParseConnection(s string) (Connection, error) {
	fields := strings.Fields(s)
	if len(fields) != 4 {
		return Connection{}, ispctl.Invalid("SSH_CONNECTION", s, "has %d fields, not 4", len(fields))
	}
	var c Connection
	for i, into := range []*netip.AddrPort{&c.Client, &c.Server} {
		addr, errAddr := netip.ParseAddr(fields[2*i])
		port, errPort := strconv.ParseUint(fields[2*i+1], 10, 16)
		if errAddr != nil || errPort != nil {
			return Connection{}, ispctl.Invalid("SSH_CONNECTION", s, "has %s %s, no address and port", fields[2*i], fields[2*i+1])
		}
		*into = netip.AddrPortFrom(addr.Unmap().WithZone(""), uint16(port))
	}
	return c, nil
}

func (c Connection) known() bool { return c.Server.IsValid() }

// String is the connection as ss(8) shows it.
func (c Connection) String() string { return c.Client.String() + " -> " + c.Server.String() }

// Cuts says why a new connection like the caller's, which came through by the
// model before, would not by the one after. It knows only what is ours: what
// comes by another interface than the uplink is not judged by our walls.
func Cuts(before, after *ispctl.Model, c Connection) string {
	if !c.known() {
		return ""
	}
	client, server := c.Client.Addr(), c.Server.Addr()
	was, wasIn := zoneOf(before, client)
	is, isIn := zoneOf(after, client)
	switch {
	case wasIn && (!isIn || was.Name != is.Name):
		return fmt.Sprintf("it comes from zone %q, which would be gone", was.Name)
	case isIn && !wasIn:
		return fmt.Sprintf("your address %s would lie in zone %q, and answers would go there", client, is.Name)
	case legOf(after, client) != "" && legOf(before, client) == "":
		return fmt.Sprintf("your address %s would lie on the admin leg of zone %q, and answers would go there", client, legOf(after, client))
	case ours(before, server) && !ours(after, server):
		return fmt.Sprintf("address %s would be ours no more", server)
	case refuses(before, c) != "":
		return "" // it is not this change that does
	}
	return refuses(after, c)
}

// refuses says why the walls of a model do not let the connection be opened.
func refuses(m *ispctl.Model, c Connection) string {
	if z, inside := zoneOf(m, c.Client.Addr()); inside {
		return refusesZone(m, z, c)
	}
	if !arrives(m, c) {
		return ""
	}
	listen := ispctl.Listen{Addr: c.Server.Addr(), Port: c.Server.Port(), Proto: ispctl.TCP}
	for _, f := range m.Forwards {
		if f.Overlaps(ispctl.Forward{Listen: listen}) {
			return fmt.Sprintf("%s would be carried to %s", listen, f.To())
		}
	}
	if a, err := m.Address(listen.Addr); err == nil && a.Mode != ispctl.Shared && a.Mode != ispctl.SourceNAT {
		return fmt.Sprintf("%s would be vm %q's", listen.Addr, a.VM)
	}
	if service := (ispctl.Service{Port: listen.Port, Proto: ispctl.TCP}); !slices.Contains(m.HostServices, service) {
		return fmt.Sprintf("%s would not be among the host services %v of uplink %s", service, m.HostServices, m.Uplink.Interface)
	}
	if client := c.Client.Addr(); !m.FromHostSource(client) {
		return fmt.Sprintf("your address %s would not be among the host sources %v", client, m.HostSources)
	}
	return ""
}

// refusesZone judges a connection from a zone to the host by the policies.
func refusesZone(m *ispctl.Model, z ispctl.Zone, c Connection) string {
	family := ispctl.IPv4
	if c.Server.Addr().Is6() {
		family = ispctl.IPv6
	}
	opening := ispctl.Opening{Transport: ispctl.TransportTCP, Port: c.Server.Port()}
	if zones.Decide(m, ispctl.End(z.Name), ispctl.Host, opening, family).Allowed {
		return ""
	}
	return fmt.Sprintf("no policy would let zone %q reach the host by %s", z.Name, opening)
}

// Rehearsal tries, with packets, whether a connection from client to server by
// the uplink comes through the walls of a model.
type Rehearsal func(ctx context.Context, m *ispctl.Model, client, server netip.AddrPort) (bool, error)

// cutsCaller asks the model first, which can say why, and then the walls
// themselves, built from it where they harm nobody.
func (p *Provider) cutsCaller(ctx context.Context, before, after *ispctl.Model) string {
	c := p.Caller
	if why := Cuts(before, after, c); why != "" || p.Rehearse == nil || !c.known() || !arrives(after, c) || c.Server.Addr().IsLinkLocalUnicast() {
		return why
	}
	if _, inside := zoneOf(after, c.Client.Addr()); inside {
		return ""
	}
	through, err := p.Rehearse(ctx, after, c.Client, c.Server)
	if err == nil && !through && arrives(before, c) {
		// Walls that did not let it through before are not this change's.
		var was bool
		was, err = p.Rehearse(ctx, before, c.Client, c.Server)
		through = !was
	}
	if err != nil {
		p.progress(Progress{Phase: "rehearse", Text: "your own connection could not be tried: " + err.Error()})
		return ""
	}
	if through {
		return ""
	}
	return "one like it, opened at these walls in a scratch namespace, got no answer"
}

func zoneOf(m *ispctl.Model, a netip.Addr) (ispctl.Zone, bool) {
	i := slices.IndexFunc(m.Zones, func(z ispctl.Zone) bool { return z.Prefix.Contains(a) })
	if i < 0 {
		return ispctl.Zone{}, false
	}
	return m.Zones[i], true
}

// legOf is the zone on whose admin leg an address lies; empty: none.
func legOf(m *ispctl.Model, a netip.Addr) ispctl.Name {
	for _, z := range m.Zones {
		if z.Leg.Contains(a) {
			return z.Name
		}
	}
	return ""
}

// arrives reports whether the connection comes by the model's uplink.
func arrives(m *ispctl.Model, c Connection) bool {
	return m.Uplink.Configured() && (c.Interface == m.Uplink.Interface || ours(m, c.Server.Addr()))
}

func ours(m *ispctl.Model, a netip.Addr) bool {
	if m.Uplink.Configured() && m.Uplink.Address.Addr() == a {
		return true
	}
	_, err := m.Address(a)
	return err == nil
}
