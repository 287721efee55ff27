package cli

import (
	"context"

	"github.com/spf13/cobra"

	"ispctl/operations"
)

// listCommand makes `list` of a kind of object that is known from intent alone.
func listCommand[T any](
	a *app, l listing[T], all func(*operations.Provider, context.Context) ([]T, error), c *cobra.Command,
) *cobra.Command {
	c.Use, c.Args, c.ValidArgsFunction = "list", args(0, "no argument"), nothing
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := a.checkFormat(); err != nil {
			return err
		}
		p, _, err := a.reader(c.Context())
		if err != nil {
			return err
		}
		objects, err := all(p, c.Context())
		if err != nil {
			return err
		}
		return l.list(a, objects)
	}
	a.outputFlag(c)
	return c
}

// showCommand makes `show NAME` of such a kind.
func showCommand[T any](
	a *app, l listing[T], one func(*operations.Provider, context.Context, string) (T, error), c *cobra.Command,
) *cobra.Command {
	c.Use = "show NAME"
	c.RunE = func(c *cobra.Command, given []string) error {
		if err := a.checkFormat(); err != nil {
			return err
		}
		p, _, err := a.reader(c.Context())
		if err != nil {
			return err
		}
		object, err := one(p, c.Context(), given[0])
		if err != nil {
			return err
		}
		return l.show(a, object)
	}
	a.outputFlag(c)
	return c
}
