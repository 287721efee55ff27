package cli

import (
	"cmp"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"ispctl/images"
)

// CacheEnv names the environment variable that stands for --cache.
const CacheEnv = "ISPCTL_CACHE"

func (a *app) imageBuild() *cobra.Command {
	o := images.BuildOptions{}
	c := &cobra.Command{
		Use: "build NAME", Short: "Build an image from packages and take it into the store",
		Example: "  ispctl image build debian-12\n  ispctl image build micro --mirror http://deb.debian.org/debian",
		Args:    args(1, "the name of an image"),
		ValidArgsFunction: first(func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return namesOf(images.Catalogue(), func(r images.Recipe) string { return string(r.Name) }), cobra.ShellCompDirectiveNoFileComp
		}),
		RunE: func(c *cobra.Command, given []string) error {
			p, _, err := a.reader(c.Context())
			if err != nil {
				return err
			}
			o.Progress = func(e images.Event) {
				fmt.Fprintf(a.streams.Err, "%-10s %d/%d %s\n", e.Phase, e.Done, e.Total, e.Message)
			}
			image, err := p.BuildImage(c.Context(), given[0], o)
			if err != nil {
				return err
			}
			fmt.Fprintf(a.streams.Out, "+ image %s %s\n", image.Name, image.Digest)
			return nil
		},
	}
	c.Flags().StringVar(&o.Mirror, "mirror", os.Getenv(images.MirrorEnv), "Debian archive to take packages from (or "+images.MirrorEnv+"); without it, where the host gets them")
	c.Flags().StringVar(&o.CacheDir, "cache", cmp.Or(os.Getenv(CacheEnv), "/var/cache/ispctl/images"), "where finished builds are kept (or "+CacheEnv+"); a build by the same recipe is taken from there")
	return c
}
