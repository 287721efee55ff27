package ispctl

import (
	"net/netip"
)

// Gateway is where tenants come in by SSH to look after their VMs.
type Gateway struct {
	Listen netip.AddrPort // zero: there is none
}

// Configured reports whether there is one.
func (g Gateway) Configured() bool { return g.Listen.IsValid() }

// Equal reports whether both are the same place.
func (g Gateway) Equal(other Gateway) bool { return g == other }

// DefaultGatewayPort is that of a gateway for which none is named.
const DefaultGatewayPort = 2222

// ParseGatewayListen reads ADDRESS:PORT.
func ParseGatewayListen(s string) (netip.AddrPort, error) {
	at, err := netip.ParseAddrPort(s)
	if err != nil || at.Addr().Zone() != "" {
		return netip.AddrPort{}, &Error{Kind: Usage, Object: object("gateway", s), Cause: "is not ADDRESS:PORT", Next: "as 10.99.0.1:2222"}
	}
	at = netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
	return at, Gateway{Listen: at}.Validate()
}

// Validate checks the gateway by itself.
func (g Gateway) Validate() error {
	if !g.Configured() {
		return nil
	}
	name, addr := g.Listen.String(), g.Listen.Addr()
	switch {
	case g.Listen.Port() == 0:
		return Invalid("gateway", name, "has no port")
	case addr.IsUnspecified():
		return Invalid("gateway", name, "is every address of the host, those towards guests too; give one")
	case addr.IsMulticast(), addr.IsLinkLocalUnicast():
		return Invalid("gateway", name, "is no address that a tenant can be told")
	}
	return nil
}

// validateGateway keeps the gateway out of the guests' reach, and from taking
// what is another's.
func (m *Model) validateGateway() error {
	if err := m.Gateway.Validate(); err != nil || !m.Gateway.Configured() {
		return err
	}
	at := m.Gateway.Listen
	name := at.String()
	for _, z := range m.Zones {
		for _, p := range []netip.Prefix{z.Prefix, z.Prefix6, z.Leg} {
			if p.IsValid() && p.Contains(at.Addr()) {
				return Conflicting("gateway", name, "lies in %s of zone %q, among guests", p, z.Name)
			}
		}
	}
	for _, a := range m.Addresses {
		if a.Addr == at.Addr() && a.Mode != Shared {
			return Conflicting("gateway", name, "is vm %q's address", a.VM)
		}
	}
	for _, f := range m.Forwards {
		if f.Overlaps(Forward{Listen: Listen{at.Addr(), at.Port(), TCP}}) {
			return Conflicting("gateway", name, "is carried to %s by a forward", f.To())
		}
	}
	if at.Addr() == m.Uplink.Address.Addr() || at.Addr() == m.Uplink.Address6.Addr() {
		for _, s := range m.HostServices {
			if s.Proto == TCP && s.Port == at.Port() {
				return Conflicting("gateway", name, "port %d is a service of the host itself", s.Port)
			}
		}
	}
	return nil
}
