package nft

import (
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// State is every table of a layer, by family and name.
type State map[string]Table

// Len is the number of tables.
func (s State) Len() int { return len(s) }

// NewState makes a state of tables.
func NewState(tables ...Table) State {
	s := State{}
	for _, t := range tables {
		s[t.key()] = t
	}
	return s
}

// Family of a table, as in nft(8).
type Family string

// The families in use.
const (
	Inet   Family = "inet"
	IP     Family = "ip"
	Bridge Family = "bridge"
	NetDev Family = "netdev" // what passes one interface; out of it since Linux 5.16
)

// Part is the name of a table that belongs to the one called table and is
// replaced apart from it.
func Part(table, part string) string { return table + "." + part }

// Table is a table as wanted, or as observed. The chains of an observed one have
// no rules: its Structure says what they are, in one text for each.
type Table struct {
	Family    Family
	Name      string
	Structure string           // canonical text of chains, rule digests and set types
	Elements  map[string]Elems // by set; every set has an entry

	chains []Chain
	sets   []Set
	keep   map[string]map[string]bool // of a wanted table: by dynamic set, the first fields of use
	packed map[string]Elems           // of an observed one: by dynamic set, what packets put in
}

// Equal compares what can be observed.
func (t Table) Equal(o Table) bool {
	return t.Family == o.Family && t.Name == o.Name && t.Structure == o.Structure &&
		maps.EqualFunc(t.Elements, o.Elements, func(a, b Elems) bool { return maps.Equal(a, b) })
}

// NewTable makes a wanted table. Elements may name only sets of the table.
func NewTable(family Family, name string, sets []Set, chains []Chain) Table {
	t := Table{Family: family, Name: name, sets: sets, chains: chains, Elements: map[string]Elems{}, keep: map[string]map[string]bool{}}
	var lines []string
	for _, s := range sets {
		t.Elements[s.Name] = Elems{}
		lines = append(lines, s.schema())
	}
	for _, c := range chains {
		comments := make([]string, len(c.Rules))
		for i, r := range c.Rules {
			comments[i] = r.comment()
		}
		lines = append(lines, c.structure(comments))
	}
	t.Structure = canonical(lines)
	return t
}

// Add puts an element into one of the table's sets. It panics when there is no
// such set: the names are literals of the layer that calls.
func (t Table) Add(set string, e Elem) {
	elems, ok := t.Elements[set]
	if !ok {
		panic("nft: table " + t.Name + " has no set " + set)
	}
	elems[e.Key] = e
}

// Keep says that elements of a dynamic set whose first field is this one are
// still of use. Those of others go with the next pass: what they counted is
// nobody's any more. A set of which nothing is said keeps all.
func (t Table) Keep(set string, first Field) {
	if t.keep[set] == nil {
		t.keep[set] = map[string]bool{}
	}
	t.keep[set][string(first)] = true
}

// editable reports whether the rules of an observed table can be replaced while
// its chains stay where they are.
//
// That is how packets never miss both: a chain changes from the one rule set to
// the other between two packets. A table that is deleted and made anew in one
// transaction has two chains on the hook for a moment, the new one first, and a
// packet that is between them as the transaction ends has passed the new one
// before it began to count and the old one after it ceased to. It happens once
// in thousands of replacements under load, more often on slow machines.
//
// What hangs on one interface has no other chain beside it, and is made anew.
func (t Table) editable() bool { return len(t.chains) > 0 && t.Family != NetDev }

func (t Table) key() string { return string(t.Family) + " " + t.Name }

func canonical(lines []string) string {
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// Chain is a chain and its rules. Without a hook it runs only where a rule
// jumps to it.
type Chain struct {
	Name  string
	Hook  *Hook
	Rules []Rule
}

// Hook is where a base chain sees packets.
type Hook struct {
	Type     string // "filter" or "nat"
	Hook     string // "input", "forward", ...
	Priority int32
	Drop     bool // policy drop

	// Device is the interface, in tables of family netdev. The library does not
	// read it back, so the chain's name should say it as well.
	Device string
}

func (h *Hook) String() string {
	policy := "accept"
	if h.Drop {
		policy = "drop"
	}
	hook := h.Hook
	if h.Device != "" {
		hook += " device " + strconv.Quote(h.Device)
	}
	return fmt.Sprintf("type %s hook %s priority %d; policy %s;", h.Type, hook, h.Priority, policy)
}

// sameAs reports whether a chain is in the same place, whatever its rules.
func (c Chain) sameAs(o Chain) bool {
	if c.Hook == nil || o.Hook == nil {
		return c.Name == o.Name && c.Hook == o.Hook
	}
	return c.Name == o.Name && *c.Hook == *o.Hook
}

func (c Chain) structure(comments []string) string {
	lines := append(make([]string, 0, 1+len(comments)), "chain "+c.Name)
	if c.Hook != nil {
		seen := *c.Hook
		seen.Device = ""
		lines[0] += " " + seen.String()
	}
	return strings.Join(append(lines, comments...), "\n\t")
}

// Rule is statements in order, and why they are there. The comment is seen in
// `nft list ruleset`.
type Rule struct {
	Why   string
	Stmts []Stmt
}

// NewRule makes a rule.
func NewRule(why string, stmts ...Stmt) Rule { return Rule{Why: why, Stmts: stmts} }

// maxComment is NFT_USERDATA_COMMENT's limit in nft(8): 128 bytes.
const maxComment = 128

// comment is why the rule is there, and the digest that proves it is this one.
func (r Rule) comment() string {
	h := fnv.New64a()
	h.Write([]byte(r.text()))
	digest := fmt.Sprintf(" #%016x", h.Sum64())
	return r.Why[:min(len(r.Why), maxComment-len(digest))] + digest
}

func (r Rule) text() string {
	parts := make([]string, len(r.Stmts))
	for i, s := range r.Stmts {
		parts[i] = s.text
	}
	return strings.Join(parts, " ")
}
