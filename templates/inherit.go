package templates

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"ispctl"
)

// source is a template as its file has it.
type source struct {
	Template
	file string
}

// resolve puts each template on top of what it comes from. One that comes, by
// whatever way, from itself would never be done, and is an error.
func resolve(all map[ispctl.Name]source) (map[ispctl.Name]Template, error) {
	done := make(map[ispctl.Name]Template, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		t, err := all[name].resolve(all)
		if err != nil {
			return nil, usage(all[name].file, 0, 0, err.Error())
		}
		done[name] = t
	}
	return done, nil
}

func (s source) resolve(all map[ispctl.Name]source) (Template, error) {
	t := s.Template
	way := []string{string(t.Name)}
	for from := t.From; from != ""; {
		way = append(way, string(from))
		if slices.Contains(way[:len(way)-1], string(from)) {
			return t, ispctl.Invalid("from", string(t.From), "leads in a circle: %s", strings.Join(way, " -> "))
		}
		base, there := all[from]
		if !there {
			return t, fmt.Errorf("from: %w", ispctl.NotFoundError("template", string(from), slices.Sorted(maps.Keys(all))))
		}
		t = t.over(base.Template)
		from = base.From
	}
	return t, t.complete()
}
