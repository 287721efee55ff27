package zones

import (
	"encoding/binary"
	"net/netip"

	"ispctl"
)

// NextLeg is the lowest part of the admin network with that length that is no
// other zone's. Zones that go give theirs back.
func NextLeg(m *ispctl.Model, bits int) (netip.Prefix, error) {
	pool := m.Admin.Prefix
	for leg := netip.PrefixFrom(pool.Addr(), max(bits, pool.Bits())); leg.IsValid() && pool.Contains(leg.Addr()); leg = after(leg) {
		if free(m, leg) {
			return leg, nil
		}
	}
	return netip.Prefix{}, &ispctl.Error{
		Kind: ispctl.Conflict, Object: "admin network " + pool.String(), Cause: "has no room for another leg",
		Next: "take a larger one: ispctl init --admin-prefix PREFIX",
	}
}

func free(m *ispctl.Model, leg netip.Prefix) bool {
	for _, z := range m.Zones {
		if z.Leg.IsValid() && z.Leg.Overlaps(leg) {
			return false
		}
	}
	return true
}

// after is the prefix of the same length that follows; invalid: there is none.
func after(p netip.Prefix) netip.Prefix {
	first := p.Addr().As4()
	n := uint64(binary.BigEndian.Uint32(first[:])) + 1<<(32-p.Bits())
	if n > 1<<32-1 {
		return netip.Prefix{}
	}
	var next [4]byte
	binary.BigEndian.PutUint32(next[:], uint32(n))
	return netip.PrefixFrom(netip.AddrFrom4(next), p.Bits())
}
