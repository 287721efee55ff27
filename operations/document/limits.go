package document

import (
	"go.yaml.in/yaml/v4"

	"ispctl"
)

// limitTexts are the limits that say something, by key.
func limitTexts(l ispctl.Limits) map[string]string {
	texts := map[string]string{}
	for _, f := range ispctl.LimitTable() {
		if text := f.Text(l); text != "" {
			texts[f.Key()] = text
		}
	}
	return texts
}

// limits reads a mapping of limits; set is how a plan or a VM takes each.
func (p *parser) limits(n *yaml.Node, set func(ispctl.Limit, *ispctl.Limits, string) error) ispctl.Limits {
	var l ispctl.Limits
	known := fields{}
	for _, f := range ispctl.LimitTable() {
		known[f.Key()] = func(n *yaml.Node) {
			scalar(p, n, func(s string) (struct{}, error) { return struct{}{}, set(f, &l, s) })
		}
	}
	p.mapping(n, known)
	return l
}

func (p *parser) rate(n *yaml.Node) ispctl.Rate { return scalar(p, n, ispctl.ParseRate) }

func (p *parser) flow(n *yaml.Node) Flow {
	f := Flow{At: at(n)}
	before := len(p.errs)
	p.mapping(n, fields{
		"vm":     func(n *yaml.Node) { f.VM, f.VMAt = p.name("vm", n), at(n) },
		"match":  func(n *yaml.Node) { f.Match = scalar(p, n, ispctl.ParseOpening) },
		"remote": func(n *yaml.Node) { f.Remote = p.prefix(n) },
		"rate":   func(n *yaml.Node) { f.Rate = p.rate(n) },

		"per_connection": func(n *yaml.Node) { f.Each = p.boolean(n) },
		"priority":       func(n *yaml.Node) { f.Urgency = scalar(p, n, ispctl.ParsePriority) },
	}, "vm", "match")
	if len(p.errs) == before {
		p.check(n, f.Validate())
	}
	return f
}

func (p *parser) total(n *yaml.Node) Total {
	t := Total{At: at(n), Total: ispctl.Total{Kind: ispctl.ZoneTotal}}
	before, of := len(p.errs), 0
	p.mapping(n, fields{
		"zone": func(n *yaml.Node) { t.Name, t.NameAt, of = p.name("zone", n), at(n), of+1 },
		"tenant": func(n *yaml.Node) {
			t.Kind, t.Name, t.NameAt, of = ispctl.TenantTotal, p.name("tenant", n), at(n), of+1
		},
		"down":      func(n *yaml.Node) { t.Down = p.rate(n) },
		"up":        func(n *yaml.Node) { t.Up = p.rate(n) },
		"guarantee": func(n *yaml.Node) { t.Guarantee = p.rate(n) },
	})
	if of != 1 {
		p.fail(n, "want one of zone and tenant")
	}
	if len(p.errs) == before {
		p.check(n, t.Validate())
	}
	return t
}
