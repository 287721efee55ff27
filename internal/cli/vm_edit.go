package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/operations"
	"ispctl/operations/document"
)

// editHelp stands above the text that an editor is given.
const editHelp = `# What is written here is made so when the editor ends; the text as it was changes
# nothing. What is taken out stays as it is: a disk goes by ` + "`ispctl vm disk remove`" + `, a
# NIC by ` + "`ispctl nic remove`" + `. Name, template, zone and addresses are for a VM's life.
`

func (a *app) vmEdit() *cobra.Command {
	var o operations.Options
	c := &cobra.Command{
		Use: "edit NAME", Short: "Change a VM in an editor",
		Long: `Change a VM in an editor: $VISUAL, $EDITOR, or vi.

The text is the VM's part of a document, as ispctl export prints it, and is taken as
ispctl apply takes it. If it is refused, it is kept, and the error says where.`,
		Example: "  ispctl vm edit web1\n  ispctl vm edit web1 --dry-run",
		Args:    args(1, "the name of a VM"), ValidArgsFunction: first(a.complete(vmNames)),
		RunE: func(c *cobra.Command, given []string) error {
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			text, err := p.VMText(c.Context(), given[0])
			if err != nil {
				return err
			}
			text = append([]byte(editHelp), text...)
			file, edited, err := a.edit(c.Context(), given[0], text)
			if err != nil {
				return err
			}
			if bytes.Equal(text, edited) {
				fmt.Fprintln(a.streams.Out, "nothing was changed")
				return os.Remove(file)
			}
			r, err := applyVM(c.Context(), p, given[0], file, edited, o)
			if err != nil {
				fmt.Fprintf(a.streams.Err, "your text is kept in %s\n", file)
				return a.report(r, o, err)
			}
			return errors.Join(a.report(r, o, nil), os.Remove(file))
		},
	}
	dryRunFlag(c, &o)
	wallFlags(c, &o)
	return c
}

func applyVM(ctx context.Context, p *operations.Provider, name, file string, text []byte, o operations.Options) (operations.Result, error) {
	doc, err := document.Parse(file, text)
	if err == nil && !doc.OnlyVM(name) {
		err = &ispctl.Error{
			Kind: ispctl.Usage, Object: "document " + file, Cause: fmt.Sprintf("is not about vm %q alone", name),
			Next: "a whole document is for: ispctl apply -f; another name for: ispctl vm rename",
		}
	}
	if err != nil {
		return operations.Result{}, err
	}
	return p.Apply(ctx, doc, false, o)
}

// edit has the operator's editor change a text in a file that only the caller can
// read, and returns the file, which stays, with what it holds then.
func (a *app) edit(ctx context.Context, name string, text []byte) (path string, edited []byte, err error) {
	f, err := os.CreateTemp("", "ispctl-"+name+"-*.yaml")
	if err != nil {
		return "", nil, fmt.Errorf("edit vm %q: %w", name, err)
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Close()); err != nil {
		return "", nil, errors.Join(fmt.Errorf("edit vm %q: %w", name, err), os.Remove(f.Name()))
	}
	argv := append(editor(), f.Name())
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = a.streams.In, a.streams.Out, a.streams.Err
	if err := cmd.Run(); err != nil {
		return "", nil, &ispctl.Error{
			Kind: ispctl.KindOf(err), Object: fmt.Sprintf("editor %q", argv[0]), Cause: "your text is kept in " + f.Name(), Err: err,
			Next: "name one that is there: EDITOR=nano ispctl vm edit " + name,
		}
	}
	edited, err = os.ReadFile(f.Name())
	return f.Name(), edited, err
}

// editor is the operator's, which may bring arguments along.
func editor() []string {
	for _, name := range []string{"VISUAL", "EDITOR"} {
		if argv := strings.Fields(os.Getenv(name)); len(argv) > 0 {
			return argv
		}
	}
	return []string{"vi"}
}
