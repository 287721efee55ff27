package cli

import (
	"net/netip"

	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/operations"
)

func (a *app) zoneSet() *cobra.Command {
	var o operations.Options
	var prefix6, snat, trunk string
	var egress, isolated, ksm, dhcp, dns, flows bool
	var mtu, vlan int
	c := &cobra.Command{
		Use: "set NAME", Short: "Change a zone",
		Long: `Change a zone. What is not named stays.

Guests get an address of a new IPv6 prefix at once, and are told by DHCP where
the zone has it; a guest that is told by its seed alone reads it when it is
started next.`,
		Example: `  ispctl zone set dmz --prefix6 2001:db8:10::/64 --confirm 60s
  ispctl zone set dmz --prefix6 none
  ispctl zone set dmz --trunk eth1 --vlan 20
  ispctl zone set lab --egress=false --dns
  ispctl zone set dmz --flows`,
		Args: args(1, "the name of a zone"), ValidArgsFunction: first(a.complete(zoneNames)),
	}
	c.RunE = func(c *cobra.Command, given []string) error {
		var change operations.ZoneChange
		given6, givenSNAT := netip.Prefix{}, netip.Addr{}
		var err error
		if c.Flags().Changed("prefix6") {
			change.Prefix6 = &given6
			if prefix6 != "none" {
				if given6, err = netip.ParsePrefix(prefix6); err != nil {
					return ispctl.Invalid("zone", given[0], "prefix6 %q is not ADDRESS/LENGTH or none", prefix6)
				}
			}
		}
		if c.Flags().Changed("snat") {
			change.SNAT = &givenSNAT
			if snat != "none" {
				if givenSNAT, err = parseAddress(snat); err != nil {
					return err
				}
			}
		}
		for name, one := range map[string]struct {
			from *bool
			to   **bool
		}{"egress": {&egress, &change.Egress}, "isolated": {&isolated, &change.Isolated}, "ksm": {&ksm, &change.KSM}, "dhcp": {&dhcp, &change.DHCP}, "dns": {&dns, &change.DNS}, "flows": {&flows, &change.Flows}} {
			if c.Flags().Changed(name) {
				*one.to = one.from
			}
		}
		if c.Flags().Changed("trunk") {
			if trunk == "none" {
				trunk = ""
			}
			change.Trunk = &trunk
		}
		if c.Flags().Changed("vlan") {
			change.VLAN = &vlan
		}
		if c.Flags().Changed("mtu") {
			change.MTU = &mtu
		}
		p, err := a.provider(c.Context())
		if err != nil {
			return err
		}
		r, err := p.SetZone(c.Context(), given[0], change, o)
		return a.report(r, o, err)
	}
	c.Flags().StringVar(&prefix6, "prefix6", "", "IPv6 prefix, or none")
	c.Flags().StringVar(&snat, "snat", "", "external address that the zone's traffic goes out with, or none")
	c.Flags().BoolVar(&egress, "egress", false, "let guests open connections to the Internet")
	c.Flags().BoolVar(&ksm, "ksm", false, "the kernel may merge equal pages of the zone's guests, from their next start on")
	c.Flags().BoolVar(&isolated, "isolated", false, "guests of the zone do not see each other")
	c.Flags().StringVar(&trunk, "trunk", "", "interface to a switch by which the zone goes on, or none")
	c.Flags().IntVar(&vlan, "vlan", 0, "the zone's VLAN on its trunk; 0: its guests take part in VLANs by their tags")
	c.Flags().IntVar(&mtu, "mtu", 0, "MTU of the zone in bytes; 0 is 1500")
	c.Flags().BoolVar(&dhcp, "dhcp", false, "tell guests their address by DHCP, beside the seed")
	c.Flags().BoolVar(&dns, "dns", false, "answer names at the gateway")
	c.Flags().BoolVar(&flows, "flows", false, "record whom guests speak to, by hour: ispctl usage flows")
	dryRunFlag(c, &o)
	wallFlags(c, &o)
	_ = c.RegisterFlagCompletionFunc("snat", a.complete(addressNames))
	return c
}
