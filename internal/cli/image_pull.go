package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/images"
)

func (a *app) imagePull() *cobra.Command {
	var o images.PullOptions
	var name, largest string
	c := &cobra.Command{
		Use: "pull NAME|URL", Short: "Get an image that others publish, verify it, and take it into the store",
		Long: `Get an image that others publish, verify it, and take it into the store.

A NAME is one of the catalogue (ispctl image catalogue), which says where the
checksums are and who signs them. Of a URL you say yourself what the file is to
be: by --sha256, by --signature with --keyring, or both; everything that is given
must hold. A transfer that was cut goes on where it was when the same command is
run again.`,
		Example: `  ispctl image pull ubuntu-24-04
  ispctl image pull https://example.org/appliance.qcow2 --name appliance --sha256 b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c`,
		Args: args(1, "a name of the catalogue, or a URL"),
		ValidArgsFunction: first(func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return namesOf(images.KnownImages(), func(k images.Known) string { return string(k.Name) }), cobra.ShellCompDirectiveNoFileComp
		}),
		RunE: func(c *cobra.Command, given []string) error {
			o.Source = given[0]
			if !strings.Contains(given[0], "://") {
				known, err := images.FindKnown(given[0])
				if err != nil {
					return err
				}
				o.Known, o.Source, o.Name = known, known.URL, known.Name
			}
			if err := foreignImage(&o.ImportOptions, name, largest); err != nil {
				return err
			}
			p, _, err := a.reader(c.Context())
			if err != nil {
				return err
			}
			o.Progress = a.imageProgress()
			image, err := p.PullImage(c.Context(), o)
			if err != nil {
				return err
			}
			fmt.Fprintf(a.streams.Out, "+ image %s %s\n", image.Name, image.Digest)
			return nil
		},
	}
	foreignFlags(c, &o.ImportOptions, &name, &largest)
	c.Flags().StringVar(&o.Signature, "signature", "", "file or URL of a detached OpenPGP signature of the file")
	c.Flags().StringVar(&o.Keyring, "keyring", "", "file with the OpenPGP keys that may sign")
	c.Flags().StringSliceVar(&o.Fingerprints, "fingerprint", nil, "fingerprint of the only key of the keyring that counts (may be repeated)")
	return c
}

// foreignFlags are common to what takes in others' images.
func foreignFlags(c *cobra.Command, o *images.ImportOptions, name, largest *string) {
	c.Flags().StringVar(name, "name", "", "what to call the image; templates ask for it by this name")
	c.Flags().StringVar(&o.SHA256, "sha256", "", "checksum that the file must have, 64 hex digits")
	c.Flags().StringVar(largest, "max-size", images.DefaultLargest.String(), "how large the file, what it unpacks to, and its disk may be")
	c.Flags().StringVar(&o.Kernel, "kernel", "", "file with a kernel that boots the disk; without it, its own boot loader does")
	c.Flags().StringVar(&o.Initrd, "initrd", "", "file with the initial RAM disk that goes with the kernel")
	c.Flags().StringVar(&o.Cmdline, "cmdline", "", "command line of the kernel")
}

// foreignImage checks what those flags say.
func foreignImage(o *images.ImportOptions, name, largest string) error {
	if name != "" {
		o.Name = ispctl.Name(name)
	}
	if o.Name == "" {
		return &ispctl.Error{Kind: ispctl.Usage, Cause: "the image needs a name", Next: "give --name"}
	}
	if _, err := ispctl.ParseName("image", string(o.Name)); err != nil {
		return err
	}
	if (o.Kernel == "") != (o.Initrd == "") || o.Kernel == "" && o.Cmdline != "" {
		return &ispctl.Error{Kind: ispctl.Usage, Cause: "a kernel, its initial RAM disk and its command line go together", Next: "give --kernel and --initrd, or none of the three"}
	}
	if o.SHA256 != "" && len(o.SHA256) != 64 {
		return ispctl.Invalid("checksum", o.SHA256, "is no sha256: 64 hex digits")
	}
	var err error
	o.Largest, err = ispctl.ParseSize(largest)
	return err
}

// imageProgress shows the phases of an import and, on a terminal, how far a
// transfer is; elsewhere, each tenth of it.
func (a *app) imageProgress() func(images.Event) {
	tenth := int64(-1)
	return func(e images.Event) {
		if e.Phase != images.PhaseDownload {
			if tenth >= 0 && a.streams.Terminal {
				fmt.Fprintln(a.streams.Err)
			}
			tenth = -1
			fmt.Fprintf(a.streams.Err, "%-10s %s\n", e.Phase, e.Message)
			return
		}
		text, now := approximate(e.Done), e.Done>>28
		if e.Total > 0 {
			text, now = fmt.Sprintf("%3d %% of %s", e.Done*100/e.Total, approximate(e.Total)), e.Done*10/e.Total
		}
		switch {
		case a.streams.Terminal:
			fmt.Fprintf(a.streams.Err, "\r\033[K%-10s %s", e.Phase, text)
		case now != tenth:
			fmt.Fprintf(a.streams.Err, "%-10s %s\n", e.Phase, text)
		}
		tenth = now
	}
}

// approximate is a size that people read while it changes.
func approximate(bytes int64) string {
	if bytes < int64(10*ispctl.MiB) {
		return fmt.Sprintf("%d KiB", bytes/int64(ispctl.KiB))
	}
	return fmt.Sprintf("%d MiB", bytes/int64(ispctl.MiB))
}
