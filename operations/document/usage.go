package document

import (
	"strconv"

	"go.yaml.in/yaml/v4"

	"ispctl"
)

// Metering is how usage is kept. What is nil is not mentioned.
type Metering struct {
	At
	TimeZone *string
	KeepDays *int
	FlowDays *int
}

// Quota is a quota of a VM, a tenant or a plan.
type Quota struct {
	At, OfAt At
	ispctl.Quota
}

// Tariff is what the traffic of a plan costs.
type Tariff struct {
	At, PlanAt At
	ispctl.Tariff
}

// The shapes that Export writes.
type (
	outMetering struct {
		TimeZone string `yaml:"time_zone,omitempty"`
		KeepDays int    `yaml:"keep_days,omitempty"`
		FlowDays int    `yaml:"flow_days,omitempty"`
	}
	outQuota struct {
		VM        string `yaml:"vm,omitempty"`
		Tenant    string `yaml:"tenant,omitempty"`
		Plan      string `yaml:"plan,omitempty"`
		Volume    string `yaml:"volume"`
		Direction string `yaml:"direction"`
		Day       int    `yaml:"day"`
		Action    string `yaml:"action"`
		Rate      string `yaml:"rate,omitempty"`
	}
	outTariff struct {
		Plan       string `yaml:"plan"`
		Currency   string `yaml:"currency"`
		Volume     string `yaml:"volume,omitempty"`
		Included   string `yaml:"included,omitempty"`
		PerGB      string `yaml:"per_gb,omitempty"`
		Percentile string `yaml:"percentile,omitempty"`
		Committed  string `yaml:"committed,omitempty"`
		PerMbit    string `yaml:"per_mbit,omitempty"`
	}
)

// exportUsage writes down how usage is kept, and what is done about it.
func exportUsage(m *ispctl.Model, out *outDocument) {
	if m.Metering != (ispctl.Metering{}) {
		out.Metering = &outMetering{TimeZone: m.Metering.TimeZone, KeepDays: m.Metering.KeepDays, FlowDays: m.Metering.FlowDays}
	}
	for _, q := range m.Quotas {
		if vm, err := m.VM(string(q.VM)); q.VM != "" && (err != nil || vm.Wanted == ispctl.Absent) {
			continue // it goes with its VM
		}
		one := outQuota{VM: string(q.VM), Tenant: string(q.Tenant), Plan: string(q.Plan), Volume: q.Volume.String(), Direction: string(q.Direction), Day: q.Day, Action: string(q.Action)}
		if q.Rate > 0 {
			one.Rate = q.Rate.String()
		}
		out.Quotas = append(out.Quotas, one)
	}
	for _, t := range m.Tariffs {
		one := outTariff{Plan: string(t.Plan), Currency: t.Currency, Volume: string(t.Volume), Percentile: string(t.Percentile)}
		if t.Included > 0 {
			one.Included = t.Included.String()
		}
		if t.PerGB > 0 {
			one.PerGB = t.PerGB.String()
		}
		if t.Committed > 0 {
			one.Committed = t.Committed.String()
		}
		if t.PerMbit > 0 {
			one.PerMbit = t.PerMbit.String()
		}
		out.Tariffs = append(out.Tariffs, one)
	}
}

func (p *parser) metering(n *yaml.Node) *Metering {
	m := &Metering{At: at(n)}
	p.mapping(n, fields{
		"time_zone": func(n *yaml.Node) {
			zone := scalar(p, n, func(s string) (string, error) { return s, ispctl.Metering{TimeZone: s}.Validate() })
			m.TimeZone = &zone
		},
		"keep_days": func(n *yaml.Node) {
			days := p.days(n, func(n int) ispctl.Metering { return ispctl.Metering{KeepDays: n} })
			m.KeepDays = &days
		},
		"flow_days": func(n *yaml.Node) {
			days := p.days(n, func(n int) ispctl.Metering { return ispctl.Metering{FlowDays: n} })
			m.FlowDays = &days
		},
	})
	return m
}

// days reads for how many days something is kept.
func (p *parser) days(n *yaml.Node, as func(int) ispctl.Metering) int {
	return scalar(p, n, func(s string) (int, error) {
		days, err := strconv.Atoi(s)
		if err != nil || days == 0 {
			days = -1 // which validates as what it is: no number of days
		}
		return days, as(days).Validate()
	})
}

func (p *parser) quota(n *yaml.Node) Quota {
	q := Quota{At: at(n), Quota: ispctl.Quota{Direction: ispctl.DirectionSum, Day: 1, Action: ispctl.ActionNotify}}
	before := len(p.errs)
	p.mapping(n, fields{
		"vm":        func(n *yaml.Node) { q.VM, q.OfAt = p.name("vm", n), at(n) },
		"tenant":    func(n *yaml.Node) { q.Tenant, q.OfAt = p.name("tenant", n), at(n) },
		"plan":      func(n *yaml.Node) { q.Plan, q.OfAt = p.name("plan", n), at(n) },
		"volume":    func(n *yaml.Node) { q.Volume = p.size(n) },
		"direction": func(n *yaml.Node) { q.Direction = scalar(p, n, ispctl.ParseDirection) },
		"day":       func(n *yaml.Node) { q.Day = p.integer(n) },
		"action":    func(n *yaml.Node) { q.Action = scalar(p, n, ispctl.ParseAction) },
		"rate":      func(n *yaml.Node) { q.Rate = p.rate(n) },
	}, "volume")
	if len(p.errs) == before {
		p.check(n, q.Validate())
	}
	return q
}

func (p *parser) tariff(n *yaml.Node) Tariff {
	t := Tariff{At: at(n)}
	before := len(p.errs)
	p.mapping(n, fields{
		"plan":       func(n *yaml.Node) { t.Plan, t.PlanAt = p.name("plan", n), at(n) },
		"currency":   func(n *yaml.Node) { t.Currency = scalar(p, n, asIs) },
		"volume":     func(n *yaml.Node) { t.Volume = scalar(p, n, ispctl.ParseDirection) },
		"included":   func(n *yaml.Node) { t.Included = p.size(n) },
		"per_gb":     func(n *yaml.Node) { t.PerGB = scalar(p, n, ispctl.ParsePrice) },
		"percentile": func(n *yaml.Node) { t.Percentile = scalar(p, n, ispctl.ParseDirection) },
		"committed":  func(n *yaml.Node) { t.Committed = p.rate(n) },
		"per_mbit":   func(n *yaml.Node) { t.PerMbit = scalar(p, n, ispctl.ParsePrice) },
	}, "plan", "currency")
	if len(p.errs) == before {
		p.check(n, t.Validate())
	}
	return t
}
