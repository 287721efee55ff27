package operations

import (
	"context"
	"fmt"
	"slices"

	"ispctl"
	"ispctl/state"
	"ispctl/zones"
)

// PolicySpec is what is asked to be let through, or no more.
type PolicySpec struct {
	From, To string
	Openings []ispctl.Opening // none: any
	Families []ispctl.Family
	Log      bool
}

// policies are the policies that a spec comes to; the ends must be there.
func (s PolicySpec) policies(m *ispctl.Model) ([]ispctl.Policy, error) {
	from, err := m.End(s.From)
	if err != nil {
		return nil, err
	}
	to, err := m.End(s.To)
	if err != nil {
		return nil, err
	}
	openings := s.Openings
	if len(openings) == 0 {
		openings = []ispctl.Opening{{Transport: ispctl.AnyTransport}}
	}
	var all []ispctl.Policy
	for _, f := range s.Families {
		for _, o := range openings {
			p := ispctl.Policy{From: from, To: to, Opening: o, Family: f, Log: s.Log}
			if err := p.Validate(); err != nil {
				return nil, err
			}
			all = append(all, p)
		}
	}
	return all, nil
}

// AllowPolicy lets connections be opened from one end to the other. What is
// let through already stays as it is.
func (p *Provider) AllowPolicy(ctx context.Context, s PolicySpec, o Options) (Result, error) {
	return p.changeWalls(ctx, o, state.Entry{Operation: "zone policy allow", Object: "policy " + s.From + " -> " + s.To}, func(tx *state.Tx) ([]string, error) {
		m, err := tx.Model()
		if err != nil {
			return nil, err
		}
		all, err := s.policies(m)
		if err != nil {
			return nil, err
		}
		var said []string
		for _, one := range all {
			have, there := findPolicy(m, one)
			if there && have.Log == one.Log {
				continue
			}
			one.Applied = have.Applied
			said = append(said, "+ policy "+one.String())
			if err := tx.PutPolicy(one); err != nil {
				return nil, err
			}
		}
		return said, nil
	})
}

// DenyPolicy takes back what was let through: the services that are named, or
// all between the two ends. Connections that are up go on until they end.
func (p *Provider) DenyPolicy(ctx context.Context, s PolicySpec, o Options) (Result, error) {
	return p.changeWalls(ctx, o, state.Entry{Operation: "zone policy deny", Object: "policy " + s.From + " -> " + s.To}, func(tx *state.Tx) ([]string, error) {
		m, err := tx.Model()
		if err != nil {
			return nil, err
		}
		if _, err := s.policies(m); err != nil {
			return nil, err
		}
		var said []string
		for _, have := range m.Policies {
			if string(have.From) != s.From || string(have.To) != s.To || !slices.Contains(s.Families, have.Family) ||
				len(s.Openings) > 0 && !slices.Contains(s.Openings, have.Opening) {
				continue
			}
			said = append(said, "- policy "+have.String())
			if err := tx.DeletePolicy(have); err != nil {
				return nil, err
			}
		}
		return said, stillOpen(m, s)
	})
}

// stillOpen refuses to deny a service that a wider policy goes on letting
// through: the operator would believe it closed.
func stillOpen(m *ispctl.Model, s PolicySpec) error {
	for _, have := range m.Policies {
		if string(have.From) == s.From && string(have.To) == s.To && slices.Contains(s.Families, have.Family) &&
			have.Opening.Transport == ispctl.AnyTransport && len(s.Openings) > 0 && !slices.Contains(s.Openings, have.Opening) {
			return &ispctl.Error{
				Kind: ispctl.Conflict, Object: "policy " + have.String(), Cause: "lets everything through, so denying a part of it would close nothing",
				Next: fmt.Sprintf("ispctl zone policy deny %s %s, then allow what is meant", s.From, s.To),
			}
		}
	}
	return nil
}

func findPolicy(m *ispctl.Model, p ispctl.Policy) (ispctl.Policy, bool) {
	i := slices.IndexFunc(m.Policies, func(have ispctl.Policy) bool { return have.Key() == p.Key() })
	if i < 0 {
		return ispctl.Policy{}, false
	}
	return m.Policies[i], true
}

// CellView is one cell of the policy matrix: what may be opened from one end to
// another.
type CellView struct {
	From     ispctl.End    `json:"from"`
	To       ispctl.End    `json:"to"`
	Family   ispctl.Family `json:"family"`
	Services []string      `json:"services"` // "any", "tcp/443", ...; empty: closed
}

// PolicyMatrix is a cell for each pair of different ends and each family.
func (p *Provider) PolicyMatrix(ctx context.Context) ([]CellView, error) {
	m, err := p.Store.Model(ctx)
	if err != nil {
		return nil, err
	}
	var cells []CellView
	for _, from := range m.EndNames() {
		for _, to := range m.EndNames() {
			if from == to || from == ispctl.Host {
				continue
			}
			for _, f := range []ispctl.Family{ispctl.IPv4, ispctl.IPv6} {
				cells = append(cells, CellView{from, to, f, openServices(m, from, to, f)})
			}
		}
	}
	return cells, nil
}

// openServices lists what a cell lets through.
func openServices(m *ispctl.Model, from, to ispctl.End, f ispctl.Family) []string {
	open := []string{}
	switch {
	case from == ispctl.Internet && to == ispctl.Host:
		for _, s := range m.HostServices {
			open = append(open, string(s.Proto)+"/"+fmt.Sprint(s.Port))
		}
		return append(open, string(ispctl.ICMP))
	case zones.Decide(m, from, to, ispctl.Opening{Transport: ispctl.AnyTransport}, f).Allowed:
		return []string{string(ispctl.AnyTransport)}
	}
	for _, p := range m.Policies {
		if p.From == from && p.To == to && p.Family == f {
			open = append(open, p.Opening.String())
		}
	}
	return open
}

// CheckView is the answer to what would happen to a connection.
type CheckView struct {
	From    ispctl.End    `json:"from"`
	To      ispctl.End    `json:"to"`
	Service string        `json:"service"`
	Family  ispctl.Family `json:"family"`
	Allowed bool          `json:"allowed"`
	Rule    string        `json:"rule"` // what decides
	Probe   *ProbeView    `json:"probe,omitempty"`
}

// Question is one connection that is asked about.
type Question struct {
	From, To ispctl.End
	Opening  ispctl.Opening
	Family   ispctl.Family
}

// ProbeView is what became of a real packet.
type ProbeView struct {
	Reached   bool   `json:"reached"`
	Rehearsed bool   `json:"rehearsed"` // sent on a scratch host with the same walls, since only the provider can send it here
	Detail    string `json:"detail"`
}

// Prober sends a real packet. An error says that it could not be sent.
type Prober func(context.Context, *ispctl.Model, Question) (ProbeView, error)

// CheckPolicy says what would happen to a new connection, and which rule
// decides. With a probe a packet is sent as well; that it does not fare as the
// rules say is an error beside the answer.
func (p *Provider) CheckPolicy(ctx context.Context, from, to string, o ispctl.Opening, f ispctl.Family, probe bool) (CheckView, error) {
	m, err := p.Store.Model(ctx)
	if err != nil {
		return CheckView{}, err
	}
	a, err := m.End(from)
	if err != nil {
		return CheckView{}, err
	}
	b, err := m.End(to)
	if err != nil {
		return CheckView{}, err
	}
	v := zones.Decide(m, a, b, o, f)
	view := CheckView{From: a, To: b, Service: o.String(), Family: f, Allowed: v.Allowed, Rule: v.Rule}
	if !probe {
		return view, nil
	}
	if a == b {
		return view, ispctl.Invalid("probe", from, "both ends are the same; what is inside a zone is not the firewall's to say")
	}
	sent, err := p.Probe(ctx, m, Question{a, b, o, f})
	if err == nil && sent.Reached != v.Allowed {
		sent, err = p.Probe(ctx, m, Question{a, b, o, f}) // a packet can be lost
	}
	if err != nil {
		return view, err
	}
	view.Probe = &sent
	if sent.Reached == v.Allowed {
		return view, nil
	}
	became := "did not come through"
	if sent.Reached {
		became = "came through"
	}
	return view, &ispctl.Error{
		Kind: ispctl.Failed, Object: fmt.Sprintf("%s -> %s %s %s", a, b, o, f),
		Cause: fmt.Sprintf("the rules say %q, and the packet from %s %s", v.Rule, sent.Detail, became),
		Next:  "see what stands in the way: ispctl converge --dry-run; ispctl doctor",
	}
}
