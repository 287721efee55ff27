// Package converge is the engine: it brings the host to what the model says,
// layer by layer, and knows none of them.
//
// A pass asks every layer what is pending before it changes anything, so that
// an unreadable kernel or an impossible model touches nothing. Then it makes
// what is missing, in the order of the layers (the wall stands before the
// guest's first packet), and removes what is left over, in reverse. A pass may
// be killed anywhere: the next one observes what is there and does the rest.
package converge

import (
	"context"
	"fmt"

	"ispctl"
)

// Kind tells a change that makes or mends from one that removes.
type Kind int

// The kinds of change.
const (
	Ensure Kind = iota
	Prune
)

// Change is one act on the host. Its String is the command, in the syntax of
// the man page, that does the same: dry run, log line and golden in one.
type Change interface {
	fmt.Stringer
	Kind() Kind
}

// Owned is a change that serves one object of the model, named as a [Fault]
// names it. What befell the object in one layer keeps the later ones from it: no
// guest starts whose disk or tap is not whole, and no disk goes from under a
// guest that could not be ended.
type Owned interface{ Object() string }

// Target is the side-effecting edge of a layer: a kernel, a hypervisor, a
// directory, or a fake of one.
type Target[S any, C Change] interface {
	// Observe returns what bears our mark, and nothing else, as the same
	// type that Desired returns.
	Observe(ctx context.Context) (S, error)
	// Apply carries out changes in order. Each is idempotent: making what is
	// there and removing what is gone both succeed. It stops at nothing it
	// can go past and joins the errors.
	Apply(ctx context.Context, changes []C) error
}

// Layer is one kind of host object, as the engine sees it.
type Layer interface {
	Name() string
	// Pending observes and compares; it touches nothing. Layers are asked at
	// once, each from a goroutine of its own.
	Pending(ctx context.Context, m *ispctl.Model) (Pending, error)
	// Apply carries out changes that Pending returned.
	Apply(ctx context.Context, changes []Change) error
}

// Pending is what separates the host from the model in one layer.
type Pending struct {
	Changes  []Change
	Observed int // objects of ours that are there now
}

// Sized is a state that knows how many objects it holds. Only layers with one
// are guarded against mass removal.
type Sized interface{ Len() int }

// NewLayer makes a layer of its three parts: what is wanted, what differs, and
// the edge.
func NewLayer[S any, C Change](
	name string,
	desired func(*ispctl.Model) (S, error),
	diff func(want, have S) []C,
	target Target[S, C],
) Layer {
	return &layer[S, C]{name, desired, diff, target}
}

type layer[S any, C Change] struct {
	name    string
	desired func(*ispctl.Model) (S, error)
	diff    func(want, have S) []C
	target  Target[S, C]
}

func (l *layer[S, C]) Name() string { return l.name }

func (l *layer[S, C]) Pending(ctx context.Context, m *ispctl.Model) (Pending, error) {
	want, err := l.desired(m)
	if err != nil {
		return Pending{}, fmt.Errorf("%s: %w", l.name, err)
	}
	have, err := l.target.Observe(ctx)
	if err != nil {
		return Pending{}, fmt.Errorf("%s: observe: %w", l.name, err)
	}
	var p Pending
	for _, c := range l.diff(want, have) {
		p.Changes = append(p.Changes, c)
	}
	if s, ok := any(have).(Sized); ok {
		p.Observed = s.Len()
	}
	return p, nil
}

func (l *layer[S, C]) Apply(ctx context.Context, changes []Change) error {
	own := make([]C, len(changes))
	for i, c := range changes {
		own[i] = c.(C)
	}
	if err := l.target.Apply(ctx, own); err != nil {
		return fmt.Errorf("%s: %w", l.name, err)
	}
	return nil
}
