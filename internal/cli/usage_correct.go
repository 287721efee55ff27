package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/meter"
)

func (a *app) usageCorrect() *cobra.Command {
	var in, out, reason, at string
	c := &cobra.Command{
		Use: "correct VM --reason TEXT", Short: "Set right what was metered wrongly, by a difference that stands in the report",
		Example: `  ispctl usage correct web1 --in -120GB --reason attack
  ispctl usage correct web1 --out 3GiB --at 2026-10-17 --reason outage`,
		Args: args(1, "the name of a VM"), ValidArgsFunction: first(a.completeUsage),
		RunE: func(c *cobra.Command, given []string) error {
			p, _, err := a.reader(c.Context())
			if err != nil {
				return err
			}
			more, err := parseSigned(in)
			if err != nil {
				return err
			}
			less, err := parseSigned(out)
			if err != nil {
				return err
			}
			var when time.Time
			if at != "" {
				m, err := p.Model(c.Context())
				if err != nil {
					return err
				}
				cal, err := meter.NewCalendar(m.Metering.TimeZone)
				if err != nil {
					return err
				}
				if when, err = moment(cal, at, p.Clock.Now()); err != nil {
					return err
				}
			}
			if err := p.CorrectUsage(c.Context(), given[0], more, less, when, reason); err != nil {
				return err
			}
			fmt.Fprintf(a.streams.Out, "~ usage of %s in %+d out %+d bytes\n", given[0], more, less)
			return nil
		},
	}
	c.Flags().StringVar(&in, "in", "", "bytes in that are added, as 3GiB, or taken off, as -3GiB")
	c.Flags().StringVar(&out, "out", "", "bytes out, likewise")
	c.Flags().StringVar(&at, "at", "", "when it takes effect; now unless told otherwise")
	c.Flags().StringVar(&reason, "reason", "", "why, for whoever reads the report")
	required(c, "reason")
	return c
}

func parseSigned(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	digits, negative := strings.CutPrefix(s, "-")
	n, err := ispctl.ParseSize(strings.TrimPrefix(digits, "+"))
	if negative {
		n = -n
	}
	return int64(n), err
}
