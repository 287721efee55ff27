// Command docgen writes the command reference, a page for each command, as
// Markdown or as man pages:
//
//	docgen docs/reference
//	docgen -man /usr/share/man/man1
//
// The pages have no date, and nothing of the machine they were written on.
package main

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ispctl/internal/cli"
)

func main() {
	man := flag.Bool("man", false, "write man pages")
	flag.Parse()
	if err := run(*man, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "docgen:", err)
		os.Exit(1)
	}
}

func run(man bool, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("wants one directory, has %d", len(args))
	}
	write, ext := writeMarkdown, ".md"
	if man {
		write, ext = writeMan, ".1"
	}
	return replace(args[0], ext, pages(write, ext))
}

// pages are the pages of all commands, by file name.
func pages(write func(*cobra.Command) string, ext string) map[string]string {
	// The environment gives defaults to flags.
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "ISPCTL_") {
			_ = os.Unsetenv(name) // the name is one
		}
	}
	all := map[string]string{}
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Hidden {
			return
		}
		all[pageName(c)+ext] = write(c)
		for _, sub := range below(c) {
			walk(sub)
		}
	}
	walk(cli.Tree())
	return all
}

// pageName is that of a command's page, without its extension.
func pageName(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

// replace makes a directory hold these pages, and none of ours of a command
// that is no more.
func replace(dir, ext string, all map[string]string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(dir, "ispctl*"+ext))
	if err != nil {
		return err
	}
	for _, path := range old {
		if _, stays := all[filepath.Base(path)]; !stays {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	for name, text := range all {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// description is what the command does, at length where there is more to say.
func description(c *cobra.Command) string { return cmp.Or(c.Long, c.Short+".") }

// related are the command above and those below.
func related(c *cobra.Command) []*cobra.Command {
	var all []*cobra.Command
	if c.HasParent() {
		all = append(all, c.Parent())
	}
	return append(all, below(c)...)
}

// below are the commands of a command, but for those that are nobody's to give.
func below(c *cobra.Command) []*cobra.Command {
	return slices.DeleteFunc(slices.Clone(c.Commands()), func(sub *cobra.Command) bool { return sub.Hidden })
}
