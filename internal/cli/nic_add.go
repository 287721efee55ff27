package cli

import (
	"strconv"

	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/operations"
)

func (a *app) nicAdd() *cobra.Command {
	var o operations.Options
	var spec operations.NICSpec
	var address, address6 string
	c := &cobra.Command{
		Use: "add VM --zone ZONE", Short: "Put a VM into one more zone",
		Long: `Put a VM into one more zone, by a NIC of its own, at once if it runs.

The guest sets it up at its next boot; its way out stays that of its first zone.`,
		Example: "  ispctl nic add web1 --zone backup",
		Args:    args(1, "the name of a VM"), ValidArgsFunction: first(a.complete(vmNames)),
		RunE: func(c *cobra.Command, given []string) error {
			var err error
			if address != "" {
				if spec.Address, err = parseAddress(address); err != nil {
					return err
				}
			}
			if address6 != "" {
				if spec.Address6, err = parseAddress(address6); err != nil {
					return err
				}
			}
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			r, err := p.AddNIC(c.Context(), given[0], spec, o)
			return a.report(r, o, err)
		},
	}
	c.Flags().StringVar(&spec.Zone, "zone", "", "the zone that it is to be in")
	c.Flags().StringVar(&address, "address", "", "its address there; without it the lowest free one")
	c.Flags().StringVar(&address6, "address6", "", "its IPv6 address there; without it the lowest free one")
	_ = c.RegisterFlagCompletionFunc("zone", a.complete(zoneNames))
	dryRunFlag(c, &o)
	wallFlags(c, &o)
	required(c, "zone")
	return c
}

func (a *app) nicRemove() *cobra.Command {
	var o operations.Options
	var ifExists bool
	c := &cobra.Command{
		Use: "remove VM NIC", Short: "Take a VM out of a zone that it was put into later",
		Example: "  ispctl nic remove web1 2",
		Args:    args(2, "the name of a VM, and the number of its NIC"), ValidArgsFunction: first(a.complete(vmNames)),
		RunE: func(c *cobra.Command, given []string) error {
			index, err := strconv.Atoi(given[1])
			if err != nil {
				return ispctl.Invalid("nic", given[1], "is no number; NICs are counted from 0")
			}
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			r, err := p.RemoveNIC(c.Context(), given[0], index, ifExists, o)
			return a.report(r, o, err)
		},
	}
	c.Flags().BoolVar(&ifExists, "if-exists", false, "succeed if it is not there")
	dryRunFlag(c, &o)
	wallFlags(c, &o)
	return c
}
