package cli

import (
	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/operations"
)

func (a *app) planCreate() *cobra.Command {
	var o operations.Options
	var plan ispctl.Plan
	var memory, disk string
	var ifNotExists bool
	c := &cobra.Command{
		Use: "create NAME --cpus N --memory SIZE --disk SIZE", Short: "Make a plan",
		Example: "  ispctl plan create small --cpus 1 --memory 512MiB --disk 4GiB --down 100mbit --up 50mbit --guarantee 10mbit",
		Args:    args(1, "the name of a plan"), ValidArgsFunction: nothing,
	}
	limits := limitFlags(c, "")
	c.RunE = func(c *cobra.Command, given []string) error {
		var err error
		if plan.Name, err = ispctl.ParseName("plan", given[0]); err != nil {
			return err
		}
		if plan.Memory, err = ispctl.ParseSize(memory); err != nil {
			return err
		}
		if plan.Disk, err = ispctl.ParseSize(disk); err != nil {
			return err
		}
		for _, f := range ispctl.LimitTable() {
			if text, there := limits()[f.Name]; there {
				if err := f.Set(&plan.Limits, text); err != nil {
					return err
				}
			}
		}
		p, err := a.provider(c.Context())
		if err != nil {
			return err
		}
		r, err := p.CreatePlan(c.Context(), plan, ifNotExists, o)
		return a.report(r, o, err)
	}
	c.Flags().IntVar(&plan.CPUs, "cpus", 1, "virtual CPUs")
	c.Flags().StringVar(&memory, "memory", "", "memory, as 512MiB")
	c.Flags().StringVar(&disk, "disk", "", "size of the first disk, as 4GiB")
	c.Flags().BoolVar(&ifNotExists, "if-not-exists", false, "succeed if there is one of that name")
	dryRunFlag(c, &o)
	required(c, "memory", "disk")
	return c
}
