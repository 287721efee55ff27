package cli

import (
	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/operations"
)

func (a *app) qosHost() *cobra.Command {
	var o operations.Options
	var reserve, memory, disk string
	c := &cobra.Command{
		Use: "host", Short: "Say how much of this host guests may be given",
		Long: `Say how much of this host guests may be given.

The reserve is memory that stays the host's own: below it, memory is taken from
guests that have more than their guarantee. What is left may be guaranteed to
guests once, and given to them as often as the overcommit says; the same holds for
the room where their disks are. What would promise more is refused.`,
		Example: "  ispctl qos host --memory-reserve 2GiB --memory-overcommit 150%\n  ispctl qos host --disk-overcommit none --memory-overcommit default",
		Args:    args(0, "no argument"), ValidArgsFunction: nothing,
		RunE: func(c *cobra.Command, _ []string) error {
			var change ispctl.SharingChange
			if c.Flags().Changed("memory-reserve") {
				size, err := ispctl.ParseReserve(reserve)
				if err != nil {
					return err
				}
				change.MemoryReserve = &size
			}
			for _, one := range []struct {
				name, text string
				unlimited  bool
				into       **ispctl.Percent
			}{{"memory-overcommit", memory, false, &change.MemoryOvercommit}, {"disk-overcommit", disk, true, &change.DiskOvercommit}} {
				if !c.Flags().Changed(one.name) {
					continue
				}
				ratio, err := ispctl.ParseOvercommit(one.text, one.unlimited)
				if err != nil {
					return err
				}
				*one.into = &ratio
			}
			if change == (ispctl.SharingChange{}) {
				return &ispctl.Error{Kind: ispctl.Usage, Object: "host", Cause: "nothing to change was given", Next: "see: ispctl qos host --help; what there is: ispctl qos capacity"}
			}
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			r, err := p.SetSharing(c.Context(), change, o)
			return a.report(r, o, err)
		},
	}
	c.Flags().StringVar(&reserve, "memory-reserve", "", "memory that stays the host's own (SIZE, or default: a twentieth, 256MiB to 4GiB)")
	c.Flags().StringVar(&memory, "memory-overcommit", "", "how much of the rest guests may have together (PERCENT, or default: 100%)")
	c.Flags().StringVar(&disk, "disk-overcommit", "", "how much of the room for disks their sizes may come to (PERCENT, none, or default: 100%)")
	dryRunFlag(c, &o)
	return c
}
