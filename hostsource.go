package ispctl

import (
	"net/netip"
	"slices"
)

// ParseHostSource reads a prefix, or an address that stands for itself, that the
// host's services may be reached from.
func ParseHostSource(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if a, errAddr := netip.ParseAddr(s); err != nil && errAddr == nil && a.Zone() == "" {
		p, err = netip.PrefixFrom(a, a.BitLen()), nil
	}
	if err != nil || p.Addr().Is4In6() {
		return netip.Prefix{}, Invalid("host source", s, "is not ADDRESS/LENGTH")
	}
	if p != p.Masked() {
		return netip.Prefix{}, Invalid("host source", s, "has bits behind its length; did you mean %s", p.Masked())
	}
	return p, nil
}

// SortHostSources brings prefixes into order, and leaves out what another one
// covers: the kernel takes no two that overlap.
func SortHostSources(all []netip.Prefix) []netip.Prefix {
	sorted := slices.Clone(all)
	slices.SortFunc(sorted, func(a, b netip.Prefix) int {
		if n := a.Addr().Compare(b.Addr()); n != 0 {
			return n
		}
		return a.Bits() - b.Bits()
	})
	var some []netip.Prefix
	for _, p := range sorted {
		// Who covers it stands before it.
		if !slices.ContainsFunc(some, func(wide netip.Prefix) bool { return wide.Overlaps(p) }) {
			some = append(some, p)
		}
	}
	return some
}

// FromHostSource reports whether somebody may reach the host's services.
func (m *Model) FromHostSource(a netip.Addr) bool {
	return len(m.HostSources) == 0 || slices.ContainsFunc(m.HostSources, func(p netip.Prefix) bool { return p.Contains(a) })
}

func (m *Model) validateHostSources() error {
	for _, p := range m.HostSources {
		if _, err := ParseHostSource(p.String()); err != nil {
			return err
		}
	}
	if !slices.Equal(SortHostSources(m.HostSources), m.HostSources) {
		return Invalid("host sources", "", "overlap")
	}
	return nil
}
