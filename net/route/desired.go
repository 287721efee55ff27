package route

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"ispctl"
	"ispctl/converge"
)

// Protocol marks routes as ours; rtnetlink(7) leaves the numbers above 4 to
// whoever installs routes, and /etc/iproute2/rt_protos has no name for it.
const Protocol = 73

// State is what we manage of forwarding.
type State struct {
	Sysctls Sysctls
	Locals  map[netip.Addr]bool // external addresses that end here
	Proxies map[Proxy]bool      // addresses that neighbours on the uplink are answered for
	Guests  map[Guest]bool      // external addresses on guests' own NICs
	Ways    map[Way]bool        // by which traffic of an address with a MAC of its own leaves
	Rules   map[Rule]bool       // that send it there
}

// NewState is one of nothing but the sysctls that every model wants.
func NewState() State {
	return State{
		Sysctls: allSysctls(), Locals: map[netip.Addr]bool{}, Proxies: map[Proxy]bool{},
		Guests: map[Guest]bool{}, Ways: map[Way]bool{}, Rules: map[Rule]bool{},
	}
}

// Len is the number of routes, rules and proxies.
func (s State) Len() int {
	return len(s.Locals) + len(s.Proxies) + len(s.Guests) + len(s.Ways) + len(s.Rules)
}

// Proxy is an address that the host answers neighbour solicitations for on a
// link, beside its own.
type Proxy struct {
	Link string
	Addr netip.Addr
}

// Sysctls are settings by their sysctl(8) names. Nobody owns them, so one that
// is not wanted is nobody's business.
type Sysctls map[string]string

// Equal reports whether both say the same of all that both speak of.
func (s Sysctls) Equal(other Sysctls) bool {
	for key, value := range s {
		if another, both := other[key]; both && another != value {
			return false
		}
	}
	return true
}

// sysctls make the host a router and keep bridged frames out of the IP filter.
// A key that the kernel does not have needs no setting.
var sysctls = Sysctls{
	"net.ipv4.ip_forward":                 "1",
	"net.bridge.bridge-nf-call-iptables":  "0",
	"net.bridge.bridge-nf-call-ip6tables": "0",
	"net.bridge.bridge-nf-call-arptables": "0",
}

// Desired is the sysctls, always, a route per external address, and a proxy for
// each IPv6 address that the provider looks for on the link itself.
func Desired(m *ispctl.Model) (State, error) {
	s := NewState()
	for _, a := range m.Addresses {
		if a.Mode == ispctl.Shared || a.Mode == ispctl.SourceNAT || a.Mode == ispctl.OneToOne {
			s.Locals[a.Addr] = true
		}
	}
	if err := addGuests(s, m); err != nil {
		return s, err
	}
	addWays(s, m)
	for key, value := range sysctls6(m) {
		s.Sysctls[key] = value
	}
	for _, a := range onLink(m) {
		s.Proxies[Proxy{m.Uplink.Interface, a}] = true
	}
	return s, nil
}

// forwarding6 makes the host a router of IPv6.
const forwarding6 = "net.ipv6.conf.all.forwarding"

// sysctls6 are those of a host that has IPv6 guests, or addresses that end
// here.
func sysctls6(m *ispctl.Model) Sysctls {
	s := Sysctls{}
	for _, z := range m.Zones {
		if z.Prefix6.IsValid() {
			s[forwarding6] = "1"
		}
	}
	if len(s) == 0 || !m.Uplink.Configured() {
		return s
	}
	if !m.Uplink.Gateway6.IsValid() {
		// A router does not listen to routers unless told so, and would
		// forget its own way out.
		s[linkKey(m.Uplink.Interface, "accept_ra")] = "2"
	}
	if len(onLink(m)) > 0 {
		s[linkKey(m.Uplink.Interface, "proxy_ndp")] = "1"
	}
	return s
}

// linkKey is the name of an IPv6 setting of a link; sysctl(8) writes a dot
// inside a link's name as a slash.
func linkKey(link, key string) string {
	return "net.ipv6.conf." + strings.ReplaceAll(link, ".", "/") + "." + key
}

// onLink are the addresses of guests, and those that end here, that lie in the
// uplink's own net: the provider's router asks for them there, each by itself.
// Only what is handed out is answered for; a host that answers for a whole
// prefix fills its neighbour's table and is shut off.
func onLink(m *ispctl.Model) []netip.Addr {
	net := m.Uplink.Address6.Masked()
	var all []netip.Addr
	add := func(a netip.Addr) {
		if m.Uplink.Configured() && net.IsValid() && net.Contains(a) && a != m.Uplink.Address6.Addr() {
			all = append(all, a)
		}
	}
	for _, a := range m.Addresses {
		if a.Mode != ispctl.Wire {
			add(a.Addr)
		}
	}
	for vm := range m.Guests() {
		for _, nic := range vm.ZoneNICs() {
			add(nic.Addr6)
		}
	}
	return all
}

// Change sets a sysctl, or adds or deletes a local route or a proxy.
type Change struct {
	Sysctl, Value string
	Local         netip.Addr
	Proxy         Proxy
	Guest         Guest
	Way           Way
	Rule          Rule
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
	case c.Proxy.Link != "" && c.Delete:
		return fmt.Sprintf("ip neighbour delete proxy %s dev %s", c.Proxy.Addr, c.Proxy.Link)
	case c.Proxy.Link != "":
		return fmt.Sprintf("ip neighbour add proxy %s dev %s protocol %d", c.Proxy.Addr, c.Proxy.Link, Protocol)
	case c.Guest.Link != "":
		return c.Guest.text(c.Delete)
	case c.Way.Link != "":
		return c.Way.text(c.Delete)
	case c.Rule.Table != 0:
		return c.Rule.text(c.Delete)
	case c.Delete:
		return fmt.Sprintf("ip route delete local %s dev lo table local proto %d", c.Local, Protocol)
	default:
		return fmt.Sprintf("ip route append local %s dev lo table local proto %d", c.Local, Protocol)
	}
}

// Diff lists what makes have into want.
func Diff(want, have State) []Change {
	var changes []Change
	// The uplink goes on listening to routers before the host becomes one.
	last := func(key string) int {
		if key == forwarding6 {
			return 1
		}
		return 0
	}
	byUse := func(a, b string) int { return cmp.Or(cmp.Compare(last(a), last(b)), cmp.Compare(a, b)) }
	for _, key := range slices.SortedFunc(maps.Keys(want.Sysctls), byUse) {
		if want.Sysctls[key] != have.Sysctls[key] {
			changes = append(changes, Change{Sysctl: key, Value: want.Sysctls[key]})
		}
	}
	for _, a := range slices.SortedFunc(maps.Keys(want.Locals), netip.Addr.Compare) {
		if !have.Locals[a] {
			changes = append(changes, Change{Local: a})
		}
	}
	for _, p := range slices.SortedFunc(maps.Keys(want.Proxies), compareProxies) {
		if !have.Proxies[p] {
			changes = append(changes, Change{Proxy: p})
		}
	}
	changes = append(changes, diffGuests(want, have)...)
	for _, p := range slices.SortedFunc(maps.Keys(have.Proxies), compareProxies) {
		if !want.Proxies[p] {
			changes = append(changes, Change{Proxy: p, Delete: true})
		}
	}
	for _, a := range slices.SortedFunc(maps.Keys(have.Locals), netip.Addr.Compare) {
		if !want.Locals[a] {
			changes = append(changes, Change{Local: a, Delete: true})
		}
	}
	return changes
}

func compareProxies(a, b Proxy) int {
	return cmp.Or(cmp.Compare(a.Link, b.Link), a.Addr.Compare(b.Addr))
}
