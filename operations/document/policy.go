package document

import (
	"go.yaml.in/yaml/v4"

	"ispctl"
)

// policies are those of one line: each of its services in each of its
// families. Without services it is all of them; without families, IPv4.
func (p *parser) policies(n *yaml.Node) []Policy {
	base := Policy{At: at(n)}
	openings := []ispctl.Opening{{Transport: ispctl.AnyTransport}}
	families := []ispctl.Family{ispctl.IPv4}
	before := len(p.errs)
	p.mapping(n, fields{
		"from": func(n *yaml.Node) { base.From, base.FromAt = ispctl.End(p.name("zone", n)), at(n) },
		"to":   func(n *yaml.Node) { base.To, base.ToAt = ispctl.End(p.name("zone", n)), at(n) },
		"log":  func(n *yaml.Node) { base.Log = p.boolean(n) },
		"services": func(n *yaml.Node) {
			openings = nil
			p.each(n, func(n *yaml.Node) { openings = append(openings, scalar(p, n, ispctl.ParseOpening)) })
		},
		"families": func(n *yaml.Node) {
			families = nil
			p.each(n, func(n *yaml.Node) { families = append(families, scalar(p, n, ispctl.ParseFamily)) })
		},
	}, "from", "to")
	if len(p.errs) > before {
		return nil
	}
	if len(openings) == 0 || len(families) == 0 {
		p.fail(n, "a policy without any service or family lets nothing through; leave it out")
	}
	var all []Policy
	for _, f := range families {
		for _, o := range openings {
			one := base
			one.Opening, one.Family = o, f
			p.check(n, one.Validate())
			all = append(all, one)
		}
	}
	return all
}
