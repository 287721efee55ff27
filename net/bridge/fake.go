package bridge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"ispctl/converge"
)

// Fake is the links of a host in memory. It refuses what the kernel refuses.
type Fake struct {
	Links   map[string]Link // ours and foreign
	Foreign map[string]bool // names of links without our mark

	// FailAfter, when positive, makes the change after that many fail.
	FailAfter int
}

var _ converge.Target[State, Change] = (*Fake)(nil)

// ErrInjected is the fault that FailAfter brings about.
var ErrInjected = errors.New("injected fault")

// NewFake is a host with one link that is not ours.
func NewFake() *Fake {
	return &Fake{
		Links:   map[string]Link{"eth0": {Name: "eth0", Kind: "veth", MTU: 9000, Up: true}},
		Foreign: map[string]bool{"eth0": true},
	}
}

// Observe lists what is ours.
func (f *Fake) Observe(context.Context) (State, error) {
	s := State{}
	for name, l := range f.Links {
		if !f.Foreign[name] {
			l.Addresses = slices.Clone(l.Addresses)
			s[name] = l
		}
	}
	return s, nil
}

// Apply carries out changes in order, up to an injected fault.
func (f *Fake) Apply(_ context.Context, changes []Change) error {
	for i, c := range changes {
		if f.FailAfter > 0 && i >= f.FailAfter {
			return fmt.Errorf("%s: %w", c, ErrInjected)
		}
		if err := f.apply(c); err != nil {
			return fmt.Errorf("%s: %w", c, err)
		}
	}
	return nil
}

func (f *Fake) apply(c Change) error {
	name := c.Link.Name
	l, there := f.Links[name]
	switch {
	case f.Foreign[name]:
		return errors.New("not ours")
	case c.Act == Remove || c.Act == Replace:
		delete(f.Links, name)
		for port, other := range f.Links {
			if other.Master == name {
				other.Master, other.VLANs = "", nil
				f.Links[port] = other
			}
		}
		return nil
	case c.Act == Add:
		if !there {
			if c.Link.Kind == VLAN {
				trunk, ok := f.Links[c.Link.Parent]
				switch {
				case !ok:
					return errors.New("no such trunk")
				case c.Link.MTU > trunk.MTU:
					return errors.New("numerical result out of range: the trunk's MTU is less")
				}
			}
			f.Links[name] = fresh(c.Link)
		}
		return nil
	case !there:
		return errors.New("no such device")
	}
	switch c.Act {
	case SetMAC:
		l.MAC = c.Link.MAC
	case SetMTU:
		l.MTU = c.Link.MTU
	case SetIsolated:
		l.Isolated = c.Link.Isolated
	case SetAlias:
		l.Alias = c.Link.Alias
	case Harden:
		l.Hardened, l.IPv6 = true, c.Link.IPv6
		if !l.IPv6 {
			l.Addresses = slices.DeleteFunc(slices.Clone(l.Addresses), func(p netip.Prefix) bool { return p.Addr().Is6() })
			if len(l.Addresses) == 0 {
				l.Addresses = nil
			}
		}
	case DelAddress:
		l.Addresses = slices.DeleteFunc(slices.Clone(l.Addresses), func(p netip.Prefix) bool { return p == c.Prefix })
		if len(l.Addresses) == 0 {
			l.Addresses = nil
		}
	case AddAddress:
		if c.Prefix.Addr().Is6() && !l.IPv6 {
			return errors.New("permission denied: it has no IPv6")
		}
		if !slices.Contains(l.Addresses, c.Prefix) {
			l.Addresses = append(slices.Clone(l.Addresses), c.Prefix)
			slices.SortFunc(l.Addresses, netip.Prefix.Compare)
		}
	case SetMaster:
		if m, ok := f.Links[c.Link.Master]; c.Link.Master != "" && (!ok || m.Kind != Bridge) {
			return errors.New("master is no bridge")
		}
		if l.Master != c.Link.Master {
			l.Isolated, l.VLANs = false, nil
		}
		l.Master = c.Link.Master
	case SetFiltering:
		l.Filtering, l.VLANs = c.Link.Filtering, nil
		for port, other := range f.Links {
			if other.Master == name {
				other.VLANs = nil
				f.Links[port] = other
			}
		}
	case DelVLAN:
		l.VLANs = slices.DeleteFunc(slices.Clone(l.VLANs), func(v PortVLAN) bool { return v.ID == c.VLAN.ID })
		if len(l.VLANs) == 0 {
			l.VLANs = nil
		}
	case AddVLAN:
		if !l.Filtering && !f.Links[l.Master].Filtering {
			return errors.New("operation not supported: the bridge keeps no VLANs apart")
		}
		if !slices.Contains(l.VLANs, c.VLAN) {
			l.VLANs = append(slices.Clone(l.VLANs), c.VLAN)
			slices.SortFunc(l.VLANs, func(a, b PortVLAN) int { return cmp.Compare(a.ID, b.ID) })
		}
	case SetUp:
		l.Up = true
	}
	f.Links[name] = l
	return nil
}

// String draws every link, one a line, in the order of names.
func (f *Fake) String() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(f.Links)) {
		fmt.Fprintf(&b, "%+v\n", f.Links[name])
	}
	return b.String()
}

// DrawForeign draws what is not ours.
func (f *Fake) DrawForeign() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(f.Foreign)) {
		fmt.Fprintf(&b, "%+v\n", f.Links[name])
	}
	return b.String()
}
