package document

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// parser walks nodes and collects what is wrong with them.
type parser struct {
	file string
	errs []error
}

// fields says what to do with the value of each key of a mapping.
type fields map[string]func(*yaml.Node)

func at(n *yaml.Node) At { return At{n.Line, n.Column} }

func (p *parser) root(data []byte) (*yaml.Node, error) {
	var doc yaml.Node
	if err := yaml.Load(data, &doc); err != nil {
		if e, ok := errors.AsType[*yaml.LoadError](err); ok {
			return nil, errorAt(p.file, At{e.Mark.Line, e.Mark.Column}, errors.New(e.Message))
		}
		return nil, errorAt(p.file, At{}, err)
	}
	if doc.Kind == yaml.DocumentNode && len(doc.Content) == 1 {
		return doc.Content[0], nil
	}
	if doc.Kind == yaml.MappingNode {
		return &doc, nil
	}
	return nil, errorAt(p.file, At{}, errors.New("the file holds no document; it begins with `version: 1`"))
}

func (p *parser) fail(n *yaml.Node, format string, args ...any) {
	p.errs = append(p.errs, errorAt(p.file, at(n), fmt.Errorf(format, args...)))
}

func (p *parser) check(n *yaml.Node, err error) {
	if err != nil {
		p.errs = append(p.errs, errorAt(p.file, at(n), err))
	}
}

// mapping hands each value to its field; unknown, repeated and missing keys
// are errors.
func (p *parser) mapping(n *yaml.Node, known fields, required ...string) {
	if p.alias(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		p.fail(n, "want a mapping with the keys %s", keys(known))
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		read, ok := known[key.Value]
		switch {
		case !ok:
			p.fail(key, "unknown key %q; have: %s", key.Value, keys(known))
		case seen[key.Value]:
			p.fail(key, "key %q is there twice", key.Value)
		default:
			seen[key.Value] = true
			read(value)
		}
	}
	for _, key := range required {
		if !seen[key] {
			p.fail(n, "key %q is missing", key)
		}
	}
}

// each hands on the items of a sequence; an empty value is an empty sequence.
func (p *parser) each(n *yaml.Node, read func(*yaml.Node)) {
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" {
		return
	}
	if p.alias(n) {
		return
	}
	if n.Kind != yaml.SequenceNode {
		p.fail(n, "want a sequence")
		return
	}
	for _, item := range n.Content {
		read(item)
	}
}

// alias refuses what stands for something elsewhere: a few of them, each in the
// next, are a document of any size.
func (p *parser) alias(n *yaml.Node) bool {
	if n.Kind == yaml.AliasNode {
		p.fail(n, "aliases are not taken")
	}
	return n.Kind == yaml.AliasNode
}

// text is a scalar as it is written, if it is one.
func (p *parser) text(n *yaml.Node) (string, bool) {
	if p.alias(n) {
		return "", false
	}
	if n.Kind != yaml.ScalarNode || n.ShortTag() == "!!null" {
		p.fail(n, "want a value")
		return "", false
	}
	return n.Value, true
}

// scalar reads a scalar with a function that says what is wrong with it.
func scalar[T any](p *parser, n *yaml.Node, read func(string) (T, error)) T {
	var v T
	if s, ok := p.text(n); ok {
		var err error
		v, err = read(s)
		p.check(n, err)
	}
	return v
}

func (p *parser) integer(n *yaml.Node) int {
	return scalar(p, n, func(s string) (int, error) {
		i, err := strconv.Atoi(s)
		if err != nil {
			return 0, fmt.Errorf("%q is no whole number", s)
		}
		return i, nil
	})
}

func (p *parser) boolean(n *yaml.Node) bool {
	return scalar(p, n, func(s string) (bool, error) {
		if s != "true" && s != "false" {
			return false, fmt.Errorf("%q is not true or false", s)
		}
		return s == "true", nil
	})
}

func keys(known fields) string {
	return strings.Join(slices.Sorted(maps.Keys(known)), ", ")
}
