package ispctl

import "net/netip"

// AdminNet is the network that operators reach guests by. Each zone has a leg
// of it: a bridge of its own, whose ports do not see each other. Guests answer
// there and can start nothing.
type AdminNet struct {
	Prefix   netip.Prefix // IPv4; the legs are parts of it; invalid: there is none
	Links    []string     // interfaces that operators come in by, beside the host itself
	Services []Service    // what the host answers to guests at a leg's gateway
}

// Configured reports whether zones have legs.
func (a AdminNet) Configured() bool { return a.Prefix.IsValid() }

// Validate checks the network by itself.
func (a AdminNet) Validate() error {
	for _, link := range a.Links {
		if err := ValidateInterface(link); err != nil {
			return err
		}
	}
	for _, s := range a.Services {
		if _, err := ParseService(s.String()); err != nil {
			return err
		}
	}
	p := a.Prefix
	switch {
	case !a.Configured():
		return nil
	case !p.Addr().Is4():
		return Invalid("admin network", p.String(), "is not IPv4")
	case p != p.Masked():
		return Invalid("admin network", p.String(), "has host bits set; did you mean %s?", p.Masked())
	case p.Bits() < minZoneBits || p.Bits() > maxZoneBits:
		return Invalid("admin network", p.String(), "the length must be %d to %d", minZoneBits, maxZoneBits)
	case !private(p):
		return Invalid("admin network", p.String(), "is public; take a part of 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 or 100.64.0.0/10")
	}
	return nil
}
