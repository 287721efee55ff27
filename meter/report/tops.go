package report

import (
	"cmp"
	"slices"

	"ispctl/meter"
)

// Talk is what somebody's connections carried, by service or by remote, in
// zones that record it. One without a name is of all that is not known by itself.
type Talk struct {
	Name string // tcp/443, or a prefix
	meter.FlowSum
}

// Top is what connections carried, by service or by remote, the largest first.
// The last may be all others.
type Top struct {
	Name  string `json:"name"` // empty: all others
	Flows uint64 `json:"flows"`
	In    uint64 `json:"in_bytes"`
	Out   uint64 `json:"out_bytes"`
}

// topsShown is how many of each a report names.
const topsShown = 8

// tally sums what connections carried by a name.
type tally map[string]Top

func (t tally) add(name string, s meter.FlowSum) {
	one := t[name]
	t[name] = Top{name, one.Flows + s.Flows, one.In + s.In.Bytes, one.Out + s.Out.Bytes}
}

// tops are the largest, and one for all others.
func (t tally) tops() []Top {
	all := make([]Top, 0, len(t))
	others := t[""]
	for name, one := range t {
		if name != "" {
			all = append(all, one)
		}
	}
	slices.SortFunc(all, func(a, b Top) int { return cmp.Or(cmp.Compare(b.In+b.Out, a.In+a.Out), cmp.Compare(a.Name, b.Name)) })
	for len(all) > topsShown {
		last := all[len(all)-1]
		all = all[:len(all)-1]
		others.Flows, others.In, others.Out = others.Flows+last.Flows, others.In+last.In, others.Out+last.Out
	}
	if others != (Top{}) {
		all = append(all, others)
	}
	return all
}

// talks sums what is known of a group's connections.
type talks struct{ services, remotes tally }

func (t *talks) add(services, remotes []Talk) {
	if t.services == nil {
		t.services, t.remotes = tally{}, tally{}
	}
	for _, one := range services {
		t.services.add(one.Name, one.FlowSum)
	}
	for _, one := range remotes {
		t.remotes.add(one.Name, one.FlowSum)
	}
}

func topsText(g Group) []tableTexts {
	var all []tableTexts
	for _, one := range []struct {
		head string
		tops []Top
	}{{"Service", g.Services}, {"Remote", g.Remotes}} {
		if len(one.tops) == 0 {
			continue
		}
		t := tableTexts{head: []string{one.head, "Connections", "In (bytes)", "Out (bytes)"}, left: 1, widths: []float64{60, 25, 30, 30}}
		for _, top := range one.tops {
			name := top.Name
			if name == "" {
				name = "all others"
			}
			t.rows = append(t.rows, []string{name, digits(int64(top.Flows)), digits(int64(top.In)), digits(int64(top.Out))})
		}
		all = append(all, t)
	}
	return all
}
