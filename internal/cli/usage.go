package cli

import (
	"context"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/meter"
	"ispctl/operations"
)

// RunsByItself annotates a command that holds others and can be run, too.
const RunsByItself = "runs-by-itself"

// traffic is one class in a row.
type traffic = func(operations.UsageView) operations.TrafficView

func bytesIn(of traffic) func(operations.UsageView) string {
	return func(u operations.UsageView) string { return strconv.FormatUint(of(u).InBytes, 10) }
}

func bytesOut(of traffic) func(operations.UsageView) string {
	return func(u operations.UsageView) string { return strconv.FormatUint(of(u).OutBytes, 10) }
}

func internet(u operations.UsageView) operations.TrafficView   { return u.Internet }
func otherZones(u operations.UsageView) operations.TrafficView { return u.Zones }
func near(u operations.UsageView) operations.TrafficView       { return u.Near }
func adminLeg(u operations.UsageView) operations.TrafficView   { return u.Admin }

var (
	usageIn = []column[operations.UsageView]{
		{"IN", false, bytesIn(internet)},
		{"IN-ZONES", true, bytesIn(otherZones)},
		{"IN-NEAR", true, bytesIn(near)},
		{"IN-ADMIN", true, bytesIn(adminLeg)},
	}
	usageOut = []column[operations.UsageView]{
		{"OUT", false, bytesOut(internet)},
		{"OUT-ZONES", true, bytesOut(otherZones)},
		{"OUT-NEAR", true, bytesOut(near)},
		{"OUT-ADMIN", true, bytesOut(adminLeg)},
	}
)

// usageListing has the columns of the directions that are asked for; empty is
// both.
func usageListing(d ispctl.Direction) listing[operations.UsageView] {
	l := listing[operations.UsageView]{
		name: func(u operations.UsageView) string { return u.Name },
		columns: []column[operations.UsageView]{
			{"KIND", false, func(u operations.UsageView) string { return u.Kind }},
			{"NAME", false, func(u operations.UsageView) string { return u.Name }},
			{"ZONE", false, func(u operations.UsageView) string { return u.Zone }},
			{"TENANT", true, func(u operations.UsageView) string { return u.Tenant }},
			{"FROM", false, func(u operations.UsageView) string { return u.From.Format(time.RFC3339) }},
			{"TO", true, func(u operations.UsageView) string { return u.To.Format(time.RFC3339) }},
		},
	}
	switch d {
	case ispctl.DirectionIn:
		l.columns = append(l.columns, usageIn...)
	case ispctl.DirectionOut:
		l.columns = append(l.columns, usageOut...)
	case ispctl.DirectionSum, ispctl.DirectionMax:
		l.columns = append(l.columns, column[operations.UsageView]{string("BYTES-" + d), false, func(u operations.UsageView) string {
			t := u.Internet
			return strconv.FormatUint(meter.Bytes(d, meter.Pair{In: meter.Way{Bytes: t.InBytes}, Out: meter.Way{Bytes: t.OutBytes}}), 10)
		}})
	default:
		l.columns = append(append(l.columns, usageIn...), usageOut...)
	}
	return l
}

func (a *app) usageCmd() *cobra.Command {
	var q operations.UsageQuery
	var since, until, direction string
	c := &cobra.Command{
		Use: "usage [NAME]", Short: "Show what VMs, zones, tenants and addresses have sent and received",
		Long: `Show what VMs, zones, tenants and addresses have sent and received.

IN and OUT are bytes from and to the Internet, as the guest sees them, of whole
Ethernet frames without their checksum: what "ip -s link" counts. -o wide shows
what passed to other zones, near (the own zone and the host) and on the admin
leg. Without --since it is the present month.`,
		Example: `  ispctl usage
  ispctl usage web1 --by day
  ispctl usage dmz --since 2026-10-01 --until 2026-11-01 --by month -o json
  ispctl usage zone/web1
  ispctl usage tenant/acme --by month`,
		Annotations: map[string]string{RunsByItself: "true"},
		Args:        atMost(1, "the name of a VM, zone, tenant or address"), ValidArgsFunction: first(a.completeUsage),
		RunE: func(c *cobra.Command, given []string) error {
			if err := a.checkFormat(); err != nil {
				return err
			}
			if direction != "" {
				if _, err := ispctl.ParseDirection(direction); err != nil {
					return err
				}
			}
			p, _, err := a.reader(c.Context())
			if err != nil {
				return err
			}
			if len(given) > 0 {
				q.Of = given[0]
			}
			if q.Since, q.Until, err = span(c.Context(), p, since, until); err != nil {
				return err
			}
			all, err := p.Usage(c.Context(), q)
			if err != nil {
				return err
			}
			return usageListing(ispctl.Direction(direction)).list(a, all)
		},
	}
	spanFlags(c, &since, &until)
	c.Flags().StringVar(&q.By, "by", "", "a row for each hour, day or month")
	_ = c.RegisterFlagCompletionFunc("by", cobra.FixedCompletions(operations.Intervals(), cobra.ShellCompDirectiveNoFileComp))
	directionFlag(c, &direction, "show one direction: ")
	a.outputFlag(c)
	c.AddCommand(a.usageLive(), a.usageSample(), a.usageSettings(), a.usageCorrect(), a.usageExport(), a.usageImport(), a.usageFlows(), a.usageDrops())
	c.SuggestionsMinimumDistance = 2
	return c
}

func (a *app) completeUsage(c *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	ctx := c.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	p, _, err := a.reader(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names, err := p.UsageNames(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func spanFlags(c *cobra.Command, since, until *string) {
	c.Flags().StringVar(since, "since", "", "from then on: 2026-10-01, 2026-10-01T12:00:00Z, or 24h ago as 24h")
	c.Flags().StringVar(until, "until", "", "up to then, in the same ways")
}

func directionFlag(c *cobra.Command, d *string, usage string) {
	var all []string
	for _, one := range ispctl.Directions() {
		all = append(all, string(one))
	}
	c.Flags().StringVar(d, "direction", *d, usage+"in, out, sum or max")
	_ = c.RegisterFlagCompletionFunc("direction", cobra.FixedCompletions(all, cobra.ShellCompDirectiveNoFileComp))
}

// span reads both ends of a time; days begin where the installation's do.
func span(ctx context.Context, p *operations.Provider, since, until string) (from, to time.Time, err error) {
	m, err := p.Model(ctx)
	if err != nil {
		return from, to, err
	}
	c, err := meter.NewCalendar(m.Metering.TimeZone)
	if err != nil {
		return from, to, err
	}
	if from, err = moment(c, since, p.Clock.Now()); err != nil {
		return from, to, err
	}
	to, err = moment(c, until, p.Clock.Now())
	return from, to, err
}

// moment reads a time, a day, or how long ago; empty is the zero time.
func moment(c meter.Calendar, s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	if t, err := time.Parse(time.DateOnly, s); err == nil {
		return c.Day(time.Date(t.Year(), t.Month(), t.Day(), 12, 0, 0, 0, c.Zone)).From, nil
	}
	if d, err := time.ParseDuration(s); err == nil && d > 0 {
		return now.Add(-d), nil
	}
	return time.Time{}, ispctl.Invalid("time", s, "is not like 2026-10-01, 2026-10-01T12:00:00Z or 24h")
}

// atMost is args with an upper bound.
func atMost(n int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, given []string) error {
		if len(given) <= n {
			return nil
		}
		return args(n, what)(c, given)
	}
}
