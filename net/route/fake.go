package route

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"ispctl/converge"
)

// Fake is routes and sysctls in memory.
type Fake struct {
	State

	// FailAfter, when positive, makes the change after that many fail.
	FailAfter int
}

var _ converge.Target[State, Change] = (*Fake)(nil)

// ErrInjected is the fault that FailAfter brings about.
var ErrInjected = errors.New("injected fault")

// NewFake is a host that forwards nothing and has no route of ours.
func NewFake() *Fake {
	s := NewState()
	s.Sysctls[forwarding6] = "0"
	s.Sysctls["net.ipv4.ip_forward"] = "0"
	return &Fake{State: s}
}

// Observe returns the state.
func (f *Fake) Observe(context.Context) (State, error) {
	return State{
		maps.Clone(f.Sysctls), maps.Clone(f.Locals), maps.Clone(f.Proxies), maps.Clone(f.Guests), maps.Clone(f.Ways), maps.Clone(f.Rules),
	}, nil
}

// Apply carries out changes in order, up to an injected fault.
func (f *Fake) Apply(_ context.Context, changes []Change) error {
	for i, c := range changes {
		switch {
		case f.FailAfter > 0 && i >= f.FailAfter:
			return fmt.Errorf("%s: %w", c, ErrInjected)
		case c.Sysctl != "":
			f.Sysctls[c.Sysctl] = c.Value
		case c.Proxy.Link != "":
			put(f.Proxies, c.Proxy, c.Delete)
		case c.Guest.Link != "":
			put(f.Guests, c.Guest, c.Delete)
		case c.Way.Link != "":
			put(f.Ways, c.Way, c.Delete)
		case c.Rule.Table != 0:
			put(f.Rules, c.Rule, c.Delete)
		default:
			put(f.Locals, c.Local, c.Delete)
		}
	}
	return nil
}

func put[K comparable](into map[K]bool, key K, remove bool) {
	if remove {
		delete(into, key)
		return
	}
	into[key] = true
}
