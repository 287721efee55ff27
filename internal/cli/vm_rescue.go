package cli

import (
	"github.com/spf13/cobra"

	"ispctl/operations"
)

func (a *app) vmRescue() *cobra.Command {
	var o operations.Options
	var image string
	var end bool
	var wait waiting
	c := &cobra.Command{
		Use: "rescue NAME", Short: "Boot another system beside a VM's own disk, for who is locked out",
		Long: `Boot another system beside a VM's own disk, for who is locked out of it.

The VM is cut off, and boots a fresh system from an image, which the VM's keys let
into. It is on the admin leg of its zone and nowhere else; its own disk is
/dev/disk/by-id/virtio-rescued there (/dev/vdc in the image micro), not mounted, and
data disks follow. With --end it boots its own disk again; what was written to the
rescue system is gone.`,
		Example: "  ispctl vm rescue web1 --wait\n  ispctl vm rescue web1 --end --wait",
		Args:    args(1, "the name of a VM"), ValidArgsFunction: first(a.complete(vmNames)),
		RunE: func(c *cobra.Command, given []string) error {
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			var r operations.Result
			if end {
				r, err = p.EndRescue(c.Context(), given[0], o)
			} else {
				r, err = p.RescueVM(c.Context(), given[0], image, o)
			}
			if err := a.report(r, o, err); err != nil || o.DryRun {
				return err
			}
			return wait.until(c.Context(), p, given[0])
		},
	}
	c.Flags().StringVar(&image, "image", "micro", "what it boots")
	c.Flags().BoolVar(&end, "end", false, "boot its own disk again")
	wait.flags(c)
	dryRunFlag(c, &o)
	_ = c.RegisterFlagCompletionFunc("image", a.complete(imageNames))
	return c
}
