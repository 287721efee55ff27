package cli

import (
	"net/netip"

	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/operations"
)

// adminFlags are those of init that declare the admin network.
type adminFlags struct {
	prefix          string
	links, services []string
}

// Names of the flags, by which it is known whether they were given.
const (
	adminPrefix  = "admin-prefix"
	adminLink    = "admin-link"
	adminService = "admin-service"
)

func (a *adminFlags) register(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&a.prefix, adminPrefix, "", "IPv4 prefix that zones get their admin legs from, or none; the first init takes 10.255.0.0/16, or another that is free")
	f.StringSliceVar(&a.links, adminLink, nil, "interface that operators come in by to reach guests on their legs, as wg0; may be given again")
	f.StringSliceVar(&a.services, adminService, nil, "what the host answers to guests on their legs, as 123/udp; nothing unless told otherwise; may be given again")
}

// spec is what was asked for: what was not given stays as it is.
func (a *adminFlags) spec(c *cobra.Command) (operations.AdminSpec, error) {
	s := operations.AdminSpec{Default: true}
	if c.Flags().Changed(adminPrefix) {
		p := netip.Prefix{}
		if a.prefix != "none" {
			var err error
			if p, err = netip.ParsePrefix(a.prefix); err != nil {
				return s, ispctl.Invalid("admin network", a.prefix, "is neither ADDRESS/LENGTH nor none")
			}
		}
		s.Prefix = &p
	}
	if c.Flags().Changed(adminLink) {
		s.Links = &a.links
	}
	if c.Flags().Changed(adminService) {
		services := make([]ispctl.Service, len(a.services))
		for i, text := range a.services {
			var err error
			if services[i], err = ispctl.ParseService(text); err != nil {
				return s, err
			}
		}
		s.Services = &services
	}
	return s, ispctl.AdminNet{Prefix: deref(s.Prefix), Links: a.links}.Validate()
}

func deref(p *netip.Prefix) netip.Prefix {
	if p == nil {
		return netip.Prefix{}
	}
	return *p
}
