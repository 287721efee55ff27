package cli

import (
	"strconv"

	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/operations"
)

var totalListing = listing[operations.TotalView]{
	name: func(v operations.TotalView) string { return v.Kind + " " + string(v.Name) },
	columns: []column[operations.TotalView]{
		{"OF", false, func(v operations.TotalView) string { return v.Kind }},
		{"NAME", false, func(v operations.TotalView) string { return string(v.Name) }},
		{"DOWN", false, func(v operations.TotalView) string { return rateText(v.Down) }},
		{"UP", false, func(v operations.TotalView) string { return rateText(v.Up) }},
		{"GUARANTEE", false, func(v operations.TotalView) string { return rateText(v.Guarantee) }},
		{"PROMISED", true, func(v operations.TotalView) string { return rateText(v.Promised) }},
		{"VMS", false, func(v operations.TotalView) string { return strconv.Itoa(v.VMs) }},
	},
}

// totalArgs complete "zone NAME" and "tenant NAME".
func (a *app) totalArgs(c *cobra.Command) {
	c.Args = args(2, "zone or tenant, and its name")
	zones, tenants := a.complete(zoneNames), a.complete(tenantNames)
	c.ValidArgsFunction = func(c *cobra.Command, given []string, begun string) ([]string, cobra.ShellCompDirective) {
		switch len(given) {
		case 0:
			return []string{string(ispctl.ZoneTotal), string(ispctl.TenantTotal)}, cobra.ShellCompDirectiveNoFileComp
		case 1:
			if given[0] == string(ispctl.TenantTotal) {
				return tenants(c, nil, begun)
			}
			return zones(c, nil, begun)
		}
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
}

func (a *app) qosTotalSet() *cobra.Command {
	var o operations.Options
	c := &cobra.Command{
		Use: "set zone|tenant NAME", Short: "Say what all guests of a zone or a tenant may have of the uplink together",
		Long: `Say what all guests of a zone or a tenant may have of the uplink together: ceilings
of what they exchange with the Internet, and a guarantee that they share. Each stays under
its own limits, too. "none" takes one away.`,
		Example: "  ispctl qos total set zone dmz --down 500mbit --up 200mbit\n  ispctl qos total set zone dmz --guarantee 100mbit --up none\n  ispctl qos total set tenant acme --down 1gbit --guarantee 50mbit",
	}
	a.totalArgs(c)
	texts := map[string]*string{}
	for _, f := range ispctl.LimitTable() {
		switch f.Name {
		case "down", "up":
			texts[f.Name] = c.Flags().String(f.Name, "", "ceiling of what they exchange with the Internet in this direction (RATE or none)")
		case "guarantee":
			texts[f.Name] = c.Flags().String(f.Name, "", "rate that they are promised together, in each direction (RATE or none)")
		}
	}
	c.RunE = func(c *cobra.Command, given []string) error {
		said := map[string]string{}
		for name, text := range texts {
			if c.Flags().Changed(name) {
				said[name] = *text
			}
		}
		p, err := a.provider(c.Context())
		if err != nil {
			return err
		}
		r, err := p.SetTotal(c.Context(), ispctl.TotalKind(given[0]), given[1], said, o)
		return a.report(r, o, err)
	}
	dryRunFlag(c, &o)
	return c
}

func (a *app) qosTotalList() *cobra.Command {
	return listCommand(a, totalListing, (*operations.Provider).Totals, &cobra.Command{
		Short:   "List what zones and tenants may have together",
		Example: "  ispctl qos total list",
	})
}

func (a *app) qosTotalRemove() *cobra.Command {
	var o operations.Options
	var ifExists bool
	c := &cobra.Command{
		Use: "remove zone|tenant NAME", Short: "Take a total away",
		Example: "  ispctl qos total remove zone dmz",
		RunE: func(c *cobra.Command, given []string) error {
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			r, err := p.RemoveTotal(c.Context(), ispctl.TotalKind(given[0]), given[1], ifExists, o)
			return a.report(r, o, err)
		},
	}
	a.totalArgs(c)
	c.Flags().BoolVar(&ifExists, "if-exists", false, "succeed if there is none")
	dryRunFlag(c, &o)
	return c
}
