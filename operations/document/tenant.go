package document

import (
	"go.yaml.in/yaml/v4"

	"ispctl"
)

// Tenant is a tenant.
type Tenant struct {
	At
	KeysGiven      bool // false: those it has stay
	SuspendedGiven bool // false: it stays so, or not
	ispctl.Tenant
}

type outTenant struct {
	Name      string            `yaml:"name"`
	Title     string            `yaml:"title,omitempty"`
	Contact   string            `yaml:"contact,omitempty"`
	Keys      []string          `yaml:"keys"`
	Share     map[string]string `yaml:"share,omitempty"`
	Suspended bool              `yaml:"suspended,omitempty"`
}

func exportTenant(t ispctl.Tenant) outTenant {
	out := outTenant{Name: string(t.Name), Title: t.Title, Contact: t.Contact, Keys: append([]string{}, t.Keys...), Suspended: t.Suspended, Share: map[string]string{}}
	for _, f := range ispctl.ShareTable() {
		if text := f.Text(t.Share); text != "" {
			out.Share[f.Name] = text
		}
	}
	return out
}

func (p *parser) tenant(n *yaml.Node) Tenant {
	t := Tenant{At: at(n)}
	before := len(p.errs)
	p.mapping(n, fields{
		"name":    func(n *yaml.Node) { t.Name = scalar(p, n, ispctl.ParseTenantName) },
		"title":   func(n *yaml.Node) { t.Title, _ = p.text(n) },
		"contact": func(n *yaml.Node) { t.Contact, _ = p.text(n) },
		"keys": func(n *yaml.Node) {
			t.KeysGiven = true
			p.each(n, func(n *yaml.Node) { t.Keys = append(t.Keys, scalar(p, n, ispctl.ParseSSHKey)) })
		},
		"share":     func(n *yaml.Node) { t.Share = p.share(n) },
		"suspended": func(n *yaml.Node) { t.Suspended, t.SuspendedGiven = p.boolean(n), true },
	}, "name")
	if len(p.errs) == before {
		p.check(n, t.Validate())
	}
	return t
}

// share reads a mapping of bounds.
func (p *parser) share(n *yaml.Node) ispctl.Share {
	var s ispctl.Share
	known := fields{}
	for _, f := range ispctl.ShareTable() {
		known[f.Name] = func(n *yaml.Node) {
			scalar(p, n, func(text string) (struct{}, error) { return struct{}{}, f.Set(&s, text) })
		}
	}
	p.mapping(n, known)
	return s
}

// owner reads whose a VM is.
func (p *parser) owner(n *yaml.Node) ispctl.Name {
	return scalar(p, n, func(s string) (ispctl.Name, error) {
		if s == ispctl.NoTenant {
			return "", nil
		}
		return ispctl.ParseTenantName(s)
	})
}

type outGateway struct {
	Listen string `yaml:"listen"`
}

func (p *parser) gateway(n *yaml.Node) *ispctl.Gateway {
	g := &ispctl.Gateway{}
	p.mapping(n, fields{"listen": func(n *yaml.Node) {
		if n.Value != ispctl.NoTenant {
			g.Listen = scalar(p, n, ispctl.ParseGatewayListen)
		}
	}}, "listen")
	return g
}
