package nft

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"ispctl/converge"
)

// Act is what a change does to a table.
type Act int

// The acts.
const (
	Replace     Act = iota // put the whole table in place of what is there
	DelElements            // take elements out of a set
	AddElements            // put elements into a set
	Forget                 // take out of a dynamic set what nobody is left for
	Delete                 // the table is left over
)

// Change is one act on a table. All changes that one Apply is given become one
// transaction.
type Change struct {
	Act   Act
	Table Table
	Old   Table // of Replace: what is there, to be replaced in place; zero: whatever it is
	Set   Set
	Elems []Elem
}

// Kind is Prune for a table that is left over and Ensure for all else:
// elements are what rules mean, not objects of their own.
func (c Change) Kind() converge.Kind {
	if c.Act == Delete || c.Act == Forget {
		return converge.Prune
	}
	return converge.Ensure
}

// String is the nft(8) command.
func (c Change) String() string {
	switch c.Act {
	case DelElements, Forget:
		return fmt.Sprintf("nft delete element %s %s { %s }", c.Table.key(), c.Set.Name, c.Set.keysOnly().texts(c.Elems))
	case AddElements:
		return fmt.Sprintf("nft add element %s %s { %s }", c.Table.key(), c.Set.Name, c.Set.texts(c.Elems))
	case Delete:
		return "nft delete table " + c.Table.key()
	default:
		return "nft -f - <<'EOF'\n" + c.script() + "EOF"
	}
}

// keysOnly is the set without its values: deletion goes by key.
func (s Set) keysOnly() Set { s.Value = nil; return s }

// script is a replacement in the syntax of `nft -f`.
func (c Change) script() string {
	if !c.Old.editable() {
		return c.Table.Script()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "flush table %s\n", c.Table.key())
	for _, chain := range c.gone() {
		fmt.Fprintf(&b, "delete chain %s %s\n", c.Table.key(), chain.Name)
	}
	for _, s := range c.Old.sets {
		if !s.anonymous && !c.keeps(s) {
			fmt.Fprintf(&b, "delete %s %s %s\n", s.kind(), c.Table.key(), s.Name)
		}
	}
	return b.String() + c.Table.declare()
}

// keeps reports whether a set stays with what packets put into it.
func (c Change) keeps(s Set) bool {
	same := func(o Set) bool { return s.Dynamic && o.schema() == s.schema() }
	return slices.ContainsFunc(c.Old.sets, same) && slices.ContainsFunc(c.Table.sets, same) && c.Old.editable()
}

// gone are the old chains that the new table does not have, or has elsewhere.
func (c Change) gone() []Chain {
	var gone []Chain
	for _, old := range c.Old.chains {
		if !slices.ContainsFunc(c.Table.chains, old.sameAs) {
			gone = append(gone, old)
		}
	}
	return gone
}

// Script is a wanted table in the syntax of `nft -f`: it replaces whatever
// table of that name there is, in one transaction.
func (t Table) Script() string {
	return fmt.Sprintf("add table %s\ndelete table %s\n%s", t.key(), t.key(), t.declare())
}

func (t Table) declare() string {
	var b strings.Builder
	fmt.Fprintf(&b, "table %s {\n", t.key())
	for _, s := range t.sets {
		schema := strings.TrimSuffix(s.script(), " }")
		if elems := sorted(t.Elements[s.Name]); len(elems) > 0 {
			schema += " elements = { " + s.texts(elems) + " }"
		}
		fmt.Fprintf(&b, "\t%s }\n", schema)
	}
	for _, c := range t.chains {
		fmt.Fprintf(&b, "\tchain %s {\n", c.Name)
		if c.Hook != nil {
			fmt.Fprintf(&b, "\t\t%s\n", c.Hook)
		}
		for _, r := range c.Rules {
			fmt.Fprintf(&b, "\t\t%s comment %q\n", r.text(), r.comment())
		}
		b.WriteString("\t}\n")
	}
	b.WriteString("}\n")
	return b.String()
}

// Diff lists what makes have into want.
func Diff(want, have State) []Change {
	var changes []Change
	for _, key := range slices.Sorted(maps.Keys(want)) {
		w := want[key]
		h, there := have[key]
		if !there || h.Structure != w.Structure {
			changes = append(changes, Change{Act: Replace, Table: w, Old: h})
			continue
		}
		for _, set := range w.sets {
			del, add := diffElems(w.Elements[set.Name], h.Elements[set.Name])
			if len(del) > 0 {
				changes = append(changes, Change{Act: DelElements, Table: w, Set: set, Elems: del})
			}
			if len(add) > 0 {
				changes = append(changes, Change{Act: AddElements, Table: w, Set: set, Elems: add})
			}
			if left := leftOver(set, w.keep[set.Name], h.packed[set.Name]); len(left) > 0 {
				changes = append(changes, Change{Act: Forget, Table: w, Set: set, Elems: left})
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(have)) {
		if _, wanted := want[key]; !wanted {
			changes = append(changes, Change{Act: Delete, Table: have[key]})
		}
	}
	return changes
}

// leftOver are the elements of a dynamic set that are of no more use.
func leftOver(set Set, keep map[string]bool, packed Elems) []Elem {
	if len(keep) == 0 {
		return nil
	}
	some := Elems{}
	first := int(set.Key[0].datatype.Bytes)
	for key, e := range packed {
		if len(key) >= first && !keep[key[:first]] {
			some[key] = e
		}
	}
	return sorted(some)
}

// diffElems compares by key and by what the key stands for: an element that
// means something else now is taken out and put in anew. Only what differs is
// sorted: mostly that is nothing, of tens of thousands.
func diffElems(want, have Elems) (del, add []Elem) { return missing(have, want), missing(want, have) }

func missing(these, from Elems) []Elem {
	some := Elems{}
	for key, e := range these {
		if other, ok := from[key]; !ok || other != e {
			some[key] = e
		}
	}
	return sorted(some)
}

// after is what changes were to make of have, whatever they were made for.
func after(have State, changes []Change) State {
	next := clone(have)
	for _, c := range changes {
		key := c.Table.key()
		elems, there := next[key].Elements[c.Set.Name]
		switch {
		case c.Act == Delete:
			delete(next, key)
		case c.Act == Replace, c.Act == AddElements && !there:
			whole := c.Table // with its chains, which a clone does not have
			whole.Elements = clone(State{key: whole})[key].Elements
			next[key] = whole
		case c.Act == AddElements:
			for _, e := range c.Elems {
				elems[e.Key] = e
			}
		case c.Act == DelElements:
			for _, e := range c.Elems {
				delete(elems, e.Key)
			}
		}
	}
	return next
}
