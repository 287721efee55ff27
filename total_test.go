package ispctl_test

import (
	"net/netip"
	"strings"
	"testing"

	"ispctl"
)

// TestTotalsRefuse: what a total cannot be, and what it keeps from being
// promised.
func TestTotalsRefuse(t *testing.T) {
	const m = ispctl.Mbit
	base := func() *ispctl.Model {
		return &ispctl.Model{
			Installation: ispctl.Installation{Prefix: "isp", Hypervisor: "test:///default"},
			Uplink:       ispctl.Uplink{Interface: "eth0", Kind: ispctl.Routed, Up: 100 * m},
			Tenants:      []ispctl.Tenant{{Name: "acme"}},
			Zones: []ispctl.Zone{
				{Name: "dmz", Prefix: netip.MustParsePrefix("10.10.0.0/24")}, {Name: "lab", Prefix: netip.MustParsePrefix("10.20.0.0/24")},
			},
			Plans:  []ispctl.Plan{{Name: "small", CPUs: 1, Memory: ispctl.GiB, Disk: ispctl.GiB, Limits: ispctl.Limits{Guarantee: 10 * m}}},
			Images: []ispctl.Image{{Name: "micro", Digest: "d", Size: ispctl.MiB}},
			VMs: []ispctl.VM{
				{Name: "a", Plan: "small", Zone: "dmz", Tenant: "acme", Image: "d", Wanted: ispctl.Running},
				{Name: "b", Plan: "small", Zone: "dmz", Image: "d", Wanted: ispctl.Running},
			},
		}
	}
	zone := func(down, up, guarantee ispctl.Rate) ispctl.Total {
		return ispctl.Total{Kind: ispctl.ZoneTotal, Name: "dmz", Down: down, Up: up, Guarantee: guarantee}
	}
	tenant := ispctl.Total{Kind: ispctl.TenantTotal, Name: "acme", Slot: 1, Up: 50 * m}
	for want, totals := range map[string][]ispctl.Total{
		"":                    {zone(20*m, 0, 0)},
		"says nothing":        {zone(0, 0, 0)},
		"below the guarantee": {zone(20*m, 0, 30*m)},
		"1kbit is not":        {zone(ispctl.Kbit, 0, 0)},
		"promised 20mbit together; its guarantee":                                               {zone(0, 0, 15*m)},
		"its up is 19mbit: 1mbit too much":                                                      {zone(0, 19*m, 0)},
		"1 guests and totals are promised 120mbit together; its up is 100mbit: 20mbit too much": {zone(0, 0, 120*m)},
		"would be in two totals: zone dmz, tenant acme":                                         {zone(50*m, 0, 0), tenant},
		`zone "web"`:                {{Kind: ispctl.ZoneTotal, Name: "web", Up: m}},
		`tenant "other"`:            {{Kind: ispctl.TenantTotal, Name: "other", Up: m}},
		"is none of":                {{Kind: "plan", Name: "small", Up: m}},
		"has the slot of another":   {tenant, {Kind: ispctl.ZoneTotal, Name: "lab", Slot: 1, Up: m}},
		"a host has at most 64":     {{Kind: ispctl.TenantTotal, Name: "acme", Slot: 64, Up: 20 * m}},
		"promised 10mbit together;": {{Kind: ispctl.TenantTotal, Name: "acme", Up: 9 * m}},
	} {
		model := base()
		model.Totals = totals
		if err := model.Validate(); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, have %v", want, err)
		}
	}

	// What its guests are promised is part of what a total is promised.
	model := base()
	if sum, n := model.Promised(); sum != 20*m || n != 2 {
		t.Errorf("without totals: %d are promised %s", n, sum)
	}
	model.Totals = []ispctl.Total{{Kind: ispctl.TenantTotal, Name: "acme", Guarantee: 30 * m}}
	if sum, n := model.Promised(); sum != 40*m || n != 2 {
		t.Errorf("with a total of 30 around one of them: %d are promised %s", n, sum)
	}
}
