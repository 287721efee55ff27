package dhcp

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

// Fake is the servers of a host in memory. It refuses what the host refuses.
type Fake struct {
	Servers State             // ours, running or not
	Foreign map[string]bool   // directories without our mark
	Taken   map[Socket]string // sockets that somebody else holds

	// FailAfter, when positive, makes the change after that many stop half-way:
	// files are written, and what runs has not read them.
	FailAfter int
}

var _ converge.Target[State, Change] = (*Fake)(nil)

// ErrInjected is the fault that FailAfter brings about.
var ErrInjected = errors.New("injected fault")

// NewFake is a host with a directory that is not ours.
func NewFake() *Fake {
	return &Fake{Servers: State{}, Foreign: map[string]bool{"/run/ispctl/dnsmasq/other": true}, Taken: map[Socket]string{}}
}

// Observe lists what is ours.
func (f *Fake) Observe(context.Context) (State, error) {
	s := State{}
	for zone, server := range f.Servers {
		server.Sockets, server.Hosts = slices.Clone(server.Sockets), slices.Clone(server.Hosts)
		s[zone] = server
	}
	return s, nil
}

// Apply carries out changes in order, past faults of single zones.
func (f *Fake) Apply(_ context.Context, changes []Change) error {
	var errs []error
	for i, c := range changes {
		err := error(nil)
		if f.FailAfter > 0 && i == f.FailAfter {
			err = f.half(c)
		} else {
			err = f.apply(c)
		}
		if err != nil {
			errs = append(errs, &converge.Fault{Object: c.Object(), Err: err})
		}
	}
	return errors.Join(errs...)
}

func (f *Fake) apply(c Change) error {
	want := c.Server
	have := f.Servers[want.Zone]
	switch {
	case f.Foreign[want.Dir] && c.Act == Stop:
		return nil
	case f.Foreign[want.Dir]:
		return ispctl.Conflicting("directory", want.Dir, "is in the way")
	case c.Act == Stop:
		delete(f.Servers, want.Zone)
		return nil
	case have.Running && have.Config == want.Config && slices.Equal(have.Sockets, want.Sockets):
		have.Hosts = slices.Clone(want.Hosts)
		f.Servers[want.Zone] = have
		return nil
	}
	for _, s := range want.Sockets {
		if who, taken := f.Taken[s]; taken {
			f.Servers[want.Zone] = Server{Zone: want.Zone, Dir: want.Dir}
			return ispctl.Conflicting("port", s.String(), "is taken by %s", who)
		}
	}
	f.Servers[want.Zone] = want
	return nil
}

// half leaves the zone with files that nobody is known to have read.
func (f *Fake) half(c Change) error {
	have := f.Servers[c.Server.Zone]
	f.Servers[c.Server.Zone] = Server{Zone: c.Server.Zone, Dir: c.Server.Dir, Sockets: have.Sockets, Running: have.Running}
	return ErrInjected
}

// Kill ends a server as kill -9 does.
func (f *Fake) Kill(zone ispctl.Name) {
	s := f.Servers[zone]
	f.Servers[zone] = Server{Zone: s.Zone, Dir: s.Dir}
}

// String draws every server, one a line, in the order of zones.
func (f *Fake) String() string {
	var b strings.Builder
	for _, zone := range slices.Sorted(maps.Keys(f.Servers)) {
		s := f.Servers[zone]
		fmt.Fprintf(&b, "%s running %t config %s on %v: %v\n", zone, s.Running, digest(s.Config), s.Sockets, s.Hosts)
	}
	return b.String() + f.DrawForeign()
}

// DrawForeign draws what is not ours.
func (f *Fake) DrawForeign() string {
	var b strings.Builder
	for _, dir := range slices.Sorted(maps.Keys(f.Foreign)) {
		fmt.Fprintf(&b, "%s foreign\n", dir)
	}
	for s, who := range f.Taken {
		fmt.Fprintf(&b, "%s %s\n", s, who)
	}
	return b.String()
}
