package cli

import (
	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/operations"
)

func (a *app) planSet() *cobra.Command {
	var o operations.Options
	var cpus int
	var memory, disk string
	c := &cobra.Command{
		Use: "set NAME", Short: "Change a plan, and with it all VMs on it",
		Long: `Change a plan, and with it all VMs on it.

Rates, CPU time, the disk's rates and its size (it grows, and never shrinks) change
at once, in the VMs that run too. CPUs and memory change when a VM is started
next; those that have to be are named.`,
		Example: "  ispctl plan set small --down 100mbit --up 50mbit --guarantee 10mbit\n  ispctl plan set small --down none",
		Args:    args(1, "the name of a plan"), ValidArgsFunction: first(a.complete(planNames)),
	}
	limits := limitFlags(c, ", or none")
	c.RunE = func(c *cobra.Command, given []string) error {
		change := operations.PlanChange{Limits: limits()}
		if c.Flags().Changed("cpus") {
			change.CPUs = &cpus
		}
		for _, one := range []struct {
			name, text string
			into       **ispctl.Size
		}{{"memory", memory, &change.Memory}, {"disk", disk, &change.Disk}} {
			if !c.Flags().Changed(one.name) {
				continue
			}
			size, err := ispctl.ParseSize(one.text)
			if err != nil {
				return err
			}
			*one.into = &size
		}
		p, err := a.provider(c.Context())
		if err != nil {
			return err
		}
		r, err := p.SetPlan(c.Context(), given[0], change, o)
		return a.report(r, o, err)
	}
	c.Flags().IntVar(&cpus, "cpus", 0, "virtual CPUs")
	c.Flags().StringVar(&memory, "memory", "", "memory, as 512MiB")
	c.Flags().StringVar(&disk, "disk", "", "size of the first disk, as 4GiB")
	dryRunFlag(c, &o)
	return c
}
