package cgroup

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"ispctl/converge"
)

// ErrInjected is the fault that FailAfter brings about.
var ErrInjected = errors.New("injected fault")

// Fake is a tree of groups in memory. It refuses what the kernel refuses.
type Fake struct {
	Groups  State
	Foreign State

	// FailAfter, when positive, makes the change after that many fail.
	FailAfter int
}

var _ converge.Target[State, Change] = (*Fake)(nil)

// NewFake is a tree with a group that is not ours.
func NewFake() *Fake {
	return &Fake{Groups: State{}, Foreign: State{"system.slice": {Weight: 100}}}
}

// Observe lists what is ours.
func (f *Fake) Observe(context.Context) (State, error) { return maps.Clone(f.Groups), nil }

// Apply carries out changes in order, past a group that fails.
func (f *Fake) Apply(_ context.Context, changes []Change) error {
	var errs []error
	for i, c := range changes {
		if err := f.apply(i, c); err != nil {
			errs = append(errs, &converge.Fault{Object: c.Object(), Err: fmt.Errorf("%s: %w", c, err)})
		}
	}
	return errors.Join(errs...)
}

func (f *Fake) apply(i int, c Change) error {
	if f.FailAfter > 0 && i == f.FailAfter {
		return ErrInjected
	}
	above := path.Dir(c.Path)
	if _, there := f.Groups[above]; !c.Gone && above != "." && !there {
		return errors.New("no such file or directory")
	}
	if !c.Gone {
		g := c.Group
		g.Astray = false // whoever was outside is in it now
		f.Groups[c.Path] = g
		return nil
	}
	for p := range f.Groups {
		if path.Dir(p) == c.Path {
			return errors.New("device or resource busy")
		}
	}
	delete(f.Groups, c.Path)
	return nil
}

// String draws every group of ours, one a line.
func (f *Fake) String() string { return draw(f.Groups) }

// DrawForeign draws what is not ours.
func (f *Fake) DrawForeign() string { return draw(f.Foreign) }

func draw(s State) string {
	var b strings.Builder
	for _, p := range slices.Sorted(maps.Keys(s)) {
		fmt.Fprintf(&b, "%s %+v\n", p, s[p])
	}
	return b.String()
}
