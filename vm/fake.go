package vm

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"ispctl"
	"ispctl/converge"
)

// ErrInjected is the fault that FailAfter brings about.
var ErrInjected = errors.New("injected fault")

// Fake is a libvirt in memory. It refuses what libvirt refuses.
type Fake struct {
	Domains State
	Foreign State // domains without our mark
	Tuned   []Change
	Plugged []Change

	// FailAfter, when positive, makes the change after that many fail.
	FailAfter int
}

var _ converge.Target[State, Change] = (*Fake)(nil)

// NewFake is a libvirt with one domain that is not ours.
func NewFake() *Fake {
	other := Domain{Name: "other", UUID: "ffffffff-ffff-4fff-8fff-ffffffffffff", Running: true}
	return &Fake{Domains: State{}, Foreign: State{other.UUID: other}}
}

// Observe lists what is ours.
func (f *Fake) Observe(context.Context) (State, error) {
	s := State{}
	for uuid, d := range f.Domains {
		d.NICs, d.Data = slices.Clone(d.NICs), slices.Clone(d.Data)
		s[uuid] = d
	}
	return s, nil
}

// Apply carries out changes in order, past a VM that fails.
func (f *Fake) Apply(ctx context.Context, changes []Change) error {
	if f.Domains == nil {
		f.Domains = State{}
	}
	var errs []error
	failed := map[string]bool{}
	for i, c := range changes {
		if err := ctx.Err(); err != nil {
			return errors.Join(append(errs, err)...)
		}
		if failed[c.Domain.UUID] {
			continue
		}
		if err := f.attempt(i, c); err != nil {
			failed[c.Domain.UUID] = true
			errs = append(errs, &converge.Fault{Object: c.Domain.Object(), Err: fmt.Errorf("%s: %w", c, err)})
		}
	}
	return errors.Join(errs...)
}

func (f *Fake) attempt(i int, c Change) error {
	if f.FailAfter > 0 && i == f.FailAfter {
		return ErrInjected
	}
	return f.apply(c)
}

func (f *Fake) apply(c Change) error {
	d, there := f.Domains[c.Domain.UUID]
	if _, foreign := f.Foreign[c.Domain.UUID]; foreign {
		return ispctl.Conflicting("domain", c.Domain.Name, "is not ours")
	}
	switch {
	case c.Act == Define:
		return f.define(c.Domain)
	case c.Act == Undefine && d.Running:
		return ispctl.Conflicting("domain", d.Name, "is running")
	case c.Act == Remove, c.Act == Undefine:
		delete(f.Domains, c.Domain.UUID)
		return nil
	case (c.Act == Tune || c.Plugs()) && (!there || !d.Running):
		return nil // it has that as it starts
	case c.Plugs():
		f.Plugged = append(f.Plugged, c)
		return nil
	case c.Act == Tune:
		f.Tuned = append(f.Tuned, c)
		return nil
	case !there && (c.Act == Stop || c.Act == Kill):
		return nil
	case !there:
		return &ispctl.Error{Kind: ispctl.NotFound, Object: "domain " + c.Domain.Name, Cause: "not found"}
	}
	switch c.Act {
	case Start:
		d.Running = true
	case Stop, Kill:
		d.Running, d.Paused = false, false
	case Pause, Resume:
		if !d.Running {
			return ispctl.Conflicting("domain", c.Domain.Name, "is not running")
		}
		d.Paused = c.Act == Pause
	}
	f.Domains[d.UUID] = d
	return nil
}

// define keeps a name to one UUID, and a UUID to one name, as libvirt does.
func (f *Fake) define(d Domain) error {
	for _, all := range []State{f.Domains, f.Foreign} {
		for _, other := range all {
			if (other.Name == d.Name) != (other.UUID == d.UUID) {
				return ispctl.Conflicting("domain", other.Name, "is defined with uuid %s", other.UUID)
			}
		}
	}
	d.Running, d.Paused = f.Domains[d.UUID].Running, f.Domains[d.UUID].Paused
	d.NICs = slices.Clone(d.NICs)
	f.Domains[d.UUID] = d
	return nil
}

// String draws every domain of ours, one a line, in the order of UUIDs.
func (f *Fake) String() string { return draw(f.Domains) }

// DrawForeign draws what is not ours.
func (f *Fake) DrawForeign() string { return draw(f.Foreign) }

func draw(s State) string {
	var b strings.Builder
	for _, uuid := range slices.Sorted(maps.Keys(s)) {
		fmt.Fprintf(&b, "%+v\n", s[uuid])
	}
	return b.String()
}
