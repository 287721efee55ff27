package zones_test

import (
	"net/netip"
	"testing"

	"ispctl"
	"ispctl/zones"
)

func TestNextLeg(t *testing.T) {
	for _, tt := range []struct {
		name, pool string
		bits       int
		taken      []string
		want       string // empty: an error
	}{
		{"first", "10.255.0.0/16", 24, nil, "10.255.0.0/24"},
		{"after others", "10.255.0.0/16", 24, []string{"10.255.0.0/24", "10.255.1.0/24"}, "10.255.2.0/24"},
		{"a gap", "10.255.0.0/16", 24, []string{"10.255.0.0/24", "10.255.2.0/24"}, "10.255.1.0/24"},
		{"a gap that is too small", "10.255.0.0/16", 23, []string{"10.255.0.0/24", "10.255.2.0/24"}, "10.255.4.0/23"},
		{"no room", "10.255.0.0/23", 24, []string{"10.255.0.0/24", "10.255.1.0/24"}, ""},
		{"larger than all of it", "10.255.0.0/24", 16, nil, "10.255.0.0/24"},
		{"at the end of all addresses", "255.255.255.0/24", 24, []string{"255.255.255.0/24"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := &ispctl.Model{Admin: ispctl.AdminNet{Prefix: netip.MustParsePrefix(tt.pool)}}
			for _, leg := range tt.taken {
				m.Zones = append(m.Zones, ispctl.Zone{Leg: netip.MustParsePrefix(leg)})
			}
			leg, err := zones.NextLeg(m, tt.bits)
			if tt.want == "" {
				if ispctl.KindOf(err) != ispctl.Conflict {
					t.Errorf("want a conflict, have %v, %v", leg, err)
				}
			} else if err != nil || leg != netip.MustParsePrefix(tt.want) {
				t.Errorf("want %s, have %s, %v", tt.want, leg, err)
			}
		})
	}
}

func TestLegFor(t *testing.T) {
	for _, tt := range []struct {
		name, pool, zone string
		taken            []string
		want             string // empty: an error
	}{
		{"as long as the zone", "10.255.0.0/16", "10.1.0.0/24", nil, "10.255.0.0/24"},
		{"small", "10.255.0.0/16", "10.1.0.0/30", nil, "10.255.0.0/30"},
		{"a quarter at most", "10.255.0.0/16", "10.1.0.0/16", nil, "10.255.0.0/18"},
		{"what is left", "10.255.0.0/16", "10.1.0.0/16", []string{"10.255.0.0/17", "10.255.128.0/18", "10.255.192.0/19"}, "10.255.224.0/19"},
		{"nothing is left", "10.255.0.0/16", "10.1.0.0/16", []string{"10.255.0.0/16"}, ""},
		{"a very small admin network", "10.255.0.0/30", "10.1.0.0/16", nil, "10.255.0.0/30"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := &ispctl.Model{Admin: ispctl.AdminNet{Prefix: netip.MustParsePrefix(tt.pool)}}
			for _, leg := range tt.taken {
				m.Zones = append(m.Zones, ispctl.Zone{Leg: netip.MustParsePrefix(leg)})
			}
			leg, err := zones.LegFor(m, ispctl.Zone{Prefix: netip.MustParsePrefix(tt.zone)})
			if tt.want == "" {
				if ispctl.KindOf(err) != ispctl.Conflict {
					t.Errorf("want a conflict, have %v, %v", leg, err)
				}
			} else if err != nil || leg != netip.MustParsePrefix(tt.want) {
				t.Errorf("want %s, have %s, %v", tt.want, leg, err)
			}
		})
	}
}
