package cli

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/operations"
	"ispctl/operations/document"
)

func (a *app) applyCmd() *cobra.Command {
	var o operations.Options
	var file string
	var prune bool
	c := &cobra.Command{
		Use: "apply -f FILE", Short: "Make the provider what a document says",
		Example: `  ispctl apply -f provider.yaml
  ispctl apply -f provider.yaml --prune
  ispctl export | ispctl --root /srv/other apply -f -`,
		Args: args(0, "no argument"), ValidArgsFunction: nothing,
		RunE: func(c *cobra.Command, _ []string) error {
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			doc, err := a.readDocument(file)
			if err != nil {
				return err
			}
			r, err := p.Apply(c.Context(), doc, prune, o)
			return a.report(r, o, err)
		},
	}
	c.Flags().StringVarP(&file, "file", "f", "", "the document; - is standard input")
	c.Flags().BoolVar(&prune, "prune", false, "remove what an earlier apply made and the document has no more")
	dryRunFlag(c, &o)
	wallFlags(c, &o)
	required(c, "file")
	return c
}

// readDocument reads a document whole, up to the size that is taken.
func (a *app) readDocument(file string) (*document.Document, error) {
	in, name := a.streams.In, "-"
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, &ispctl.Error{Kind: ispctl.Usage, Object: "document", Err: err}
		}
		defer f.Close() //nolint:errcheck // it was only read
		in, name = f, filepath.Clean(file)
	}
	data, err := io.ReadAll(io.LimitReader(in, document.MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read document %s: %w", name, err)
	}
	return document.Parse(name, data)
}
