package cli

import (
	"strconv"

	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/operations"
)

// ofPlan is the word for a size that is the plan's again.
const ofPlan = "plan"

func (a *app) vmResize() *cobra.Command {
	var o operations.Options
	var cpus, memory, disk string
	c := &cobra.Command{
		Use: "resize NAME", Short: "Give a VM CPUs, memory or a first disk of its own size",
		Long: `Give a VM CPUs, memory or a first disk of its own size, in place of its plan's.

The disk grows at once, and never shrinks. CPUs and memory are there from the next
start on; the command says so. "plan" makes them the plan's again.`,
		Example: "  ispctl vm resize web1 --disk 40GiB\n  ispctl vm resize web1 --cpus 4 --memory 8GiB\n  ispctl vm resize web1 --memory plan",
		Args:    args(1, "the name of a VM"), ValidArgsFunction: first(a.complete(vmNames)),
		RunE: func(c *cobra.Command, given []string) error {
			var size operations.VMSize
			if c.Flags().Changed("cpus") {
				n, err := strconv.Atoi(cpus)
				if err != nil && cpus != ofPlan || err == nil && n < 1 {
					return ispctl.Invalid("number of CPUs", cpus, `is no number from 1 on, nor "plan"`)
				}
				size.CPUs = &n
			}
			if c.Flags().Changed("memory") {
				n := ispctl.Size(0)
				var err error
				if memory != ofPlan {
					if n, err = ispctl.ParseSize(memory); err != nil {
						return err
					}
				}
				size.Memory = &n
			}
			if c.Flags().Changed("disk") {
				n, err := ispctl.ParseSize(disk)
				if err != nil {
					return err
				}
				size.Disk = &n
			}
			if size == (operations.VMSize{}) {
				return ispctl.Invalid("vm", given[0], "nothing to change was given: --cpus, --memory or --disk")
			}
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			r, err := p.ResizeVM(c.Context(), given[0], size, o)
			return a.report(r, o, err)
		},
	}
	c.Flags().StringVar(&cpus, "cpus", "", "virtual CPUs, or plan")
	c.Flags().StringVar(&memory, "memory", "", "memory, as 8GiB, or plan")
	c.Flags().StringVar(&disk, "disk", "", "size of its first disk, as 40GiB")
	dryRunFlag(c, &o)
	return c
}
