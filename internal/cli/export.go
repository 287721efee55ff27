package cli

import "github.com/spf13/cobra"

func (a *app) exportCmd() *cobra.Command {
	return &cobra.Command{
		Use: "export", Short: "Print the provider as a document that apply takes",
		Example: "  ispctl export > provider.yaml",
		Args:    args(0, "no argument"), ValidArgsFunction: nothing,
		RunE: func(c *cobra.Command, _ []string) error {
			p, _, err := a.reader(c.Context())
			if err != nil {
				return err
			}
			text, err := p.Export(c.Context())
			if err != nil {
				return err
			}
			_, err = a.streams.Out.Write(text)
			return err
		},
	}
}
