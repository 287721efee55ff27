package zones

import (
	"encoding/binary"
	"net/netip"

	"ispctl"
)

// LegFor is the leg a zone is given: as long as the zone itself, so that every
// guest has an address there, but no more than a quarter of the admin network,
// and where that is not free the largest part that is.
func LegFor(m *ispctl.Model, z ispctl.Zone) (netip.Prefix, error) {
	const share, smallest = 2, 28
	first := max(z.Prefix.Bits(), m.Admin.Prefix.Bits()+share)
	leg, err := NextLeg(m, min(first, 30))
	for bits := first + 1; err != nil && bits <= smallest; bits++ {
		if smaller, none := NextLeg(m, bits); none == nil {
			return smaller, nil
		}
	}
	return leg, err
}

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
