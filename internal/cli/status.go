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
		{"serve", serveText(s.Serve)},
	} {
		fmt.Fprintf(w, "%s\t%s\n", row[0], row[1])
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if c := s.Confirm; c.Pending {
		fmt.Fprintf(a.streams.Out, "unconfirmed: %s of %s is taken back at %s unless you keep it: ispctl confirm\n", c.Command, c.Object, when(c.Deadline))
	}
	for _, f := range s.Faults {
		fmt.Fprintf(a.streams.Out, "wrong: %s: %s\n", f.Object, f.Error)
	}
	for _, u := range s.Unheld {
		fmt.Fprintf(a.streams.Out, "not held: %s of %s: %s\n", u.Limit, plural(len(u.VMs), "VM"), u.Why)
	}
	for _, f := range s.Fallbacks {
		fmt.Fprintf(a.streams.Out, "fallback: this kernel has no %s: %s; %s\n", f.Lacks, f.Instead, f.Means)
	}
	for _, c := range s.Pending {
		fmt.Fprintf(a.streams.Out, "pending: %s\n", c)
	}
	return nil
}

func serveText(v operations.ServeView) string {
	if !v.Running {
		return "not running: what others take away is put back by the next command only; see: systemctl start ispctl"
	}
	return fmt.Sprintf("running, process %d", v.PID)
}
