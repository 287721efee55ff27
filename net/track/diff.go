package track

import (
	"fmt"
	"strconv"

	"ispctl/converge"
)

// Change forgets one connection.
type Change struct {
	Conn Conn
	Why  string
}

// Kind is that of what removes: it comes after the walls have closed.
func (Change) Kind() converge.Kind { return converge.Prune }

// String is the command, and why.
func (c Change) String() string {
	proto, ports := strconv.Itoa(int(c.Conn.Proto)), ""
	if name, has := protocols[c.Conn.Proto]; has {
		proto, ports = string(name), fmt.Sprintf(" --sport %d --dport %d", c.Conn.Src.Port(), c.Conn.Dst.Port())
	}
	return fmt.Sprintf("conntrack -D -p %s -s %s -d %s%s # %s", proto, c.Conn.Src.Addr(), c.Conn.Dst.Addr(), ports, c.Why)
}

// Diff are the connections that may be no longer.
func Diff(want, have State) []Change {
	var changes []Change
	for _, c := range have.Conns {
		if why := want.rights.stale(c); why != "" {
			changes = append(changes, Change{c, why})
		}
	}
	return changes
}
