package dhcp

import (
	"fmt"
	"strings"

	"ispctl"
	"ispctl/converge"
)

// Act is what a change does to a server.
type Act int

// The acts.
const (
	Start   Act = iota // write its files and run it
	Restart            // the same, when what runs is another or ails
	Reload             // write its hosts and let it read them
	Stop               // it is left over: end it and remove its files
)

// Change is one act on a server. Server is the one wanted or, where it is to
// go, as it was seen.
type Change struct {
	Act        Act
	Server     Server
	Come, Gone []ispctl.Name // hosts, of Reload
}

// Kind is Prune for what is left over and Ensure for all else.
func (c Change) Kind() converge.Kind {
	if c.Act == Stop {
		return converge.Prune
	}
	return converge.Ensure
}

// Object is the zone that is served.
func (c Change) Object() string { return "zone " + string(c.Server.Zone) }

// String is the commands of dnsmasq(8) and pkill(1).
func (c Change) String() string {
	s := c.Server
	run := strings.Join(arguments(s.Dir, digest(s.Config)), " ")
	signal := func(name string) string { return fmt.Sprintf("pkill -%s -f conf-file=%s/", name, s.Dir) }
	switch c.Act {
	case Start:
		return run
	case Restart:
		return signal("TERM") + "; " + run
	case Reload:
		text := signal("HUP") + " #"
		for _, name := range c.Come {
			text += " +" + string(name)
		}
		for _, name := range c.Gone {
			text += " -" + string(name)
		}
		return text
	default: // Stop
		return signal("TERM") + "; rm -r " + s.Dir
	}
}
