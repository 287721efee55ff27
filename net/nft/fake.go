package nft

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"ispctl/converge"
)

// Fake is the tables of one name in memory: transactional like the kernel's,
// and refusing what the kernel refuses.
type Fake struct {
	Tables State

	// Counted is what packets have counted, by "FAMILY TABLE SET".
	Counted map[string]map[string]Tally

	// FailNext, when set, is what the next transaction fails with; it then
	// changes nothing.
	FailNext error
}

var _ converge.Target[State, Change] = (*Fake)(nil)

// NewFake has no table.
func NewFake() *Fake { return &Fake{Tables: State{}} }

// Observe returns the tables as the kernel would: without chains and sets.
func (f *Fake) Observe(context.Context) (State, error) { return clone(f.Tables), nil }

// Counts returns what Counted says of the set.
func (f *Fake) Counts(_ context.Context, family Family, table, set string) ([]Counted, error) {
	counted := f.Counted[Table{Family: family, Name: table}.key()+" "+set]
	var counts []Counted
	for _, key := range slices.Sorted(maps.Keys(counted)) {
		counts = append(counts, Counted{key, counted[key]})
	}
	return counts, nil
}

// Apply carries out all changes or none.
func (f *Fake) Apply(_ context.Context, changes []Change) error {
	if err := f.FailNext; err != nil {
		f.FailNext = nil
		return err
	}
	next := clone(f.Tables)
	for _, c := range changes {
		if err := next.apply(c); err != nil {
			return fmt.Errorf("%s: %w", c, err)
		}
	}
	f.Tables = next
	return nil
}

func (s State) apply(c Change) error {
	key := c.Table.key()
	have, there := s[key]
	switch c.Act {
	case Replace:
		for _, set := range c.Table.sets {
			if err := refuseOverlaps(set, c.Table.Elements[set.Name]); err != nil {
				return err
			}
		}
		s[key] = clone(State{key: c.Table})[key]
		return nil
	case Delete:
		delete(s, key)
		return nil
	}
	if !there {
		return errors.New("no such table")
	}
	elems, ok := have.Elements[c.Set.Name]
	if !ok {
		return errors.New("no such set")
	}
	for _, e := range c.Elems {
		if c.Act == DelElements || c.Act == Forget {
			delete(elems, e.Key)
			continue
		}
		if h, taken := elems[e.Key]; taken && h != e {
			return fmt.Errorf("element %s is there with another value", c.Set.text(e))
		}
		elems[e.Key] = e
	}
	return refuseOverlaps(c.Set, elems)
}

func refuseOverlaps(s Set, elems Elems) error {
	if !s.Interval {
		return nil
	}
	var before Elem
	for i, e := range sorted(elems) {
		if i > 0 && (before.End == "" || before.End > e.Key || s.concatenated() && before.End == e.Key) {
			return fmt.Errorf("element %s overlaps %s", s.text(e), s.text(before))
		}
		before = e
	}
	return nil
}

func clone(s State) State {
	next := make(State, len(s))
	for key, t := range s {
		elements := make(map[string]Elems, len(t.Elements))
		for set, elems := range t.Elements {
			elements[set] = maps.Clone(elems)
		}
		next[key] = Table{Family: t.Family, Name: t.Name, Structure: t.Structure, Elements: elements, sets: t.sets}
	}
	return next
}

// String draws every table.
func (f *Fake) String() string {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(f.Tables)) {
		t := f.Tables[key]
		fmt.Fprintf(&b, "table %s\n%s\n", key, t.Structure)
		for _, s := range t.sets {
			fmt.Fprintf(&b, "%s = { %s }\n", s.Name, s.texts(sorted(t.Elements[s.Name])))
		}
	}
	return b.String()
}
