package cli

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

func (a *app) demoStatus() *cobra.Command {
	c := &cobra.Command{
		Use: "status", Short: "Show the demo and what it proved",
		Example: "  ispctl demo status\n  ispctl demo status -o json",
		Args:    args(0, "no argument"), ValidArgsFunction: nothing,
		RunE: func(*cobra.Command, []string) error {
			if err := a.checkFormat(); err != nil {
				return err
			}
			d, err := a.demo()
			if err != nil {
				return err
			}
			s, err := d.Status()
			if err != nil {
				return err
			}
			switch a.format {
			case "json":
				return printJSON(a.streams.Out, s)
			case "yaml":
				return printYAML(a.streams.Out, s)
			}
			w := tabwriter.NewWriter(a.streams.Out, 0, 8, 2, ' ', 0)
			fmt.Fprintln(w, "CHECK\tOK\tDETAIL")
			for _, check := range s.Checks {
				fmt.Fprintf(w, "%s\t%t\t%s\n", check.Name, check.OK, check.Detail)
			}
			if err := w.Flush(); err != nil {
				return err
			}
			for _, vm := range s.VMs {
				fmt.Fprintf(a.streams.Out, "%s %s: %s\n", vm.Name, vm.Address, vm.SSH)
			}
			return nil
		},
	}
	a.outputFlag(c)
	return c
}
