package cli

import (
	"github.com/spf13/cobra"

	"ispctl/operations"
)

func (a *app) zonePolicyAllow() *cobra.Command {
	var o operations.Options
	var f policyFlags
	var log bool
	c := &cobra.Command{
		Use: "allow FROM TO", Short: "Let connections be opened from one end to another",
		Example: `  ispctl zone policy allow dmz mail --service tcp/25,icmp
  ispctl zone policy allow mail internet --service tcp/25 --log
  ispctl zone policy allow dmz host --service udp/53`,
		Args: args(2, "the two ends"), ValidArgsFunction: a.completeEnds,
		RunE: func(c *cobra.Command, given []string) error {
			spec, err := f.spec(given)
			if err != nil {
				return err
			}
			spec.Log = log
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			r, err := p.AllowPolicy(c.Context(), spec, o)
			return a.report(r, o, err)
		},
	}
	f.add(c, "everything")
	c.Flags().BoolVar(&log, "log", false, "write each new connection to the kernel's log")
	dryRunFlag(c, &o)
	wallFlags(c, &o)
	return c
}
