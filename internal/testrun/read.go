package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// event is a line of `go doc test2json`.
type event struct {
	Action     string
	Package    string
	ImportPath string
	Test       string
	Elapsed    float64
	Output     string
}

type test struct{ pkg, name string }

// read turns events into a result, and prints failures and packages as they
// come.
func read(in io.Reader, out io.Writer) *result {
	r := &result{each: map[test]*counts{}}
	output := map[test]*bytes.Buffer{}
	panicked := map[string]bool{}
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) != nil {
				fmt.Fprintf(out, "%s", line) // not from the tests: a compiler's or go's own words
				if strings.HasPrefix(string(line), "FAIL") {
					r.broken = append(r.broken, strings.TrimSpace(string(line)))
				}
			} else {
				r.take(e, output, panicked, out)
			}
		}
		if err != nil {
			return r
		}
	}
}

func (r *result) take(e event, output map[test]*bytes.Buffer, panicked map[string]bool, out io.Writer) {
	key := test{e.Package, e.Test}
	switch e.Action {
	case "output":
		if output[key] == nil {
			output[key] = &bytes.Buffer{}
		}
		output[key].WriteString(e.Output)
		if strings.HasPrefix(e.Output, "panic: ") || strings.HasPrefix(e.Output, "fatal error: ") {
			panicked[e.Package] = true
		}
		return
	case "build-output":
		fmt.Fprint(out, e.Output)
		return
	case "build-fail":
		r.broken = append(r.broken, e.ImportPath+": does not build")
		return
	case "pass", "fail", "skip":
	default:
		return
	}
	defer delete(output, key)
	if e.Test == "" {
		fmt.Fprintf(out, "%-5s %s %.1fs\n", word(e.Action), e.Package, e.Elapsed)
		if e.Action == "fail" {
			r.ended(e.Package, panicked[e.Package], output[key], out)
		}
		return
	}
	r.count(e)
	switch e.Action {
	case "pass":
		r.passed++
	case "fail":
		r.failed = append(r.failed, key)
		if o := output[key]; o != nil {
			fmt.Fprint(out, o.String())
		}
	case "skip":
		r.skipped = append(r.skipped, fmt.Sprintf("%s %s: %s", e.Package, e.Test, reason(output[key])))
	}
	if e.Action != "skip" && !strings.Contains(e.Test, "/") {
		r.times = append(r.times, timed{key, e.Elapsed})
	}
}

// count counts a test for the record, below the name of the whole test.
func (r *result) count(e event) {
	top, _, _ := strings.Cut(e.Test, "/")
	key := test{e.Package, top}
	if r.each[key] == nil {
		r.each[key] = &counts{}
	}
	switch e.Action {
	case "pass":
		r.each[key].Passed++
	case "fail":
		r.each[key].Failed++
	case "skip":
		r.each[key].Skipped++
	}
}

// ended notes a package that failed: by a test of its own, by all of it when it
// died half-way, since tests after that never ran.
func (r *result) ended(pkg string, panicked bool, output *bytes.Buffer, out io.Writer) {
	failing := false
	for _, t := range r.failed {
		failing = failing || t.pkg == pkg
	}
	if panicked || !failing {
		r.died = append(r.died, pkg)
		if output != nil {
			fmt.Fprint(out, output.String())
		}
	}
}

func word(action string) string {
	switch action {
	case "pass":
		return "ok"
	case "skip":
		return "none"
	}
	return "FAIL"
}

// place is the file and line that the testing package puts before a reason.
var place = regexp.MustCompile(`^\s*\S+\.go:\d+: `)

func reason(o *bytes.Buffer) string {
	if o == nil {
		return "no reason given"
	}
	for line := range strings.Lines(o.String()) {
		if place.MatchString(line) {
			return strings.TrimSpace(place.ReplaceAllString(line, ""))
		}
	}
	return "no reason given"
}
