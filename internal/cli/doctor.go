package cli

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/internal/doctor"
	"ispctl/internal/probe"
	"ispctl/operations"
	"ispctl/vm"
)

func (a *app) doctorCmd() *cobra.Command {
	var fix bool
	c := &cobra.Command{
		Use: "doctor", Short: "Find what on this host defeats the provider, and how to cure it",
		Long: `Find what on this host defeats the provider, and how to cure it.

Settings, the uplink, tables that fill up, the clock, disks; and rules of other
tools, found by real packets: where one is lost, a trace names the rule that took
it. Only what is ours is ever mended, and only with --fix. It fails if any check
does.`,
		Example: "  ispctl doctor\n  ispctl doctor --fix\n  ispctl doctor -o json",
		Args:    args(0, "no argument"), ValidArgsFunction: nothing,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := a.checkFormat(); err != nil {
				return err
			}
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			found, err := a.examine(c.Context(), p)
			if err != nil {
				return err
			}
			if fix && slices.ContainsFunc(found, func(f doctor.Finding) bool { return f.Safe && f.State == doctor.Failed }) {
				r, err := p.Converge(c.Context(), operations.Options{}, false)
				if err := a.report(r, operations.Options{}, err); err != nil {
					return err
				}
				if found, err = a.examine(c.Context(), p); err != nil {
					return err
				}
			}
			if err := findings.list(a, found); err != nil {
				return err
			}
			if doctor.Ill(found) {
				return &ispctl.Error{Kind: ispctl.Failed, Object: "doctor", Cause: "some checks fail", Next: "see the cure beside each"}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&fix, "fix", false, "put right what is ours: settings and objects that a pass of converge sets")
	a.outputFlag(c)
	return c
}

// examine makes all checks on this host.
func (a *app) examine(ctx context.Context, p *operations.Provider) ([]doctor.Finding, error) {
	m, err := p.Store.Model(ctx)
	if err != nil {
		return nil, err
	}
	return doctor.Examine(ctx, &doctor.Patient{
		Model: m, Proc: "/proc", Run: "/run",
		KVM: vm.KVMUsable(), KVMMisleads: vm.KVMMisleads(),
		Probe: func(ctx context.Context, from, to ispctl.End, o ispctl.Opening, f ispctl.Family) (bool, string, error) {
			sent, err := probe.Try(ctx, m, probe.Question{From: from, To: to, Opening: o, Family: f})
			return sent.Reached, sent.Detail, err
		},
		Pending: func(ctx context.Context) ([]string, error) {
			r, err := p.Converge(ctx, operations.Options{DryRun: true}, false)
			texts := make([]string, len(r.Changes))
			for i, c := range r.Changes {
				texts[i] = operations.Headline(c)
			}
			return texts, err
		},
		Unheld: func(ctx context.Context) ([]string, error) {
			unheld, err := p.UnheldLimits(ctx)
			texts := make([]string, len(unheld))
			for i, u := range unheld {
				texts[i] = fmt.Sprintf("%s of %s is not held: %s", u.Limit, plural(len(u.VMs), "VM"), u.Why)
			}
			return texts, err
		},
		Serving: func() (bool, error) {
			_, runs, err := p.Serving()
			return runs, err
		},
	})
}

var findings = listing[doctor.Finding]{
	name: func(f doctor.Finding) string { return fmt.Sprintf("%s: %s", f.Check, f.State) },
	columns: []column[doctor.Finding]{
		{"CHECK", false, func(f doctor.Finding) string { return f.Check }},
		{"STATE", false, func(f doctor.Finding) string { return string(f.State) }},
		{"OBJECT", false, func(f doctor.Finding) string { return f.Object }},
		{"FOUND", false, func(f doctor.Finding) string { return f.Found }},
		{"CURE", false, func(f doctor.Finding) string { return f.Cure }},
		{"WHY", true, func(f doctor.Finding) string { return f.Why }},
	},
}
