package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"ispctl"
)

func (a *app) templateCreate() *cobra.Command {
	var from, description string
	c := &cobra.Command{
		Use: "create NAME --from VM", Short: "Make a template from what a VM's disk holds now",
		Long: `Make a template, and an image of the same name, from what a VM's first disk holds now.

What is that VM's own does not come along: host keys, machine-id, authorized and other
SSH keys, passwords, shell histories, logs, mail, temporary files, what cloud-init kept,
and whatever was deleted. Keys and passwords in files of applications are for you to
remove before. Packages, files and steps of the VM's template are on the disk already,
and not done again.

The VM goes on meanwhile; the image is as a power cut would have left the disk, mended.`,
		Example: "  ispctl template create shop --from web1\n  ispctl vm create shop1 --template shop --zone dmz --plan small",
		Args:    args(1, "the name of a template"), ValidArgsFunction: nothing,
		RunE: func(c *cobra.Command, given []string) error {
			name, err := ispctl.ParseName("template", given[0])
			if err != nil {
				return err
			}
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			said, err := p.CreateTemplate(c.Context(), name, from, description, a.imageProgress())
			for _, line := range said {
				fmt.Fprintln(a.streams.Out, line)
			}
			return err
		},
	}
	c.Flags().StringVar(&from, "from", "", "the VM whose disk is taken")
	c.Flags().StringVar(&description, "description", "", "what it is for")
	_ = c.RegisterFlagCompletionFunc("from", a.complete(vmNames))
	required(c, "from")
	return c
}
