package cli

import (
	"cmp"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/images"
)

// CacheEnv names the environment variable that stands for --cache.
const CacheEnv = "ISPCTL_CACHE"

func (a *app) imageBuild() *cobra.Command {
	o := images.BuildOptions{}
	var verbose bool
	var name string
	c := &cobra.Command{
		Use: "build NAME", Short: "Build an image from packages and take it into the store",
		Example: "  ispctl image build debian-12\n  ispctl image build debian-12 --name web --packages nginx,certbot\n  ispctl image build micro --mirror http://deb.debian.org/debian",
		Args:    args(1, "the name of an image"),
		ValidArgsFunction: first(func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return namesOf(images.Catalogue(), func(r images.Recipe) string { return string(r.Name) }), cobra.ShellCompDirectiveNoFileComp
		}),
		RunE: func(c *cobra.Command, given []string) error {
			p, _, err := a.reader(c.Context())
			if err != nil {
				return err
			}
			if name != "" {
				if o.Name, err = ispctl.ParseName("image", name); err != nil {
					return err
				}
			}
			o.Progress = a.buildProgress(verbose)
			image, err := p.BuildImage(c.Context(), given[0], o)
			if err != nil {
				return err
			}
			fmt.Fprintf(a.streams.Out, "+ image %s %s\n", image.Name, image.Digest)
			return nil
		},
	}
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, "show every line that the programs print")
	c.Flags().StringVar(&name, "name", "", "what to call the image; without it, as the recipe")
	c.Flags().StringVar(&o.Release, "release", "", "release of Debian to build from, instead of the recipe's: bookworm, trixie")
	c.Flags().StringSliceVar(&o.Packages, "packages", nil, "packages to install besides those of the recipe")
	c.Flags().StringVar(&o.Mirror, "mirror", os.Getenv(images.MirrorEnv), "archive to take Debian packages from (or "+images.MirrorEnv+"); without it, where the host gets them")
	c.Flags().StringVar(&o.CacheDir, "cache", cmp.Or(os.Getenv(CacheEnv), "/var/cache/ispctl/images"), "where finished builds are kept (or "+CacheEnv+"); a build by the same recipe is taken from there")
	return c
}

// buildProgress shows a build: the latest line, written over the one before, on
// a terminal; a line per step elsewhere; every line where that is asked for.
func (a *app) buildProgress(verbose bool) func(images.Event) {
	const width = 100
	var last images.Event
	return func(e images.Event) {
		line := fmt.Sprintf("%-10s %d/%d %s", e.Phase, e.Done, e.Total, e.Message)
		step := e.Phase != last.Phase || e.Done != last.Done
		last = e
		switch {
		case verbose:
			fmt.Fprintln(a.streams.Err, line)
		case a.streams.Terminal:
			fmt.Fprintf(a.streams.Err, "\r\033[K%.*s", width, line)
			if e.Done == e.Total {
				fmt.Fprintln(a.streams.Err)
			}
		case step:
			fmt.Fprintln(a.streams.Err, line)
		}
	}
}
