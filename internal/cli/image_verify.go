package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (a *app) imageVerify() *cobra.Command {
	c := &cobra.Command{
		Use: "verify [NAME|DIGEST]", Short: "Read images whole and compare them with what they are called by",
		Example: "  ispctl image verify\n  ispctl image verify debian-12",
		Args: func(c *cobra.Command, given []string) error {
			if len(given) > 1 {
				return args(1, "one image at most")(c, given)
			}
			return nil
		},
		ValidArgsFunction: first(a.complete(imageNames)),
		RunE: func(c *cobra.Command, given []string) error {
			p, _, err := a.reader(c.Context())
			if err != nil {
				return err
			}
			name := ""
			if len(given) > 0 {
				name = given[0]
			}
			verdicts, err := p.VerifyImages(c.Context(), name)
			for _, v := range verdicts {
				word := "sound"
				if !v.Sound {
					word = "damaged"
				}
				fmt.Fprintf(a.streams.Out, "%-7s image %s %s\n", word, v.Name, v.Digest)
			}
			return err
		},
	}
	return c
}
