package cli

import (
	"context"
	"errors"
	"strconv"

	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/operations"
)

var checkListing = listing[operations.CheckView]{
	name: func(v operations.CheckView) string { return strconv.FormatBool(v.Allowed) },
	columns: []column[operations.CheckView]{
		{"FROM", false, func(v operations.CheckView) string { return string(v.From) }},
		{"TO", false, func(v operations.CheckView) string { return string(v.To) }},
		{"SERVICE", false, func(v operations.CheckView) string { return v.Service }},
		{"FAMILY", false, func(v operations.CheckView) string { return string(v.Family) }},
		{"ALLOWED", false, func(v operations.CheckView) string { return strconv.FormatBool(v.Allowed) }},
		{"RULE", false, func(v operations.CheckView) string { return v.Rule }},
		{"PROBE", false, probeText},
	},
}

func (a *app) zoneCheck() *cobra.Command {
	var family string
	var probe bool
	c := &cobra.Command{
		Use: "check FROM TO SERVICE", Short: "Say what would happen to a connection, and which rule decides",
		Example: "  ispctl zone check dmz mail tcp/25\n  ispctl zone check dmz internet tcp/443 -o json\n  ispctl zone check dmz mail tcp/25 --probe",
		Args:    args(3, "two ends and a service"), ValidArgsFunction: a.completeEnds,
		RunE: func(c *cobra.Command, given []string) error {
			if err := a.checkFormat(); err != nil {
				return err
			}
			o, err := ispctl.ParseOpening(given[2])
			if err != nil {
				return err
			}
			f, err := ispctl.ParseFamily(family)
			if err != nil {
				return err
			}
			p, err := a.checker(c.Context(), probe)
			if err != nil {
				return err
			}
			v, err := p.CheckPolicy(c.Context(), given[0], given[1], o, f, probe)
			if err != nil && v.Probe == nil {
				return err
			}
			return errors.Join(checkListing.show(a, v), err)
		},
	}
	c.Flags().StringVar(&family, "family", string(ispctl.IPv4), "ipv4 or ipv6")
	c.Flags().BoolVar(&probe, "probe", false, "send a real packet as well, and fail unless it fares as the rules say")
	a.outputFlag(c)
	return c
}

// checker reads intent, and stands where packets can be sent if one is to be.
func (a *app) checker(ctx context.Context, probe bool) (*operations.Provider, error) {
	if probe {
		return a.inside(ctx)
	}
	p, _, err := a.reader(ctx)
	return p, err
}

// probeText is what became of the packet, in words.
func probeText(v operations.CheckView) string {
	if v.Probe == nil {
		return "-"
	}
	text := "silence"
	if v.Probe.Reached {
		text = "reached"
	}
	text += ": " + v.Probe.Detail
	if v.Probe.Rehearsed {
		text += " (rehearsed)"
	}
	return text
}
