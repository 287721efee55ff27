// Command testreport reads `go test -json` and prints what a person wants to
// know: failures with their output, a line per package, every skipped test with
// its reason, and the counts. Its exit status is that of the tests. A skip that
// nobody counts is a test that nobody runs.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
)

func main() {
	if !report(os.Stdin, os.Stdout) {
		os.Exit(1)
	}
}

// event is a line of `go doc test2json`.
type event struct {
	Action      string
	Package     string
	ImportPath  string
	Test        string
	Elapsed     float64
	Output      string
	FailedBuild string
}

type test struct{ pkg, name string }

// report returns whether at least one test ran and none failed.
func report(in io.Reader, out io.Writer) bool {
	output := map[test]*strings.Builder{}
	var passed, failed int
	var skipped []string
	broken := false
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) != nil {
				fmt.Fprintf(out, "%s", line) // not from the tests: a compiler's or go's own words
				broken = broken || strings.HasPrefix(string(line), "FAIL")
				continue
			}
			key := test{e.Package, e.Test}
			switch e.Action {
			case "output":
				if output[key] == nil {
					output[key] = &strings.Builder{}
				}
				output[key].WriteString(e.Output)
			case "build-output":
				fmt.Fprint(out, e.Output)
			case "build-fail":
				broken = true
			case "pass", "fail", "skip":
				switch {
				case e.Test == "":
					if e.Action == "fail" {
						broken = true
						if o := output[key]; o != nil {
							fmt.Fprint(out, o.String())
						}
					}
					fmt.Fprintf(out, "%-5s %s %.1fs\n", word(e.Action), e.Package, e.Elapsed)
				case e.Action == "pass":
					passed++
				case e.Action == "fail":
					failed++
					if o := output[key]; o != nil {
						fmt.Fprint(out, o.String())
					}
				case e.Action == "skip":
					skipped = append(skipped, fmt.Sprintf("%s %s: %s", e.Package, e.Test, reason(output[key])))
				}
				delete(output, key)
			}
		}
		if err != nil {
			break
		}
	}
	slices.Sort(skipped)
	for _, s := range skipped {
		fmt.Fprintln(out, "skipped:", s)
	}
	fmt.Fprintf(out, "%d passed, %d failed, %d skipped\n", passed, failed, len(skipped))
	return failed == 0 && !broken && passed > 0
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

func reason(o *strings.Builder) string {
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
