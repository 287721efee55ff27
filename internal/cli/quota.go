package cli

import (
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/operations"
)

var quotaListing = listing[operations.QuotaView]{
	name: func(q operations.QuotaView) string { return string(q.VM) },
	columns: []column[operations.QuotaView]{
		{"VM", false, func(q operations.QuotaView) string { return string(q.VM) }},
		{"STATE", false, func(q operations.QuotaView) string { return q.State }},
		{"PERCENT", false, func(q operations.QuotaView) string { return strconv.Itoa(q.Percent) }},
		{"USED", false, func(q operations.QuotaView) string { return strconv.FormatUint(q.Used, 10) }},
		{"VOLUME", false, func(q operations.QuotaView) string { return size(q.Volume) }},
		{"DIRECTION", true, func(q operations.QuotaView) string { return string(q.Direction) }},
		{"ACTION", false, func(q operations.QuotaView) string { return string(q.Action) }},
		{"RATE", true, func(q operations.QuotaView) string {
			if q.Rate == 0 {
				return ""
			}
			return ispctl.Rate(q.Rate).String()
		}},
		{"PLAN", true, func(q operations.QuotaView) string { return string(q.Plan) }},
		{"TENANT", true, func(q operations.QuotaView) string { return string(q.Tenant) }},
		{"FROM", true, func(q operations.QuotaView) string { return q.From.UTC().Format(time.RFC3339) }},
		{"UNTIL", false, func(q operations.QuotaView) string { return q.Until.UTC().Format(time.RFC3339) }},
	},
}

func (a *app) quotaList() *cobra.Command {
	return listCommand(a, quotaListing, (*operations.Provider).Quotas, &cobra.Command{
		Short: "List the VMs that have a quota, and how it stands", Example: "  ispctl quota list\n  ispctl quota list -o json",
	})
}

func (a *app) quotaShow() *cobra.Command {
	return showCommand(a, quotaListing, (*operations.Provider).Quota, &cobra.Command{
		Short: "Show a VM's quota, and how it stands", Example: "  ispctl quota show web1",
		Args: args(1, "the name of a VM"), ValidArgsFunction: first(a.complete(vmNames)),
	})
}

// quotaOwner adds the ways to say whom a quota is of.
func quotaOwner(c *cobra.Command, a *app) func([]string) (ispctl.Quota, error) {
	var plan, tenant string
	c.Flags().StringVar(&plan, "plan", "", "the quota of each VM on this plan that has neither its own nor a tenant's")
	c.Flags().StringVar(&tenant, "tenant", "", "the quota of all VMs of this tenant together; it holds those that have none of their own")
	_ = c.RegisterFlagCompletionFunc("plan", a.complete(planNames))
	_ = c.RegisterFlagCompletionFunc("tenant", a.complete(tenantNames))
	return func(given []string) (q ispctl.Quota, err error) {
		owners := len(given)
		for _, flag := range []string{plan, tenant} {
			if flag != "" {
				owners++
			}
		}
		switch {
		case owners != 1:
			return q, &ispctl.Error{Kind: ispctl.Usage, Object: c.CommandPath(), Cause: "wants the name of a VM, --tenant or --plan, one of them", Next: "see: " + c.CommandPath() + " --help"}
		case plan != "":
			q.Plan, err = ispctl.ParseName("plan", plan)
		case tenant != "":
			q.Tenant, err = ispctl.ParseName("tenant", tenant)
		default:
			q.VM, err = ispctl.ParseName("vm", given[0])
		}
		return q, err
	}
}

func (a *app) quotaSet() *cobra.Command {
	var o operations.Options
	var volume, direction, action, rate string
	var day int
	c := &cobra.Command{
		Use: "set [VM] --volume SIZE", Short: "Say how much may pass between a VM and the Internet in a month",
		Long: `Say how much may pass between a VM and the Internet in a month.

At 80 and at 100 in a hundred the program etc/ispctl/hooks/quota is run, if there
is one, with a line of JSON on its standard input. At 100 the VM is throttled or
blocked as well, until the period ends or quota lift. Its admin leg stays open.

A VM is held by its own quota, or else by its tenant's, which counts what all VMs
of the tenant use together, or else by its plan's.`,
		Example: `  ispctl quota set web1 --volume 2TB
  ispctl quota set web1 --volume 2TB --direction out --day 15 --action throttle --rate 10mbit
  ispctl quota set --tenant acme --volume 10TB --action throttle --rate 50mbit
  ispctl quota set --plan small --volume 500GB --action block`,
		Args: atMost(1, "the name of a VM"), ValidArgsFunction: first(a.complete(vmNames)),
	}
	owner := quotaOwner(c, a)
	c.RunE = func(c *cobra.Command, given []string) error {
		q, err := owner(given)
		if err != nil {
			return err
		}
		if q.Volume, err = ispctl.ParseSize(volume); err != nil {
			return err
		}
		q.Direction, q.Action, q.Day = ispctl.Direction(direction), ispctl.Action(action), day
		if rate != "" {
			if q.Rate, err = ispctl.ParseRate(rate); err != nil {
				return err
			}
		}
		if err := q.Validate(); err != nil {
			return err
		}
		p, err := a.provider(c.Context())
		if err != nil {
			return err
		}
		r, err := p.SetQuota(c.Context(), q, o)
		return a.report(r, o, err)
	}
	c.Flags().StringVar(&volume, "volume", "", "how much, as 2TB")
	direction = string(ispctl.DirectionSum)
	directionFlag(c, &direction, "what is counted: ")
	c.Flags().StringVar(&action, "action", string(ispctl.ActionNotify), "what is done at 100 in a hundred: notify, throttle or block")
	c.Flags().StringVar(&rate, "rate", "", "what a VM is throttled to, as 10mbit")
	c.Flags().IntVar(&day, "day", 1, "of the month that a period begins on")
	dryRunFlag(c, &o)
	required(c, "volume")
	return c
}

func (a *app) quotaRemove() *cobra.Command {
	var o operations.Options
	var ifExists bool
	c := &cobra.Command{
		Use: "remove [VM]", Short: "Take a quota away, and with it what it did",
		Example: "  ispctl quota remove web1\n  ispctl quota remove --tenant acme\n  ispctl quota remove --plan small",
		Args:    atMost(1, "the name of a VM"), ValidArgsFunction: first(a.complete(vmNames)),
	}
	owner := quotaOwner(c, a)
	c.RunE = func(c *cobra.Command, given []string) error {
		q, err := owner(given)
		if err != nil {
			return err
		}
		p, err := a.provider(c.Context())
		if err != nil {
			return err
		}
		r, err := p.RemoveQuota(c.Context(), q, ifExists, o)
		return a.report(r, o, err)
	}
	c.Flags().BoolVar(&ifExists, "if-exists", false, "succeed if there is none")
	dryRunFlag(c, &o)
	return c
}

func (a *app) quotaLift() *cobra.Command {
	var o operations.Options
	c := &cobra.Command{
		Use: "lift VM", Short: "End what is done to a VM for its quota, until the period ends",
		Example: "  ispctl quota lift web1",
		Args:    args(1, "the name of a VM"), ValidArgsFunction: first(a.complete(vmNames)),
		RunE: func(c *cobra.Command, given []string) error {
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			r, err := p.LiftQuota(c.Context(), given[0], o)
			return a.report(r, o, err)
		},
	}
	dryRunFlag(c, &o)
	return c
}
