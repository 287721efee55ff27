package cli

import (
	"fmt"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"ispctl/operations"
)

func (a *app) statusCmd() *cobra.Command {
	c := &cobra.Command{
		Use: "status", Short: "Show how the provider is: what it has, what is wrong, what is pending",
		Example: "  ispctl status\n  ispctl status -o json",
		Args:    args(0, "no argument"), ValidArgsFunction: nothing,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := a.checkFormat(); err != nil {
				return err
			}
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			s, err := p.Status(c.Context())
			if err != nil {
				return err
			}
			switch a.format {
			case "json":
				return printJSON(a.streams.Out, s)
			case "yaml":
				return printYAML(a.streams.Out, s)
			}
			return a.statusTable(s)
		},
	}
	a.outputFlag(c)
	return c
}

func (a *app) statusTable(s operations.StatusView) error {
	w := tabwriter.NewWriter(a.streams.Out, 0, 8, 2, ' ', 0)
	for _, row := range [][2]string{
		{"root", orDash(s.Root)},
		{"namespace", orDash(s.NetNS)},
		{"hypervisor", s.Hypervisor},
		{"uplink", orDash(s.Uplink)},
		{"zones", strconv.Itoa(s.Zones)},
		{"addresses", strconv.Itoa(s.Addresses)},
		{"forwards", strconv.Itoa(s.Forwards)},
		{"vms", fmt.Sprintf("%d (%d wanted running)", s.VMs, s.WantedRunning)},
		{"pending", plural(len(s.Pending), "change")},
	} {
		fmt.Fprintf(w, "%s\t%s\n", row[0], row[1])
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, f := range s.Faults {
		fmt.Fprintf(a.streams.Out, "wrong: %s: %s\n", f.Object, f.Error)
	}
	for _, c := range s.Pending {
		fmt.Fprintf(a.streams.Out, "pending: %s\n", c)
	}
	return nil
}
