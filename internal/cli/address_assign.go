package cli

import (
	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/operations"
)

func (a *app) addressAssign() *cobra.Command {
	var o operations.Options
	var vm, mode string
	var now bool
	c := &cobra.Command{
		Use: "assign ADDRESS", Short: "Give a VM an external address to itself",
		Long: `Give a VM an external address to itself. The mode says how:

  snat        what the VM sends to the Internet bears the address; forwards
              may listen at it, and nothing else comes in by it
  one-to-one  that, and what arrives for the address is sent on to the VM
  routed      the address is on the VM's own NIC, and nothing is translated
  wire        the address is on a NIC of the VM that is a port of the
              uplink's bridge, past its zone and all policies (uplinks of
              kind bridged; the provider must have issued a MAC for it)

An address of mode one-to-one or routed opens nothing by itself: what may
come in is what policies from internet to the VM's zone allow, as in

  ispctl zone policy allow internet dmz --service tcp/443

A zone that may go out reaches the address with the same services. A guest
that is there already has to be told of a routed or wire address by hand;
its seed says so from its next first boot on.`,
		Example: `  ispctl address assign 203.0.113.20 --vm web1 --mode one-to-one
  ispctl address assign 203.0.113.21 --vm mail1 --mode snat`,
		Args: args(1, "an address"), ValidArgsFunction: first(a.complete(addressNames)),
		RunE: func(c *cobra.Command, given []string) error {
			addr, err := parseAddress(given[0])
			if err != nil {
				return err
			}
			how, err := ispctl.ParseVMMode(mode)
			if err != nil {
				return err
			}
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			r, err := p.AssignAddress(c.Context(), addr, vm, how, now, o)
			return a.report(r, o, err)
		},
	}
	c.Flags().StringVar(&vm, "vm", "", "the VM")
	c.Flags().StringVar(&mode, "mode", "", "snat, one-to-one, routed or wire")
	c.Flags().BoolVar(&now, "now", false, "even if the address rests because another VM had it")
	required(c, "vm", "mode")
	dryRunFlag(c, &o)
	wallFlags(c, &o)
	_ = c.RegisterFlagCompletionFunc("vm", a.complete(vmNames))
	_ = c.RegisterFlagCompletionFunc("mode", cobra.FixedCompletions([]string{"snat", "one-to-one", "routed", "wire"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}
