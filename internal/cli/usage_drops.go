package cli

import (
	"strconv"

	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/operations"
)

func dropCell(of func(operations.DroppedView) uint64) func(operations.DroppedView) string {
	return func(v operations.DroppedView) string { return strconv.FormatUint(of(v), 10) }
}

var droppedListing = listing[operations.DroppedView]{
	name: func(v operations.DroppedView) string { return string(v.VM) },
	columns: []column[operations.DroppedView]{
		{"VM", false, func(v operations.DroppedView) string { return string(v.VM) }},
		{"ZONE", false, func(v operations.DroppedView) string { return string(v.Zone) }},
		{"WALL", false, dropCell(func(v operations.DroppedView) uint64 { return v.Wall.Packets })},
		{"WALL-BYTES", false, dropCell(func(v operations.DroppedView) uint64 { return v.Wall.Bytes })},
		{"SPOOF", false, dropCell(func(v operations.DroppedView) uint64 { return v.Spoof.Packets })},
		{"SPOOF-BYTES", false, dropCell(func(v operations.DroppedView) uint64 { return v.Spoof.Bytes })},
		{"SHAPER-IN", false, dropCell(func(v operations.DroppedView) uint64 { return v.Shaper.InPackets })},
		{"SHAPER-OUT", false, dropCell(func(v operations.DroppedView) uint64 { return v.Shaper.OutPackets })},
	},
}

func (a *app) usageDrops() *cobra.Command {
	c := &cobra.Command{
		Use: "drops [VM|ZONE]", Short: "Show what was dropped of VMs, by the wall, as spoofed, and by shapers",
		Long: `Show what was dropped of VMs, by the wall, as spoofed, and by shapers.

WALL is frames that a VM sent against the rules of its zone, SPOOF those that it
sent as if it were another; neither is in its usage. SHAPER-IN and SHAPER-OUT are
frames that were more than its rates let through: they are in its usage, for it
asked for them, and the kernel does not count their bytes. Counts begin anew when
a tap or its shaper does. "vm show" has the wall's reasons one by one.`,
		Example: "  ispctl usage drops\n  ispctl usage drops dmz\n  ispctl usage drops web1 -o json",
		Args:    atMost(1, "a VM or a zone"), ValidArgsFunction: first(a.complete(func(m *ispctl.Model) []string { return append(vmNames(m), zoneNames(m)...) })),
		RunE: func(c *cobra.Command, given []string) error {
			if err := a.checkFormat(); err != nil {
				return err
			}
			p, err := a.meteringProvider(c.Context())
			if err != nil {
				return err
			}
			of := ""
			if len(given) > 0 {
				of = given[0]
			}
			all, err := p.DroppedOf(c.Context(), of)
			if err != nil {
				return err
			}
			return droppedListing.list(a, all)
		},
	}
	a.outputFlag(c)
	return c
}
