package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (a *app) usageSample() *cobra.Command {
	return &cobra.Command{
		Use: "sample", Short: "Read all counters once and book what has passed",
		Long: `Read all counters once and book what has passed.

serve does so every ten seconds. Without it, this command does as well, from a
timer: what passes between two readings is spread evenly over the time between
them.`,
		Example: "  ispctl usage sample",
		Args:    args(0, "no argument"), ValidArgsFunction: nothing,
		RunE: func(c *cobra.Command, _ []string) error {
			p, err := a.meteringProvider(c.Context())
			if err != nil {
				return err
			}
			s, err := p.Sampler(c.Context())
			if err != nil {
				return err
			}
			v, err := s.Sample(c.Context())
			for _, n := range v.Notes {
				fmt.Fprintln(a.streams.Err, n)
			}
			if err != nil {
				return err
			}
			fmt.Fprintf(a.streams.Err, "%s read, %s complete\n", plural(v.Counters, "counter"), plural(v.Samples, "sample"))
			_, err = s.JudgeQuotas(c.Context())
			return err
		},
	}
}
