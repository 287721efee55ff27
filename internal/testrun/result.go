package main

import (
	"cmp"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// result is what came of some tests.
type result struct {
	passed  int
	failed  []test
	skipped []string
	died    []string // packages that ended before all of their tests had run
	broken  []string // what kept tests from running at all
	second  []string // tests that failed, and passed when they were run alone
	times   []timed
	each    map[test]*counts // of tests with their subtests, for the record
}

type timed struct {
	test
	seconds float64
}

// atMost is how many failures may be tried once more. More of them are no
// accident.
const atMost = 6

func (r *result) ok() bool {
	return r.passed > 0 && len(r.failed) == 0 && len(r.died) == 0 && len(r.broken) == 0
}

// worthAnother are the tests to run once more, as a pattern for each package.
func (r *result) worthAnother() map[string]string {
	names := map[string][]string{}
	for _, t := range r.failed {
		if top, _, _ := strings.Cut(t.name, "/"); !slices.Contains(names[t.pkg], top) {
			names[t.pkg] = append(names[t.pkg], top)
		}
	}
	for _, pkg := range r.died {
		names[pkg] = nil
	}
	count := 0
	patterns := map[string]string{}
	for pkg, tops := range names {
		count += max(1, len(tops))
		patterns[pkg] = "."
		if len(tops) > 0 {
			for i, top := range tops {
				tops[i] = regexp.QuoteMeta(top)
			}
			patterns[pkg] = "^(" + strings.Join(tops, "|") + ")$"
		}
	}
	if len(r.broken) > 0 || count > atMost {
		return nil
	}
	return patterns
}

// amend puts the second run of a package's failed tests in place of the first.
// It has to have run each of them.
func (r *result) amend(pkg string, again *result) {
	if !again.ok() {
		return
	}
	ran := map[string]bool{}
	for _, t := range again.times {
		ran[t.name] = true
	}
	died := slices.Contains(r.died, pkg)
	for _, t := range r.failed {
		if top, _, _ := strings.Cut(t.name, "/"); t.pkg == pkg && !ran[top] {
			return
		}
	}
	for t, c := range again.each {
		if was := r.each[t]; was == nil || was.Failed > 0 {
			r.each[t] = c
		}
	}
	r.failed = slices.DeleteFunc(r.failed, func(t test) bool {
		if t.pkg != pkg {
			return false
		}
		r.second = append(r.second, pkg+" "+t.name)
		if !died {
			r.passed++
		}
		return true
	})
	if died {
		r.died = slices.DeleteFunc(r.died, func(p string) bool { return p == pkg })
		r.second = append(r.second, pkg+" (the whole package)")
		r.passed += again.passed
	}
}

func (r *result) add(other *result) {
	r.passed += other.passed
	r.failed = append(r.failed, other.failed...)
	r.skipped = append(r.skipped, other.skipped...)
	r.died = append(r.died, other.died...)
	r.broken = append(r.broken, other.broken...)
	r.second = append(r.second, other.second...)
	r.times = append(r.times, other.times...)
}

// print ends with the counts, alone on a line.
func (r *result) print(out io.Writer) {
	slices.SortFunc(r.times, func(a, b timed) int { return cmp.Compare(b.seconds, a.seconds) })
	for _, t := range r.times[:min(len(r.times), 15)] {
		if t.seconds >= 5 {
			fmt.Fprintf(out, "slow: %6.1fs %s %s\n", t.seconds, t.pkg, t.name)
		}
	}
	slices.Sort(r.skipped)
	for _, s := range r.skipped {
		fmt.Fprintln(out, "skipped:", s)
	}
	for _, s := range r.second {
		fmt.Fprintln(out, "passed only when run once more:", s)
	}
	for _, t := range r.failed {
		fmt.Fprintln(out, "failed:", t.pkg, t.name)
	}
	for _, pkg := range r.died {
		fmt.Fprintln(out, "failed:", pkg, "ended before all of its tests had run")
	}
	for _, b := range r.broken {
		fmt.Fprintln(out, "failed:", b)
	}
	fmt.Fprintf(out, "%d passed, %d failed, %d skipped\n", r.passed, len(r.failed)+len(r.died)+len(r.broken), len(r.skipped))
}
