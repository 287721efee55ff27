package zones_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"ispctl"
	"ispctl/zones"
)

// model has VMs at those addresses in zone "a", and one in zone "b" at each
// too: it is another broadcast domain.
func model(prefix string, taken ...string) (*ispctl.Model, ispctl.Zone) {
	zone := ispctl.Zone{Name: "a", Prefix: netip.MustParsePrefix(prefix)}
	m := &ispctl.Model{Zones: []ispctl.Zone{zone}}
	for i, addr := range taken {
		m.VMs = append(m.VMs, ispctl.VM{Name: ispctl.Name("vm" + string(rune('a'+i))), NICs: []ispctl.NIC{{Zone: "a", Addr: netip.MustParseAddr(addr)}}})
	}
	m.VMs = append(m.VMs, ispctl.VM{Name: "elsewhere", NICs: []ispctl.NIC{{Zone: "b", Addr: zone.Gateway().Next()}}})
	return m, zone
}

func TestNext(t *testing.T) {
	for _, tt := range []struct {
		name, prefix string
		taken        []string
		want         []string // the addresses handed out until there is none, or three
		full         bool
	}{
		{"empty zone", "10.0.0.0/24", nil, []string{"10.0.0.2", "10.0.0.3", "10.0.0.4"}, false},
		{"gaps are filled, lowest first", "10.0.0.0/24", []string{"10.0.0.3", "10.0.0.2", "10.0.0.5"}, []string{"10.0.0.4", "10.0.0.6", "10.0.0.7"}, false},
		{"/30 has one guest", "10.0.0.0/30", nil, []string{"10.0.0.2"}, true},
		{"/30 that is full", "10.0.0.0/30", []string{"10.0.0.2"}, nil, true},
		{"/29 up to the broadcast", "10.0.0.8/29", []string{"10.0.0.11", "10.0.0.12"}, []string{"10.0.0.10", "10.0.0.13", "10.0.0.14"}, true},
		{"at the end of all addresses", "255.255.255.252/30", nil, []string{"255.255.255.254"}, true},
		{"over the end of a byte", "10.0.0.0/22", []string{"10.0.0.2"}, []string{"10.0.0.3", "10.0.0.4", "10.0.0.5"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := zones.NewAllocator(model(tt.prefix, tt.taken...))
			var got []string
			for range 3 {
				addr, err := a.Next("new")
				if err != nil {
					break
				}
				got = append(got, addr.String())
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("want %v, have %v", tt.want, got)
			}
			_, err := a.Next("one-more")
			if tt.full != (err != nil) {
				t.Fatalf("full %v: %v", tt.full, err)
			}
			if tt.full && (ispctl.KindOf(err) != ispctl.Conflict || !strings.Contains(err.Error(), `zone "a": prefix `+tt.prefix+" has no free address")) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestTake(t *testing.T) {
	m, zone := model("10.0.0.0/24", "10.0.0.5")
	m.VMs[0].Wanted = ispctl.Absent // its tap may still be there
	a := zones.NewAllocator(m, zone)
	err := a.Take("new", netip.MustParseAddr("10.0.0.5"))
	if ispctl.KindOf(err) != ispctl.Conflict || !strings.Contains(err.Error(), `address "10.0.0.5": is vm "vma"'s in zone "a"`) {
		t.Errorf("taken: %v", err)
	}
	if err := a.Take("first", netip.MustParseAddr("10.0.0.2")); err != nil {
		t.Errorf("free: %v", err)
	}
	if err := a.Take("second", netip.MustParseAddr("10.0.0.2")); err == nil || !strings.Contains(err.Error(), `vm "first"`) {
		t.Errorf("taken just now: %v", err)
	}
	if addr, err := a.Next("third"); err != nil || addr.String() != "10.0.0.3" {
		t.Errorf("next: %v, %v", addr, err)
	}
	if err := a.Take("fourth", netip.MustParseAddr("10.0.0.3")); err == nil || !strings.Contains(err.Error(), `vm "third"`) {
		t.Errorf("handed out: %v", err)
	}
}

// TestEveryAddressOnce fills a zone: each address of a guest is handed out
// once, and no other.
func TestEveryAddressOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bits := rapid.IntRange(24, 30).Draw(t, "bits")
		base := netip.AddrFrom4([4]byte{10, 0, 0, byte(rapid.IntRange(0, 255).Draw(t, "last byte"))})
		zone := ispctl.Zone{Name: "a", Prefix: netip.PrefixFrom(base, bits).Masked()}
		a := zones.NewAllocator(&ispctl.Model{}, zone)
		seen := map[netip.Addr]bool{}
		for addr := range rapid.Byte().Draw(t, "taken") {
			if addr := netip.AddrFrom4([4]byte{10, 0, 0, addr}); zone.Prefix.Contains(addr) && addr.Compare(zone.Gateway()) > 0 && zone.Prefix.Contains(addr.Next()) {
				if err := a.Take("taken", addr); err != nil {
					t.Fatal(err)
				}
				seen[addr] = true
			}
		}
		for {
			addr, err := a.Next("new")
			if err != nil {
				break
			}
			if seen[addr] || !zone.Prefix.Contains(addr) || addr == zone.Prefix.Addr() || addr == zone.Gateway() || !zone.Prefix.Contains(addr.Next()) {
				t.Fatalf("%s of %s was handed out", addr, zone.Prefix)
			}
			seen[addr] = true
		}
		if want := 1<<(32-bits) - 3; len(seen) != want {
			t.Fatalf("%s: want %d guests, have %d", zone.Prefix, want, len(seen))
		}
	})
}
