package track

import (
	"context"
	"slices"

	"ispctl/converge"
)

// Fake is connections in memory.
type Fake struct{ Conns []Conn }

var _ converge.Target[State, Change] = (*Fake)(nil)

// Observe returns the connections.
func (f *Fake) Observe(context.Context) (State, error) {
	return State{Conns: slices.Clone(f.Conns)}, nil
}

// Apply forgets connections.
func (f *Fake) Apply(_ context.Context, changes []Change) error {
	for _, c := range changes {
		f.Conns = slices.DeleteFunc(f.Conns, func(have Conn) bool { return have == c.Conn })
	}
	return nil
}
