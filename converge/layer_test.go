package converge_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"ispctl"
	"ispctl/converge"
)

// shelf is a world of words.
type shelf struct {
	words  sized
	unread error
}

type sized []string

func (s sized) Len() int { return len(s) }

func (s *shelf) Observe(context.Context) (sized, error) { return slices.Clone(s.words), s.unread }

func (s *shelf) Apply(_ context.Context, changes []change) error {
	for _, c := range changes {
		word := string(c[1:])
		if word == "stuck" {
			return errBroken
		}
		s.words = slices.DeleteFunc(s.words, func(w string) bool { return w == word })
		if c.Kind() == converge.Ensure {
			s.words = append(s.words, word)
		}
	}
	return nil
}

// desired is a word per zone; a zone without a prefix cannot be.
func desired(m *ispctl.Model) (sized, error) {
	var s sized
	for _, z := range m.Zones {
		if z.VLAN < 0 {
			return nil, errors.New("impossible")
		}
		s = append(s, string(z.Name))
	}
	return s, nil
}

func diff(want, have sized) []change {
	var all []change
	for _, w := range want {
		if !slices.Contains(have, w) {
			all = append(all, change("+"+w))
		}
	}
	for _, h := range have {
		if !slices.Contains(want, h) {
			all = append(all, change("-"+h))
		}
	}
	return all
}

func TestNewLayer(t *testing.T) {
	world := &shelf{words: sized{"old", "kept"}}
	l := converge.NewLayer("shelf", desired, diff, world)
	m := &ispctl.Model{Zones: []ispctl.Zone{{Name: "kept"}, {Name: "new"}}}
	p, err := l.Pending(t.Context(), m)
	if err != nil || l.Name() != "shelf" || p.Observed != 2 || len(p.Changes) != 2 || p.Changes[0].String() != "+new" || p.Changes[1].String() != "-old" {
		t.Fatalf("%s: %+v, %v", l.Name(), p, err)
	}
	if strings.Join(world.words, " ") != "old kept" {
		t.Fatalf("looking changed the world: %v", world.words)
	}
	if err := l.Apply(t.Context(), p.Changes); err != nil {
		t.Fatal(err)
	}
	if p, err = l.Pending(t.Context(), m); err != nil || len(p.Changes) != 0 || strings.Join(world.words, " ") != "kept new" {
		t.Errorf("after it: %+v, %v, %v", p, err, world.words)
	}
}

// TestLayerErrorsNameTheLayer and what it was at.
func TestLayerErrorsNameTheLayer(t *testing.T) {
	world := &shelf{unread: errBroken}
	l := converge.NewLayer("shelf", desired, diff, world)
	if _, err := l.Pending(t.Context(), &ispctl.Model{}); !errors.Is(err, errBroken) || err.Error() != "shelf: observe: broken" {
		t.Errorf("observe: %v", err)
	}
	if _, err := l.Pending(t.Context(), &ispctl.Model{Zones: []ispctl.Zone{{VLAN: -1}}}); err == nil || err.Error() != "shelf: impossible" {
		t.Errorf("desired: %v", err)
	}
	if err := l.Apply(t.Context(), words("+stuck")); !errors.Is(err, errBroken) || err.Error() != "shelf: broken" {
		t.Errorf("apply: %v", err)
	}
}
