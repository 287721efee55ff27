package cli

import (
	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/operations"
)

func (a *app) qosUplink() *cobra.Command {
	var o operations.Options
	var down, up string
	c := &cobra.Command{
		Use: "uplink", Short: "Say what the uplink carries, so that no more than that is promised",
		Example: "  ispctl qos uplink --down 1gbit --up 1gbit",
		Args:    args(0, "no argument"), ValidArgsFunction: nothing,
		RunE: func(c *cobra.Command, _ []string) error {
			rates := map[string]ispctl.Rate{}
			for name, text := range map[string]string{"down": down, "up": up} {
				switch {
				case !c.Flags().Changed(name):
				case text == "none":
					rates[name] = ispctl.NoLimit
				default:
					rate, err := ispctl.ParseRate(text)
					if err != nil {
						return err
					}
					if rate == 0 {
						return ispctl.Invalid("rate", text, "is nothing; to say that it is not known, write none")
					}
					rates[name] = rate
				}
			}
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			r, err := p.SetUplinkRates(c.Context(), rates["down"], rates["up"], o)
			return a.report(r, o, err)
		},
	}
	c.Flags().StringVar(&down, "down", "", "what it brings in, as 1gbit, or none")
	c.Flags().StringVar(&up, "up", "", "what it takes out, as 1gbit, or none")
	dryRunFlag(c, &o)
	return c
}
