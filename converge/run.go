package converge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"ispctl"
)

// Step is the share of one layer in a pass.
type Step struct {
	Layer   string
	Changes []Change
	layer   Layer
	seen    int
}

// Options steer a pass.
type Options struct {
	// AllowMassPrune permits removing more than half of a layer's objects.
	// Without it such a pass is refused before it touches anything: a model
	// that lost its rows looks just like an operator who wants nothing.
	AllowMassPrune bool
	// Begin and End, when set, are told of every layer that is worked on, as
	// it starts and as it ends. They must return at once.
	Begin func(layer string, changes int)
	End   func(layer string, err error)
}

// massPruneFloor is how many objects may always go: half of few is nothing.
const massPruneFloor = 3

// Fault is an error that befell one object of the model.
type Fault struct {
	Object string // as in the model: "vm web1"
	Err    error
}

// Error begins with the object.
func (f *Fault) Error() string { return f.Object + ": " + f.Err.Error() }

// Unwrap returns what befell it.
func (f *Fault) Unwrap() error { return f.Err }

// Faults collects every Fault in err's tree.
func Faults(err error) []*Fault {
	switch e := err.(type) {
	case nil:
		return nil
	case *Fault:
		return []*Fault{e}
	case interface{ Unwrap() []error }:
		var all []*Fault
		for _, sub := range e.Unwrap() {
			all = append(all, Faults(sub)...)
		}
		return all
	}
	return Faults(errors.Unwrap(err))
}

// FaultsOnly reports whether every error in the tree befell a single object: a
// pass that ends so has done all that it could.
func FaultsOnly(err error) bool {
	switch e := err.(type) {
	case nil, *Fault:
		return true
	case interface{ Unwrap() []error }:
		return !slices.ContainsFunc(e.Unwrap(), func(sub error) bool { return !FaultsOnly(sub) })
	}
	under := errors.Unwrap(err)
	return under != nil && FaultsOnly(under)
}

// Survey asks every layer what is pending, all at once. It touches nothing. If
// any layer cannot tell, there are no steps.
func Survey(ctx context.Context, layers []Layer, m *ispctl.Model) ([]Step, error) {
	steps := make([]Step, len(layers))
	errs := make([]error, len(layers))
	var group sync.WaitGroup
	for i, l := range layers {
		group.Go(func() {
			var p Pending
			p, errs[i] = l.Pending(ctx, m)
			steps[i] = Step{Layer: l.Name(), Changes: p.Changes, layer: l, seen: p.Observed}
		})
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return steps, nil
}

// Changes are all changes of the steps in the order Apply makes them.
func Changes(steps []Step) []Change {
	var all []Change
	for _, s := range steps {
		all = append(all, only(s.Changes, Ensure)...)
	}
	for _, s := range slices.Backward(steps) {
		all = append(all, only(s.Changes, Prune)...)
	}
	return all
}

// Apply carries out steps: first what is to be made, in order, then what is to
// go, in reverse. An error that befell single objects (a [Fault]) stands in the
// way of what is [Owned] by them, and of nobody else's; any other one ends the
// pass, so that no guest starts behind a wall that could not be built, and no
// wall goes before its guests.
func Apply(ctx context.Context, steps []Step, o Options) error {
	if err := guard(steps, o); err != nil {
		return err
	}
	var failed error
	act := func(s Step, k Kind) bool {
		err := s.apply(ctx, spared(only(s.Changes, k), failed), o)
		failed = errors.Join(failed, err)
		return FaultsOnly(err)
	}
	for _, s := range steps {
		if !act(s, Ensure) {
			return failed
		}
	}
	for _, s := range slices.Backward(steps) {
		if !act(s, Prune) {
			return failed
		}
	}
	return failed
}

// spared are the changes that serve no object with a fault.
func spared(changes []Change, failed error) []Change {
	faults := Faults(failed)
	return slices.DeleteFunc(changes, func(c Change) bool {
		owned, ok := c.(Owned)
		return ok && slices.ContainsFunc(faults, func(f *Fault) bool { return f.Object == owned.Object() })
	})
}

// Run is one whole pass: Survey, then Apply. It returns the changes that were
// pending, whether or not they could be made.
func Run(ctx context.Context, layers []Layer, m *ispctl.Model, o Options) ([]Change, error) {
	steps, err := Survey(ctx, layers, m)
	if err != nil {
		return nil, err
	}
	return Changes(steps), Apply(ctx, steps, o)
}

func (s Step) apply(ctx context.Context, changes []Change, o Options) error {
	if len(changes) == 0 {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if o.Begin != nil {
		o.Begin(s.Layer, len(changes))
	}
	err := s.layer.Apply(ctx, changes)
	if o.End != nil {
		o.End(s.Layer, err)
	}
	return err
}

func guard(steps []Step, o Options) error {
	if o.AllowMassPrune {
		return nil
	}
	for _, s := range steps {
		prunes := len(only(s.Changes, Prune))
		if prunes > massPruneFloor && 2*prunes > s.seen && s.seen > 0 {
			return &ispctl.Error{
				Kind: ispctl.Conflict, Object: "layer " + s.Layer,
				Cause: fmt.Sprintf("would remove %d of its %d objects", prunes, s.seen),
				Next:  "look at `ispctl converge --dry-run`; if that is meant: ispctl converge --yes",
			}
		}
	}
	return nil
}

func only(changes []Change, k Kind) []Change {
	var some []Change
	for _, c := range changes {
		if c.Kind() == k {
			some = append(some, c)
		}
	}
	return some
}
