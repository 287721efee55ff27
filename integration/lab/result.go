package lab

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Outcome of a test.
type Outcome string

// The outcomes, as go test -json has them.
const (
	Pass Outcome = "pass"
	Fail Outcome = "fail"
	Skip Outcome = "skip"
)

// Test is a test that was run. One without a name is the whole package.
type Test struct {
	Package, Name string
	Outcome       Outcome
	Elapsed       time.Duration
	Output        string
}

// Result is what came out of a run. There are tests in it even where Run
// returns an error: those that ended before.
type Result struct {
	Flavour string
	Kernel  string // its release
	KVM     bool
	Resumed bool // went on from saved memory
	Again   bool // the machine had failed, and this is the second try
	Tests   []Test

	// How long it took until there was a system, until there were binaries,
	// from the machine's start to the first test, and for all tests.
	Build, Compile, Boot, Run time.Duration

	Console string // file with all that the kernel and process 1 said
}

// String is the result in a line.
func (r Result) String() string {
	how, start := "TCG", "boot"
	if r.KVM {
		how = "KVM"
	}
	if r.Resumed {
		start = "resume"
	}
	if r.Again {
		start = "second try, " + start
	}
	round := func(d time.Duration) time.Duration { return d.Round(100 * time.Millisecond) }
	return fmt.Sprintf("%s, Linux %s, %s: %s; system %v, compile %v, %s %v, tests %v",
		r.Flavour, r.Kernel, how, r.counts(), round(r.Build), round(r.Compile), start, round(r.Boot), round(r.Run))
}

// counts is how many tests came out how.
func (r Result) counts() string {
	count := map[Outcome]int{}
	for _, t := range r.Tests {
		if t.Name != "" {
			count[t.Outcome]++
		}
	}
	return fmt.Sprintf("%d passed, %d failed, %d skipped", count[Pass], count[Fail], count[Skip])
}

// Err is nil if every test passed. A skip is a failure here: no test may hide
// by not running. So is a package that ran nothing.
func (r Result) Err() error {
	var errs []error
	ran := map[string]bool{}
	for _, t := range r.Tests {
		switch {
		case t.Name != "" && t.Outcome == Pass:
			ran[t.Package] = true
		case t.Outcome != Pass:
			name := strings.TrimSpace(t.Package + " " + t.Name)
			errs = append(errs, fmt.Errorf("%s: %s\n%s", name, t.Outcome, tail(t.Output)))
		}
	}
	for _, t := range r.Tests {
		if t.Name == "" && t.Outcome == Pass && !ran[t.Package] {
			errs = append(errs, fmt.Errorf("%s: no test was run", t.Package))
		}
	}
	return errors.Join(errs...)
}
