package cli

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/internal/config"
	"ispctl/operations"
)

// shortestLook is the least time between two readings: below it the packets of
// one burst make a rate that nobody has.
const shortestLook = 200 * time.Millisecond

// clearScreen goes home and clears what is below: console_codes(4).
const clearScreen = "\x1b[H\x1b[J"

type liveCell = func(operations.LiveView) string

func bitsOf(of func(operations.LiveView) uint64) liveCell {
	return func(v operations.LiveView) string { return strconv.FormatUint(of(v), 10) }
}

var (
	liveName = func(v operations.LiveView) string { return string(v.VM) }
	liveWho  = []column[operations.LiveView]{
		{"VM", false, liveName},
		{"ZONE", false, func(v operations.LiveView) string { return string(v.Zone) }},
	}
	liveListing = listing[operations.LiveView]{name: liveName, columns: append(liveWho[:2:2], []column[operations.LiveView]{
		{"IN-BIT/S", false, bitsOf(func(v operations.LiveView) uint64 { return v.Internet.InBits })},
		{"OUT-BIT/S", false, bitsOf(func(v operations.LiveView) uint64 { return v.Internet.OutBits })},
		{"IN-ZONES", false, bitsOf(func(v operations.LiveView) uint64 { return v.Zones.InBits })},
		{"OUT-ZONES", false, bitsOf(func(v operations.LiveView) uint64 { return v.Zones.OutBits })},
		{"IN-NEAR", true, bitsOf(func(v operations.LiveView) uint64 { return v.Near.InBits })},
		{"OUT-NEAR", true, bitsOf(func(v operations.LiveView) uint64 { return v.Near.OutBits })},
		{"IN-ADMIN", true, bitsOf(func(v operations.LiveView) uint64 { return v.Admin.InBits })},
		{"OUT-ADMIN", true, bitsOf(func(v operations.LiveView) uint64 { return v.Admin.OutBits })},
		{"IN-PKT/S", true, bitsOf(func(v operations.LiveView) uint64 { return v.Total.InPackets })},
		{"OUT-PKT/S", true, bitsOf(func(v operations.LiveView) uint64 { return v.Total.OutPackets })},
	}...)}
	topListing = listing[operations.LiveView]{name: liveName, columns: append(liveWho[:2:2], []column[operations.LiveView]{
		{"IN", false, func(v operations.LiveView) string { return rateNow(v.Internet.InBits) }},
		{"OF-DOWN", false, func(v operations.LiveView) string { return shareText(v.Internet.InBits, v.Down) }},
		{"OUT", false, func(v operations.LiveView) string { return rateNow(v.Internet.OutBits) }},
		{"OF-UP", false, func(v operations.LiveView) string { return shareText(v.Internet.OutBits, v.Up) }},
		{"ELSEWHERE", false, func(v operations.LiveView) string {
			return rateNow(v.Total.InBits + v.Total.OutBits - v.Internet.InBits - v.Internet.OutBits)
		}},
		{"PACKETS/S", false, bitsOf(func(v operations.LiveView) uint64 { return v.Total.InPackets + v.Total.OutPackets })},
		{"QUOTA", false, func(v operations.LiveView) string { return v.Quota }},
	}...)}
)

func rateNow(bits uint64) string { return nowText(int64(min(bits, math.MaxInt64))) }

// shareText is how much of its ceiling a VM uses; empty without one.
func shareText(bits uint64, ceiling int64) string {
	if ceiling <= 0 {
		return ""
	}
	return strconv.FormatFloat(float64(bits)/float64(ceiling)*100, 'f', 0, 64) + "%"
}

func (a *app) usageLive() *cobra.Command {
	return a.live(liveListing, "name", &cobra.Command{
		Use: "live [VM|ZONE|TENANT]", Short: "Show what passes at VMs now, by where the other end is",
		Long: `Show what passes at VMs now, by where the other end is.

Rates are bits per second of whole Ethernet frames, from two readings of the
counters that usage is booked by. A table follows the other until it is
interrupted, or, with --once, one is printed.`,
		Example: "  ispctl usage live\n  ispctl usage live dmz --once -o json\n  ispctl usage live web1 --interval 10s -o csv",
	})
}

func (a *app) top() *cobra.Command {
	c := a.live(topListing, "busy", &cobra.Command{
		Use: "top [VM|ZONE|TENANT]", Short: "Show the busiest VMs, or their flows, and how much of their limits they use",
		Long: `Show the busiest VMs, or their flows, and how much of their limits they use.

IN and OUT are with the Internet; ELSEWHERE is both directions of all else. On a
terminal the table stays in its place; elsewhere one follows the other.

With --flows the connections of VMs are shown instead, as the host's table of
connections counts them: it begins to with the first that is opened after this
command, or after serve in a host with a zone whose flows are recorded.`,
		Example: "  ispctl top\n  ispctl top dmz --sort out --limit 10\n  ispctl top web1 --flows --limit 20\n  ispctl top --once",
	})
	a.topFlows(c)
	return c
}

// live makes a command that prints rates again and again.
func (a *app) live(l listing[operations.LiveView], order string, c *cobra.Command) *cobra.Command {
	c.Args = atMost(1, "a VM, a zone or a tenant")
	c.ValidArgsFunction = first(a.complete(func(m *ispctl.Model) []string { return guestSets(m) }))
	c.RunE = func(c *cobra.Command, given []string) error {
		q, every, once, err := a.liveFlags(c, given)
		if err != nil {
			return err
		}
		p, err := a.meteringProvider(c.Context())
		if err != nil {
			return err
		}
		rates, err := p.Live(c.Context(), q)
		if err != nil {
			return err
		}
		return follow(c.Context(), a, rates.Next, l, every, once)
	}
	c.Flags().Duration("interval", 2*time.Second, "time between two readings")
	c.Flags().Bool("once", false, "print one table, after one interval, and end")
	c.Flags().Int("limit", 0, "show no more VMs than that; 0: all")
	c.Flags().String("sort", order, "the most first: busy, in, out, packets; or name")
	_ = c.RegisterFlagCompletionFunc("sort", cobra.FixedCompletions(operations.LiveOrders(), cobra.ShellCompDirectiveNoFileComp))
	a.outputFlag(c)
	return c
}

// liveFlags is what a command of [app.live] was told.
func (a *app) liveFlags(c *cobra.Command, given []string) (q operations.LiveQuery, every time.Duration, once bool, err error) {
	var errs [4]error
	every, errs[0] = c.Flags().GetDuration("interval")
	once, errs[1] = c.Flags().GetBool("once")
	q.Limit, errs[2] = c.Flags().GetInt("limit")
	q.Sort, errs[3] = c.Flags().GetString("sort")
	if err := errors.Join(append(errs[:], a.checkFormat())...); err != nil {
		return q, every, once, err
	}
	if every < shortestLook {
		return q, every, once, ispctl.Invalid("interval", every.String(), "is shorter than %s", shortestLook)
	}
	if len(given) > 0 {
		q.Of = given[0]
	}
	return q, every, once, nil
}

// follow prints rates until ctx ends, which is how it is meant to end.
func follow[T any](ctx context.Context, a *app, next func(context.Context) ([]T, error), l listing[T], every time.Duration, once bool) error {
	out, isFile := a.streams.Out.(*os.File)
	screen := !once && a.format == "table" && isFile && isTerminal(out)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		views, err := next(ctx)
		if err != nil {
			return err
		}
		switch {
		case screen:
			fmt.Fprint(out, clearScreen)
		case n > 0 && a.format == "table":
			fmt.Fprintln(a.streams.Out)
		}
		if err := l.list(a, views); err != nil || once {
			return err
		}
	}
}

// meteringProvider opens what reading the counters takes, without the
// hypervisor.
func (a *app) meteringProvider(ctx context.Context) (*operations.Provider, error) {
	inst, err := config.Load(a.paths())
	if err != nil {
		return nil, err
	}
	if err := a.enter(inst); err != nil {
		return nil, err
	}
	p, err := a.open(ctx, inst)
	if err != nil {
		return nil, err
	}
	p.Drops = dropsOf(inst)
	return p, a.metering(p, inst)
}
