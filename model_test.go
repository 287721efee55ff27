package ispctl_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"ispctl"
)

func TestModelFinds(t *testing.T) {
	m := provider()
	m.VMs[0].Wanted = ispctl.Absent
	if z, err := m.Zone("mail"); err != nil || z.Name != "mail" {
		t.Errorf("zone: %v, %v", z, err)
	}
	if p, err := m.Plan("small"); err != nil || p.CPUs != 1 {
		t.Errorf("plan: %v, %v", p, err)
	}
	if vm, err := m.VM("mail1"); err != nil || vm.ID != 2 {
		t.Errorf("an absent vm is not found: %v, %v", vm, err)
	}
	if f, err := m.Forward(m.Forwards[1].Listen); err != nil || f != m.Forwards[1] {
		t.Errorf("forward: %v, %v", f, err)
	}
	if a, err := m.Address(m.Addresses[1].Addr); err != nil || a != m.Addresses[1] {
		t.Errorf("address: %v, %v", a, err)
	}
	for name, c := range map[string]struct {
		find func() error
		want string
	}{
		"zone":    {func() error { _, err := m.Zone("x"); return err }, `zone "x" not found (have: dmz, mail); see: ispctl zone list`},
		"plan":    {func() error { _, err := m.Plan("x"); return err }, `plan "x" not found (have: small); see: ispctl plan list`},
		"vm":      {func() error { _, err := m.VM("x"); return err }, `vm "x" not found (have: mail1, web1); see: ispctl vm list`},
		"image":   {func() error { _, err := m.Image("x"); return err }, `image "x" not found (have: micro); see: ispctl image list`},
		"address": {func() error { _, err := m.Address(netip.Addr{}); return err }, `address "invalid IP" not found (have: 203.0.113.10, 203.0.113.11); see: ispctl address list`},
		"forward": {
			func() error {
				_, err := m.Forward(ispctl.Listen{Addr: m.Addresses[0].Addr, Port: 1, Proto: "udp"})
				return err
			},
			`forward "203.0.113.10:1/udp" not found (have: 203.0.113.10:2222/tcp, 203.0.113.11:25/tcp, [2001:db8:10::2]:443/tcp); see: ispctl forward list`,
		},
	} {
		err := c.find()
		refused(t, err, ispctl.NotFound)
		if err.Error() != c.want {
			t.Errorf("%s:\nwant %s\nhave %s", name, c.want, err)
		}
	}
}

func TestModelUsers(t *testing.T) {
	m := provider()
	m.VMs[0].Wanted = ispctl.Absent // mail1
	for name, c := range map[string]struct{ want, have []ispctl.Name }{
		"in a zone":                    {[]ispctl.Name{"web1"}, m.VMsIn("dmz")},
		"in the zone of a destroyed":   {nil, m.VMsIn("mail")},
		"on a plan":                    {[]ispctl.Name{"web1"}, m.VMsOn("small")},
		"from an image, all of them":   {[]ispctl.Name{"mail1", "web1"}, m.VMsFrom(m.Images[0].Digest)},
		"from an image that is nobody": {nil, m.VMsFrom("x")},
	} {
		if diff := cmp.Diff(c.want, c.have); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if guests := slices.Collect(m.Guests()); len(guests) != 1 || guests[0].Name != "web1" {
		t.Errorf("guests: %v", guests)
	}
}

func TestModelImages(t *testing.T) {
	at := func(hour int) time.Time { return time.Date(2026, 1, 1, hour, 0, 0, 0, time.UTC) }
	m := &ispctl.Model{Images: []ispctl.Image{
		{Name: "micro", Digest: "b", Built: at(2)}, {Name: "micro", Digest: "c", Built: at(1)}, {Name: "old", Digest: "d"},
	}}
	for name, want := range map[string]string{"micro": "b", "old": "d"} {
		if i, err := m.Image(name); err != nil || i.Digest != want {
			t.Errorf("newest %s: want %s, have %+v, %v", name, want, i, err)
		}
	}
	if i, ok := m.ImageByDigest("c"); !ok || i.Digest != "c" {
		t.Errorf("by digest: %v, %v", i, ok)
	}
	if _, ok := m.ImageByDigest("micro"); ok {
		t.Error("a name was found as a digest")
	}
	for name, want := range map[string]int{"micro": 2, "c": 1, "x": 0} {
		if got := len(m.ImagesCalled(name)); got != want {
			t.Errorf("called %s: want %d, have %d", name, want, got)
		}
	}
}

// TestSortOrdersEverySlice holds Sort to what Model promises.
func TestSortOrdersEverySlice(t *testing.T) {
	addr := netip.MustParseAddr
	want := &ispctl.Model{
		HostServices: []ispctl.Service{{Port: 22, Proto: "tcp"}, {Port: 80, Proto: "tcp"}, {Port: 53, Proto: "udp"}},
		Addresses:    []ispctl.Address{{Addr: addr("9.0.0.1")}, {Addr: addr("10.0.0.1")}},
		Zones:        []ispctl.Zone{{Name: "a"}, {Name: "b"}},
		Plans:        []ispctl.Plan{{Name: "a"}, {Name: "b"}},
		Images:       []ispctl.Image{{Name: "a", Digest: "2"}, {Name: "a", Digest: "1", Built: time.Unix(1, 0)}, {Name: "b", Digest: "0"}},
		VMs:          []ispctl.VM{{Name: "a"}, {Name: "b"}},
		Forwards: []ispctl.Forward{
			{Listen: ispctl.Listen{Addr: addr("9.0.0.1"), Port: 99, Proto: "udp"}},
			{Listen: ispctl.Listen{Addr: addr("10.0.0.1"), Port: 9, Proto: "tcp"}},
			{Listen: ispctl.Listen{Addr: addr("10.0.0.1"), Port: 80, Proto: "tcp"}},
			{Listen: ispctl.Listen{Addr: addr("10.0.0.1"), Port: 80, Proto: "udp"}},
		},
	}
	got := &ispctl.Model{
		HostServices: slices.Clone(want.HostServices), Addresses: slices.Clone(want.Addresses), Zones: slices.Clone(want.Zones),
		Plans: slices.Clone(want.Plans), Images: slices.Clone(want.Images), VMs: slices.Clone(want.VMs), Forwards: slices.Clone(want.Forwards),
	}
	slices.Reverse(got.HostServices)
	slices.Reverse(got.Addresses)
	slices.Reverse(got.Zones)
	slices.Reverse(got.Plans)
	slices.Reverse(got.Images)
	slices.Reverse(got.VMs)
	slices.Reverse(got.Forwards)
	got.Sort()
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSourceOf(t *testing.T) {
	addr, prefix := netip.MustParseAddr, netip.MustParsePrefix
	m := provider()
	for _, tt := range []struct {
		name string
		zone ispctl.Zone
		want netip.Addr
	}{
		{"without egress: policies may let some of it out", ispctl.Zone{Prefix: prefix("10.0.0.0/24")}, addr("203.0.113.2")},
		{"with an address of its own", ispctl.Zone{Prefix: prefix("10.0.0.0/24"), Egress: true, SNAT: addr("203.0.113.10")}, addr("203.0.113.10")},
		{"10/8", ispctl.Zone{Prefix: prefix("10.0.0.0/24"), Egress: true}, addr("203.0.113.2")},
		{"172.16/12", ispctl.Zone{Prefix: prefix("172.31.255.0/24"), Egress: true}, addr("203.0.113.2")},
		{"192.168/16", ispctl.Zone{Prefix: prefix("192.168.0.0/16"), Egress: true}, addr("203.0.113.2")},
		{"100.64/10", ispctl.Zone{Prefix: prefix("100.64.0.0/24"), Egress: true}, addr("203.0.113.2")},
		{"wider than a private one", ispctl.Zone{Prefix: prefix("100.0.0.0/8"), Egress: true}, addr("203.0.113.2")},
		{"public", ispctl.Zone{Prefix: prefix("198.51.100.0/24"), Egress: true}, netip.Addr{}},
		{"beside 172.16/12", ispctl.Zone{Prefix: prefix("172.32.0.0/16"), Egress: true}, netip.Addr{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := m.SourceOf(tt.zone); got != tt.want {
				t.Errorf("want %v, have %v", tt.want, got)
			}
		})
	}
}
