// Package prom writes figures in the text format that Prometheus reads,
// version 0.0.4.
package prom

import (
	"bufio"
	"io"
	"strconv"
	"strings"
)

// ContentType is what an answer in this format is declared as.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// Kind is how a figure may move.
type Kind string

// The kinds.
const (
	Counter Kind = "counter" // up, or anew from zero
	Gauge   Kind = "gauge"
)

// Family is all figures of one name.
type Family struct {
	Name, Help string
	Kind       Kind
	Labels     []string // names
	Samples    []Sample
}

// Sample is one figure, with a value for each of its family's labels.
type Sample struct {
	Labels []string
	Value  uint64
}

// Add appends a figure.
func (f *Family) Add(value uint64, labels ...string) {
	f.Samples = append(f.Samples, Sample{labels, value})
}

var (
	helpEscapes  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	labelEscapes = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

// Write writes families in their order.
func Write(out io.Writer, families []Family) error {
	w := bufio.NewWriter(out)
	put := func(parts ...string) {
		for _, p := range parts {
			_, _ = w.WriteString(p) // Flush tells
		}
	}
	for _, f := range families {
		put("# HELP ", f.Name, " ", helpEscapes.Replace(f.Help), "\n# TYPE ", f.Name, " ", string(f.Kind), "\n")
		for _, s := range f.Samples {
			put(f.Name)
			for i, value := range s.Labels {
				put([]string{"{", ","}[min(i, 1)], f.Labels[i], `="`, labelEscapes.Replace(value), `"`)
			}
			if len(s.Labels) > 0 {
				put("}")
			}
			put(" ", strconv.FormatUint(s.Value, 10), "\n")
		}
	}
	return w.Flush()
}
