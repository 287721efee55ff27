package operations

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"ispctl"
	"ispctl/converge"
	"ispctl/state"
)

// repairWait is how long a repair waits for another ispctl at work before it
// does without it what cannot wait.
const repairWait = 500 * time.Millisecond

// wallLayers are the layers without which guests are unwalled.
var wallLayers = []string{"firewall", "nat"}

// silentLayers hold what can change without that anybody tells: sysctls, and
// processes that die.
var silentLayers = []string{"bridge", "route", "dhcp"}

// Repairer puts back what others take away, in the layers that its provider
// has. It remembers the last model only to glance by it.
type Repairer struct {
	Provider *Provider
	last     *ispctl.Model
}

// Repair looks without the host lock, and takes it only when there is something
// to do. When another ispctl holds it for long and it is urgent, the walls are
// put back beside it: they are one transaction, of a model that is committed, and
// that other one brings them to the same.
func (r *Repairer) Repair(ctx context.Context, urgent bool) (did []string, err error) {
	p := r.Provider
	if r.last, err = p.Store.Model(ctx); err != nil {
		return nil, err
	}
	layers := p.Layers
	steps, errLook := converge.Survey(ctx, layers, r.last)
	if errLook != nil {
		// What is wrong with one layer is no reason to leave the walls down.
		layers = named(layers, wallLayers)
		if steps, err = converge.Survey(ctx, layers, r.last); err != nil {
			return nil, errors.Join(errLook, err)
		}
	}
	if len(converge.Changes(steps)) == 0 {
		return nil, errLook
	}
	unlock, err := state.Lock(ctx, p.Paths, repairWait)
	switch {
	case ispctl.KindOf(err) == ispctl.Conflict && urgent:
		layers, unlock = named(layers, wallLayers), func() error { return nil }
	case ispctl.KindOf(err) == ispctl.Conflict:
		// It may be what is pending; its end is an event.
		if unlock, err = p.lock(ctx); err != nil {
			return nil, errors.Join(errLook, err)
		}
	case err != nil:
		return nil, errors.Join(errLook, err)
	}
	did, err = r.repair(ctx, layers)
	return did, errors.Join(errLook, err, unlock())
}

// repair is a pass over some layers. It keeps no books of faults: those of the
// layers that it does not see would be lost.
func (r *Repairer) repair(ctx context.Context, layers []converge.Layer) (did []string, err error) {
	if r.last, err = r.Provider.Store.Model(ctx); err != nil {
		return nil, err
	}
	steps, err := converge.Survey(ctx, layers, r.last)
	if err != nil {
		return nil, err
	}
	for _, s := range steps {
		if n := len(s.Changes); n > 0 {
			did = append(did, fmt.Sprintf("%s: %s", s.Layer, headlines(s.Changes)))
		}
	}
	if len(did) == 0 {
		return nil, nil
	}
	if err := converge.Apply(ctx, steps, converge.Options{}); err != nil {
		return nil, err
	}
	return did, r.write(ctx, did)
}

// write puts a repair into the journal.
func (r *Repairer) write(ctx context.Context, did []string) error {
	e := state.Entry{Actor: r.Provider.Actor, Operation: "repair", Object: "host", Detail: strings.Join(did, "; ")}
	_, err := r.Provider.Store.Update(ctx, e, func(*state.Tx) error { return nil })
	return err
}

// Glances report, one for each layer that tells of no change, whether it has one
// pending, by the last model that was seen.
func (r *Repairer) Glances() (all []func(context.Context) (bool, error)) {
	for _, l := range named(r.Provider.Layers, silentLayers) {
		all = append(all, func(ctx context.Context) (bool, error) {
			if r.last == nil {
				return true, nil
			}
			pending, err := l.Pending(ctx, r.last)
			return len(pending.Changes) > 0, err
		})
	}
	return all
}

// named are the layers of those names.
func named(layers []converge.Layer, names []string) []converge.Layer {
	var some []converge.Layer
	for _, l := range layers {
		if slices.Contains(names, l.Name()) {
			some = append(some, l)
		}
	}
	return some
}

// headlines are the first few changes, in a line.
func headlines(changes []converge.Change) string {
	const few = 3
	var heads []string
	for _, c := range changes[:min(few, len(changes))] {
		heads = append(heads, Headline(c))
	}
	if more := len(changes) - few; more > 0 {
		heads = append(heads, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(heads, ", ")
}

// Headline is the line of a change that names its object: the first of the
// command, or, where the command is a script, that script's.
func Headline(c converge.Change) string {
	const long = 100
	first, rest, script := strings.Cut(c.String(), "\n")
	if script {
		first, _, _ = strings.Cut(rest, "\n")
	}
	return first[:min(len(first), long)]
}
