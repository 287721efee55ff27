package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"ispctl/operations"
)

func (a *app) vmExport() *cobra.Command {
	var o operations.ExportOptions
	c := &cobra.Command{
		Use: "export NAME --output FILE", Short: "Write a VM's disk to a file that stands alone",
		Long: `Write a VM's first disk to a file that stands alone, and FILE.json beside it, which
says what it is: name, plan, sizes, image and checksum.

The VM goes on meanwhile; the file is as a power cut would leave the disk, or with
--snapshot as that was. ispctl image import takes it back in, and so does any other
hypervisor that boots by the disk or is given the image's kernel.`,
		Example: "  ispctl vm export web1 --output /srv/web1.qcow2\n  ispctl vm export web1 --snapshot before-upgrade --format raw --output /srv/web1.raw --force",
		Args:    args(1, "the name of a VM"), ValidArgsFunction: first(a.complete(vmNames)),
		RunE: func(c *cobra.Command, given []string) error {
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			said, err := p.ExportVM(c.Context(), given[0], o)
			if err == nil {
				fmt.Fprintln(a.streams.Out, said)
			}
			return err
		},
	}
	c.Flags().StringVar(&o.File, "output", "", "the file to write")
	c.Flags().StringVar(&o.Format, "format", "qcow2", "qcow2 or raw")
	c.Flags().StringVar(&o.Snapshot, "snapshot", "", "what this snapshot holds, not what the disk holds now")
	c.Flags().BoolVar(&o.Force, "force", false, "replace a file that is there")
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"qcow2", "raw"}, cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("snapshot", func(c *cobra.Command, given []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(given) == 0 {
			return nothing(c, given, word)
		}
		return a.ofVM(snapshotNames)(c, given[:1], word)
	})
	required(c, "output")
	return c
}
