package cli

import (
	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/operations"
)

func (a *app) addressSet() *cobra.Command {
	var o operations.Options
	var mac string
	c := &cobra.Command{
		Use: "set ADDRESS", Short: "Say which MAC the provider issued for an address",
		Example: `  ispctl address set 203.0.113.20 --mac 00:50:56:00:12:34
  ispctl address set 203.0.113.20 --mac none`,
		Args: args(1, "an address"), ValidArgsFunction: first(a.complete(addressNames)),
		RunE: func(c *cobra.Command, given []string) error {
			addr, err := parseAddress(given[0])
			if err != nil {
				return err
			}
			issued := ""
			if mac != "none" {
				if issued, err = ispctl.ParseMAC(mac); err != nil {
					return err
				}
			}
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			r, err := p.SetAddressMAC(c.Context(), addr, issued, o)
			return a.report(r, o, err)
		},
	}
	c.Flags().StringVar(&mac, "mac", "", "the MAC, or none: the address answers with the host's own")
	required(c, "mac")
	dryRunFlag(c, &o)
	wallFlags(c, &o)
	_ = c.RegisterFlagCompletionFunc("mac", nothing)
	return c
}
