package cli

import (
	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/operations"
)

func (a *app) qosFlowAdd() *cobra.Command {
	var o operations.Options
	var f flowFlags
	var rate, priority string
	var each bool
	c := &cobra.Command{
		Use: "add VM --match WHAT", Short: "Limit some of a VM's traffic with the Internet, in each direction",
		Long: `Limit some of a VM's traffic with the Internet, in each direction, or say how
urgent it is.

A rate is for all that matches, together; with --per-connection each connection
has it for itself, and what is beyond is dropped. A priority says what goes first
when the VM's own ceiling is reached.`,
		Example: "  ispctl qos flow add web1 --match tcp/80 --rate 5mbit\n  ispctl qos flow add web1 --remote 198.51.100.0/24 --rate 1mbit\n  ispctl qos flow add web1 --match tcp/443 --rate 5mbit --per-connection\n  ispctl qos flow add web1 --match udp/5060 --priority interactive",
		Args:    args(1, "the name of a VM"), ValidArgsFunction: first(a.complete(vmNames)),
		RunE: func(c *cobra.Command, given []string) error {
			flow, err := f.flow(given[0])
			if err != nil {
				return err
			}
			if rate != "" {
				if flow.Rate, err = ispctl.ParseRate(rate); err != nil {
					return err
				}
				if flow.Rate == 0 {
					return ispctl.Invalid("rate", rate, "is nothing; to have no rate, leave it out")
				}
			}
			if priority != "" {
				if flow.Urgency, err = ispctl.ParsePriority(priority); err != nil {
					return err
				}
			}
			flow.Each = each
			if err := flow.Validate(); err != nil {
				return err
			}
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			r, err := p.AddFlow(c.Context(), flow, o)
			return a.report(r, o, err)
		},
	}
	f.add(c)
	c.Flags().StringVar(&rate, "rate", "", "ceiling, as 5mbit")
	c.Flags().BoolVar(&each, "per-connection", false, "the rate is each connection's, not that of all together")
	c.Flags().StringVar(&priority, "priority", "", "interactive, normal or bulk")
	_ = c.RegisterFlagCompletionFunc("priority", cobra.FixedCompletions([]cobra.Completion{"interactive", "normal", "bulk"}, cobra.ShellCompDirectiveNoFileComp))
	dryRunFlag(c, &o)
	return c
}
