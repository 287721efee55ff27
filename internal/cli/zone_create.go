package cli

import (
	"net/netip"

	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/operations"
)

func (a *app) zoneCreate() *cobra.Command {
	var o operations.Options
	var prefix, prefix6, snat string
	var egress, ifNotExists bool
	var z ispctl.Zone
	c := &cobra.Command{
		Use:   "create NAME --prefix A/LEN",
		Short: "Make a zone: a bridge with a gateway, closed to every other zone",
		Example: `  ispctl zone create dmz --prefix 10.10.0.0/24 --snat 203.0.113.10
  ispctl zone create web --prefix 10.40.0.0/24 --prefix6 2001:db8:40::/64 --egress
  ispctl zone create mail --prefix 10.20.0.0/24 --dhcp --dns
  ispctl zone create storage --prefix 10.50.0.0/24 --trunk eth1 --vlan 10
  ispctl zone create lab --prefix 10.30.0.0/24 --egress --dry-run`,
		Args: args(1, "the name of a zone"), ValidArgsFunction: nothing,
		RunE: func(c *cobra.Command, given []string) error {
			name, err := ispctl.ParseName("zone", given[0])
			if err != nil {
				return err
			}
			z.Name = name
			if z.Prefix, err = netip.ParsePrefix(prefix); err != nil {
				return ispctl.Invalid("zone", given[0], "prefix %q is not ADDRESS/LENGTH", prefix)
			}
			if prefix6 != "" {
				if z.Prefix6, err = netip.ParsePrefix(prefix6); err != nil {
					return ispctl.Invalid("zone", given[0], "prefix6 %q is not ADDRESS/LENGTH", prefix6)
				}
			}
			if z.VLAN != 0 && z.Trunk == "" {
				return ispctl.Invalid("zone", given[0], "vlan %d goes nowhere without --trunk", z.VLAN)
			}
			if snat != "" {
				if z.SNAT, err = netip.ParseAddr(snat); err != nil {
					return ispctl.Invalid("zone", given[0], "snat %q is no IP address", snat)
				}
			}
			// A source NAT address is only of use to traffic that goes out.
			z.Egress = snat != ""
			if c.Flags().Changed("egress") {
				z.Egress = egress
			}
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			r, err := p.CreateZone(c.Context(), z, ifNotExists, o)
			return a.report(r, o, err)
		},
	}
	c.Flags().StringVar(&prefix, "prefix", "", "IPv4 prefix; its first address is the gateway")
	c.Flags().StringVar(&prefix6, "prefix6", "", "IPv6 prefix, routed to this host or on the link of its uplink; the first address after its own is the gateway")
	c.Flags().StringVar(&snat, "snat", "", "external address that the zone's traffic goes out with (implies --egress)")
	c.Flags().BoolVar(&egress, "egress", false, "let guests open connections to the Internet")
	c.Flags().BoolVar(&z.KSM, "ksm", false, "the kernel may merge equal pages of the zone's guests: memory is saved, and they can find out what others have")
	c.Flags().BoolVar(&z.Isolated, "isolated", false, "guests of the zone do not see each other")
	c.Flags().StringVar(&z.Trunk, "trunk", "", "interface to a switch by which the zone goes on; with --vlan as that VLAN, without as those of its guests' tags (nic tags)")
	c.Flags().IntVar(&z.VLAN, "vlan", 0, "the zone's VLAN on its trunk, 1 to 4094")
	c.Flags().IntVar(&z.MTU, "mtu", 0, "MTU of the zone in bytes; 0 is 1500")
	c.Flags().BoolVar(&z.DHCP, "dhcp", false, "tell guests their address by DHCP, beside the seed")
	c.Flags().BoolVar(&z.DNS, "dns", false, "answer names at the gateway: VM.ZONE.internal, and with egress those of the Internet")
	c.Flags().BoolVar(&z.Flows, "flows", false, "record whom guests speak to, by hour: ispctl usage flows")
	c.Flags().BoolVar(&ifNotExists, "if-not-exists", false, "succeed if there is one of that name")
	dryRunFlag(c, &o)
	wallFlags(c, &o)
	required(c, "prefix")
	_ = c.RegisterFlagCompletionFunc("snat", a.complete(addressNames))
	return c
}
