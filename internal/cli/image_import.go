package cli

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"ispctl/images"
)

func (a *app) imageImport() *cobra.Command {
	var o images.ImportOptions
	var name, largest string
	c := &cobra.Command{
		Use: "import FILE", Short: "Take a disk image from a file into the store",
		Long: `Take a disk image from a file into the store: raw, qcow2, VMDK, VHD, VHDX or VDI,
as it is, compressed by gzip, xz or zstd, or alone in a tar, OVA or zip archive.

What it is, its content says, not its name. It must be one whole disk: a file that
names others (backing files, extents, parents), is encrypted, or whose tables do
not add up is refused, with the reason. The conversion runs without a network, as
a user of its own that sees no other file.`,
		Example: `  ispctl image import appliance.ova --name appliance
  ispctl image import root.img.xz --name own --kernel vmlinuz --initrd initrd.img --cmdline root=/dev/vda`,
		Args: args(1, "a file"),
		ValidArgsFunction: first(func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveDefault
		}),
		RunE: func(c *cobra.Command, given []string) error {
			if err := foreignImage(&o, name, largest); err != nil {
				return err
			}
			p, _, err := a.reader(c.Context())
			if err != nil {
				return err
			}
			o.Source, o.Progress = filepath.Base(given[0]), a.imageProgress()
			image, err := p.ImportImage(c.Context(), given[0], o)
			if err != nil {
				return err
			}
			fmt.Fprintf(a.streams.Out, "+ image %s %s\n", image.Name, image.Digest)
			return nil
		},
	}
	foreignFlags(c, &o, &name, &largest)
	return c
}
