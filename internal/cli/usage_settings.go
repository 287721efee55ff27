package cli

import (
	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/operations"
)

func (a *app) usageSettings() *cobra.Command {
	var o operations.Options
	var want ispctl.Metering
	c := &cobra.Command{
		Use: "settings", Short: "Say when days and months begin, and how long samples and flows are kept",
		Long: `Say when days and months begin, and how long samples are kept.

Samples are of five minutes of UTC. After --keep-days they become hours; the
figures of their month are kept before, for good.`,
		Example: "  ispctl usage settings --time-zone Europe/Berlin --keep-days 400",
		Args:    args(0, "no argument"), ValidArgsFunction: nothing,
		RunE: func(c *cobra.Command, _ []string) error {
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			r, err := p.SetMetering(c.Context(), func(m *ispctl.Metering) {
				if c.Flags().Changed("time-zone") {
					m.TimeZone = want.TimeZone
				}
				if c.Flags().Changed("keep-days") {
					m.KeepDays = want.KeepDays
				}
				if c.Flags().Changed("flow-days") {
					m.FlowDays = want.FlowDays
				}
			}, o)
			return a.report(r, o, err)
		},
	}
	c.Flags().StringVar(&want.TimeZone, "time-zone", "", "of the IANA database, as Europe/Berlin; empty is UTC")
	c.Flags().IntVar(&want.KeepDays, "keep-days", ispctl.DefaultKeepDays, "how long five-minute samples are kept")
	c.Flags().IntVar(&want.FlowDays, "flow-days", ispctl.DefaultFlowDays, "how long it is kept whom guests spoke to, in zones with --flows")
	dryRunFlag(c, &o)
	return c
}
