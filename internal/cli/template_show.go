package cli

import (
	"encoding/base64"
	"fmt"

	"github.com/spf13/cobra"

	"ispctl/operations"
)

func (a *app) templateShow() *cobra.Command {
	var vm string
	c := showCommand(a, templateDetail, (*operations.Provider).Template, &cobra.Command{
		Short: "Show one template with all that it comes from, or what a VM would be told",
		Long: `Show one template with all that it comes from.

With --render, show the files that a VM would find on its seed disk were it made
from the template: what cloud-init reads, and the same as plain lines under ispctl/.`,
		Example: "  ispctl template show debian-12\n  ispctl template show debian-12 --render web1",
		Args:    args(1, "the name of a template"), ValidArgsFunction: first(a.completeTemplates),
	})
	show := c.RunE
	c.RunE = func(c *cobra.Command, given []string) error {
		if vm == "" {
			return show(c, given)
		}
		if err := a.checkFormat(); err != nil {
			return err
		}
		p, _, err := a.reader(c.Context())
		if err != nil {
			return err
		}
		files, err := p.RenderTemplate(c.Context(), given[0], vm)
		if err != nil {
			return err
		}
		if a.format == "table" || a.format == "wide" {
			a.printSeed(files)
			return nil
		}
		return seedListing.list(a, files)
	}
	c.Flags().StringVar(&vm, "render", "", "the VM whose seed is shown")
	_ = c.RegisterFlagCompletionFunc("render", a.complete(vmNames))
	return c
}

var seedListing = listing[operations.SeedFile]{
	name: func(f operations.SeedFile) string { return f.Name },
	columns: []column[operations.SeedFile]{
		{"NAME", false, func(f operations.SeedFile) string { return f.Name }},
		{"ENCODING", false, func(f operations.SeedFile) string { return f.Encoding }},
		{"CONTENT", false, func(f operations.SeedFile) string { return f.Content }},
	},
}

// printSeed shows texts as they are, as tail(1) does of several files.
func (a *app) printSeed(files []operations.SeedFile) {
	for _, f := range files {
		if f.Encoding != "" {
			fmt.Fprintf(a.streams.Out, "==> %s (%d bytes that are no text; see them with -o json)\n", f.Name, base64.StdEncoding.DecodedLen(len(f.Content)))
			continue
		}
		fmt.Fprintf(a.streams.Out, "==> %s\n%s", f.Name, f.Content)
	}
}
