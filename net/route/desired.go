package route

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"ispctl"
	"ispctl/converge"
)

// Protocol marks routes as ours; rtnetlink(7) leaves the numbers above 4 to
// whoever installs routes, and /etc/iproute2/rt_protos has no name for it.
const Protocol = 73

// State is what we manage of forwarding.
type State struct {
	Sysctls map[string]string   // by sysctl(8) name
	Locals  map[netip.Addr]bool // external addresses that end here
}

// Len is the number of routes.
func (s State) Len() int { return len(s.Locals) }

// sysctls make the host a router and keep bridged frames out of the IP filter.
// A key that the kernel does not have needs no setting.
var sysctls = map[string]string{
	"net.ipv4.ip_forward":                 "1",
	"net.bridge.bridge-nf-call-iptables":  "0",
	"net.bridge.bridge-nf-call-ip6tables": "0",
	"net.bridge.bridge-nf-call-arptables": "0",
}

// Desired is the sysctls, always, and a route per external address.
func Desired(m *ispctl.Model) (State, error) {
	s := State{Sysctls: maps.Clone(sysctls), Locals: map[netip.Addr]bool{}}
	for _, a := range m.Addresses {
		s.Locals[a.Addr] = true
	}
	return s, nil
}

// Change sets a sysctl, or adds or deletes a local route.
type Change struct {
	Sysctl, Value string
	Local         netip.Addr
	Delete        bool
}

// Kind is Prune for a route that is left over and Ensure for all else.
func (c Change) Kind() converge.Kind {
	if c.Delete {
		return converge.Prune
	}
	return converge.Ensure
}

// String is the sysctl(8) or ip(8) command.
func (c Change) String() string {
	switch {
	case c.Sysctl != "":
		return fmt.Sprintf("sysctl -w %s=%s", c.Sysctl, c.Value)
	case c.Delete:
		return fmt.Sprintf("ip route delete local %s dev lo table local proto %d", c.Local, Protocol)
	default:
		return fmt.Sprintf("ip route append local %s dev lo table local proto %d", c.Local, Protocol)
	}
}

// Diff lists what makes have into want.
func Diff(want, have State) []Change {
	var changes []Change
	for _, key := range slices.Sorted(maps.Keys(want.Sysctls)) {
		if want.Sysctls[key] != have.Sysctls[key] {
			changes = append(changes, Change{Sysctl: key, Value: want.Sysctls[key]})
		}
	}
	for _, a := range slices.SortedFunc(maps.Keys(want.Locals), netip.Addr.Compare) {
		if !have.Locals[a] {
			changes = append(changes, Change{Local: a})
		}
	}
	for _, a := range slices.SortedFunc(maps.Keys(have.Locals), netip.Addr.Compare) {
		if !want.Locals[a] {
			changes = append(changes, Change{Local: a, Delete: true})
		}
	}
	return changes
}
