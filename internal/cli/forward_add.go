package cli

import (
	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/operations"
)

func (a *app) forwardAdd() *cobra.Command {
	var o operations.Options
	var ifNotExists bool
	c := &cobra.Command{
		Use: "add ADDRESS:PORT[-LAST][/PROTO] VM:PORT", Short: "Carry a port, or a range of ports, of an external address to a VM",
		Example: `  ispctl forward add 203.0.113.10:2222/tcp web1:22
  ispctl forward add 203.0.113.11:53/udp dns1:53
  ispctl forward add 203.0.113.11:5000-5100/udp voice1:5000
  ispctl forward add '[2001:db8:40::2]:443/tcp' web1:443`,
		Args: args(2, "ADDRESS:PORT/PROTO and VM:PORT"),
		ValidArgsFunction: func(c *cobra.Command, given []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
			switch len(given) {
			case 0:
				return first(a.complete(addressNames))(c, given, word)
			case 1:
				return a.complete(vmNames)(c, given, word)
			}
			return nothing(c, given, word)
		},
		RunE: func(c *cobra.Command, given []string) error {
			listen, last, err := ispctl.ParseListenRange(given[0])
			if err != nil {
				return err
			}
			vm, port, err := ispctl.ParseForwardTarget(given[1])
			if err != nil {
				return err
			}
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			r, err := p.AddForward(c.Context(), ispctl.Forward{Listen: listen, Last: last, VM: vm, Port: port}, ifNotExists, o)
			return a.report(r, o, err)
		},
	}
	c.Flags().BoolVar(&ifNotExists, "if-not-exists", false, "succeed if the same forward is there")
	dryRunFlag(c, &o)
	wallFlags(c, &o)
	return c
}
