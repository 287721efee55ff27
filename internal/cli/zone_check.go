package cli

import (
	"strconv"

	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/operations"
)

var checkListing = listing[operations.CheckView]{
	name: func(v operations.CheckView) string { return strconv.FormatBool(v.Allowed) },
	columns: []column[operations.CheckView]{
		{"FROM", false, func(v operations.CheckView) string { return string(v.From) }},
		{"TO", false, func(v operations.CheckView) string { return string(v.To) }},
		{"SERVICE", false, func(v operations.CheckView) string { return v.Service }},
		{"FAMILY", false, func(v operations.CheckView) string { return string(v.Family) }},
		{"ALLOWED", false, func(v operations.CheckView) string { return strconv.FormatBool(v.Allowed) }},
		{"RULE", false, func(v operations.CheckView) string { return v.Rule }},
	},
}

func (a *app) zoneCheck() *cobra.Command {
	var family string
	c := &cobra.Command{
		Use: "check FROM TO SERVICE", Short: "Say what would happen to a connection, and which rule decides",
		Example: "  ispctl zone check dmz mail tcp/25\n  ispctl zone check dmz internet tcp/443 -o json",
		Args:    args(3, "two ends and a service"), ValidArgsFunction: a.completeEnds,
		RunE: func(c *cobra.Command, given []string) error {
			if err := a.checkFormat(); err != nil {
				return err
			}
			o, err := ispctl.ParseOpening(given[2])
			if err != nil {
				return err
			}
			f, err := ispctl.ParseFamily(family)
			if err != nil {
				return err
			}
			p, _, err := a.reader(c.Context())
			if err != nil {
				return err
			}
			v, err := p.CheckPolicy(c.Context(), given[0], given[1], o, f)
			if err != nil {
				return err
			}
			return checkListing.show(a, v)
		},
	}
	c.Flags().StringVar(&family, "family", string(ispctl.IPv4), "ipv4 or ipv6")
	a.outputFlag(c)
	return c
}
