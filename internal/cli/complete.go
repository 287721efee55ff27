package cli

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"ispctl"
)

type completer = func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective)

// complete offers names from the database. Where it cannot be read there are
// none: completion never complains.
func (a *app) complete(names func(*ispctl.Model) []string) completer {
	return func(c *cobra.Command, given []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		ctx := c.Context()
		if ctx == nil {
			ctx = context.Background()
		}
		p, _, err := a.reader(ctx)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		m, err := p.Model(ctx)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return names(m), cobra.ShellCompDirectiveNoFileComp
	}
}

// first offers completions for the first argument only.
func first(of completer) completer {
	return func(c *cobra.Command, given []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(given) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return of(c, given, word)
	}
}

func (a *app) completeTemplates(c *cobra.Command, given []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	ctx := c.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	p, _, err := a.reader(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, t := range p.Templates.List() {
		names = append(names, string(t.Name))
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func nothing(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveNoFileComp
}

func namesOf[T any](all []T, name func(T) string) []string {
	names := make([]string, len(all))
	for i, one := range all {
		names[i] = name(one)
	}
	return names
}

func zoneNames(m *ispctl.Model) []string {
	return namesOf(m.Zones, func(z ispctl.Zone) string { return string(z.Name) })
}

func planNames(m *ispctl.Model) []string {
	return namesOf(m.Plans, func(p ispctl.Plan) string { return string(p.Name) })
}

func tenantNames(m *ispctl.Model) []string {
	return namesOf(m.Tenants, func(t ispctl.Tenant) string { return string(t.Name) })
}

func vmNames(m *ispctl.Model) []string {
	return namesOf(slices.Collect(m.Guests()), func(vm ispctl.VM) string { return string(vm.Name) })
}

func addressNames(m *ispctl.Model) []string {
	return namesOf(m.Addresses, func(a ispctl.Address) string { return a.Addr.String() })
}

func forwardNames(m *ispctl.Model) []string {
	return namesOf(m.Forwards, func(f ispctl.Forward) string { return f.Outside() })
}

func imageNames(m *ispctl.Model) []string {
	return namesOf(m.Images, func(i ispctl.Image) string { return string(i.Name) })
}

// guestSets are the names by which VMs are shown: their own, their zones' and
// their tenants'.
func guestSets(m *ispctl.Model) []string {
	return slices.Concat(vmNames(m), zoneNames(m), tenantNames(m))
}
