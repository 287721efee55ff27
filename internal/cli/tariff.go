package cli

import (
	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/operations"
)

var tariffListing = listing[operations.TariffView]{
	name: func(t operations.TariffView) string { return string(t.Plan) },
	columns: []column[operations.TariffView]{
		{"PLAN", false, func(t operations.TariffView) string { return string(t.Plan) }},
		{"CURRENCY", false, func(t operations.TariffView) string { return t.Currency }},
		{"VOLUME", false, func(t operations.TariffView) string { return string(t.Volume) }},
		{"INCLUDED", false, func(t operations.TariffView) string { return size(t.Included) }},
		{"PER-GB", false, func(t operations.TariffView) string { return t.PerGB }},
		{"PERCENTILE95", false, func(t operations.TariffView) string { return string(t.Percentile) }},
		{"COMMITTED", false, func(t operations.TariffView) string { return ispctl.Rate(t.Committed).String() }},
		{"PER-MBIT", false, func(t operations.TariffView) string { return t.PerMbit }},
	},
}

func (a *app) tariffList() *cobra.Command {
	return listCommand(a, tariffListing, (*operations.Provider).Tariffs, &cobra.Command{
		Short: "List what the traffic of each plan costs", Example: "  ispctl tariff list -o json",
	})
}

func (a *app) tariffSet() *cobra.Command {
	var o operations.Options
	var t ispctl.Tariff
	var volume, included, perGB, percentile, committed, perMbit string
	c := &cobra.Command{
		Use: "set PLAN --currency EUR", Short: "Say what the traffic of VMs on a plan costs",
		Long: `Say what the traffic of VMs on a plan costs.

A GB is 10^9 bytes, a Mbit/s 10^6 bits a second. Only traffic with the Internet
is billed: by --volume, by the 95th percentile of five-minute averages with
--percentile, or by both.`,
		Example: `  ispctl tariff set small --currency EUR --volume sum --included 2TB --per-gb 0.002
  ispctl tariff set large --currency EUR --percentile max --committed 100mbit --per-mbit 0.80`,
		Args: args(1, "the name of a plan"), ValidArgsFunction: first(a.complete(planNames)),
		RunE: func(c *cobra.Command, given []string) error {
			var err error
			if t.Plan, err = ispctl.ParseName("plan", given[0]); err != nil {
				return err
			}
			t.Volume, t.Percentile = ispctl.Direction(volume), ispctl.Direction(percentile)
			for _, flag := range []struct {
				text string
				read func(string) error
			}{
				{included, func(s string) (err error) { t.Included, err = ispctl.ParseSize(s); return err }},
				{perGB, func(s string) (err error) { t.PerGB, err = ispctl.ParsePrice(s); return err }},
				{committed, func(s string) (err error) { t.Committed, err = ispctl.ParseRate(s); return err }},
				{perMbit, func(s string) (err error) { t.PerMbit, err = ispctl.ParsePrice(s); return err }},
			} {
				if flag.text == "" {
					continue
				}
				if err := flag.read(flag.text); err != nil {
					return err
				}
			}
			if err := t.Validate(); err != nil {
				return err
			}
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			r, err := p.SetTariff(c.Context(), t, o)
			return a.report(r, o, err)
		},
	}
	c.Flags().StringVar(&t.Currency, "currency", "", "ISO 4217, as EUR")
	c.Flags().StringVar(&volume, "volume", "", "bill volume in this direction: in, out, sum or max")
	c.Flags().StringVar(&included, "included", "", "volume a month that costs nothing, as 2TB")
	c.Flags().StringVar(&perGB, "per-gb", "", "price of each GB above")
	c.Flags().StringVar(&percentile, "percentile", "", "bill the 95th percentile in this direction: in, out, sum or max")
	c.Flags().StringVar(&committed, "committed", "", "rate that costs nothing, as 100mbit")
	c.Flags().StringVar(&perMbit, "per-mbit", "", "price of each Mbit/s above")
	dryRunFlag(c, &o)
	required(c, "currency")
	return c
}

func (a *app) tariffRemove() *cobra.Command {
	var o operations.Options
	var ifExists bool
	c := &cobra.Command{
		Use: "remove PLAN", Short: "Bill nothing for the traffic of VMs on a plan",
		Example: "  ispctl tariff remove small",
		Args:    args(1, "the name of a plan"), ValidArgsFunction: first(a.complete(planNames)),
		RunE: func(c *cobra.Command, given []string) error {
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			r, err := p.RemoveTariff(c.Context(), given[0], ifExists, o)
			return a.report(r, o, err)
		},
	}
	c.Flags().BoolVar(&ifExists, "if-exists", false, "succeed if there is none")
	dryRunFlag(c, &o)
	return c
}
