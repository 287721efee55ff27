package state_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ispctl"
	"ispctl/state"
)

var (
	addr   = netip.MustParseAddr
	prefix = netip.MustParsePrefix
)

// guest is a VM as it is asked for.
func guest(name, uuid, mac, at string) ispctl.VM {
	return ispctl.VM{
		UUID: uuid, Name: ispctl.Name(name), Zone: "dmz", Plan: "small", Template: "micro", Image: "d1", Wanted: ispctl.Running,
		NICs: []ispctl.NIC{{Zone: "dmz", MAC: mac, Addr: addr(at)}},
	}
}

const tenantKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f it's me"

var share = ispctl.Share{VMs: 1, CPUs: 64, Memory: 4 * ispctl.GiB, Disk: 8 * ispctl.GiB, Addresses: 3}

// fill makes one of everything.
func fill(tx *state.Tx) error {
	for _, err := range []error{
		tx.PutUplink(ispctl.Uplink{Interface: "eth0", Kind: ispctl.Failover, Address: prefix("203.0.113.2/24"), Gateway: addr("203.0.113.1"), Address6: prefix("2001:db8::2/64"), Gateway6: addr("fe80::1"), OnMove: "/usr/local/sbin/move", Rest: 2 * time.Hour}),
		tx.SetHostServices([]ispctl.Service{{Port: 53, Proto: ispctl.UDP}, {Port: 22, Proto: ispctl.TCP}, {Port: 22, Proto: ispctl.TCP}}),
		tx.PutAddress(ispctl.Address{Addr: addr("203.0.113.11"), Applied: true}),
		tx.PutAddress(ispctl.Address{Addr: addr("203.0.113.9")}),
		tx.SetDelivered([]netip.Prefix{prefix("2001:db8::/48"), prefix("203.0.113.0/28")}),
		tx.PutZone(ispctl.Zone{Name: "mail", Prefix: prefix("10.20.0.0/24"), Isolated: true, MTU: 1400, DHCP: true, DNS: true}),
		tx.PutZone(ispctl.Zone{Name: "dmz", Prefix: prefix("10.10.0.0/24"), Prefix6: prefix("2001:db8:10::/64"), Trunk: "eth1", SNAT: addr("203.0.113.9"), Egress: true, Applied: true}),
		tx.PutPolicy(ispctl.Policy{From: "internet", To: "dmz", Opening: ispctl.Opening{Transport: ispctl.TransportTCP, Port: 443}, Family: ispctl.IPv6}),
		tx.PutPolicy(ispctl.Policy{From: "dmz", To: "internet", Opening: ispctl.Opening{Transport: ispctl.ICMP}, Family: ispctl.IPv4, Log: true, Applied: true}),
		tx.PutPlan(ispctl.Plan{Name: "small", CPUs: 2, Memory: ispctl.GiB, Disk: 4 * ispctl.GiB, Applied: true}),
		tx.PutMetering(ispctl.Metering{TimeZone: "Europe/Berlin", KeepDays: 100}),
		tx.PutQuota(ispctl.Quota{Plan: "small", Volume: ispctl.TiB, Direction: ispctl.DirectionSum, Day: 1, Action: ispctl.ActionThrottle, Rate: ispctl.Mbit, Applied: true}),
		tx.PutQuota(ispctl.Quota{VM: "web1", Volume: ispctl.GiB, Direction: ispctl.DirectionMax, Day: 31, Action: ispctl.ActionBlock}),
		tx.PutQuota(ispctl.Quota{Tenant: "acme", Volume: 9 * ispctl.TiB, Direction: ispctl.DirectionOut, Day: 2, Action: ispctl.ActionNotify}),
		tx.PutTariff(ispctl.Tariff{Plan: "small", Currency: "EUR", Volume: ispctl.DirectionOut, Included: ispctl.TiB, PerGB: 5000, Percentile: ispctl.DirectionMax, Committed: ispctl.Gbit, PerMbit: 250_000, Applied: true}),
		tx.PutTenant(ispctl.Tenant{Name: "acme", Title: "Acme \"& Sons\"", Contact: "ops@acme.example", Keys: []string{tenantKey}, Share: share, Suspended: true, Applied: true}),
		tx.PutTenant(ispctl.Tenant{Name: "aaa"}),
		tx.PutGateway(ispctl.Gateway{Listen: netip.MustParseAddrPort("[fd99::1]:2222")}),
		tx.PutImage(ispctl.Image{Name: "micro", Digest: "d1", Size: ispctl.GiB, Cmdline: `root=/dev/vda quote="x"`, Built: time.Date(2026, 1, 2, 3, 4, 5, 600_000_000, time.UTC)}),
		tx.PutImage(ispctl.Image{Name: "micro", Digest: "d0", Size: ispctl.GiB, DiskBoot: true, Built: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}),
	} {
		if err != nil {
			return err
		}
	}
	vm := guest("web1", "u1", "02:00:00:00:00:01", "10.10.0.2")
	vm.Tenant = "acme"
	vm.SSHKeys, vm.Applied = []string{"ssh-ed25519 B it's me", "ssh-ed25519 A"}, true
	vm.NICs[0].Addr6, vm.NICs[0].Allow, vm.NICs[0].Tags = addr("2001:db8:10::2"), []ispctl.Allowance{ispctl.AllowIPSpoofing, ispctl.AllowMACSpoofing}, []int{7, 8}
	vm.NICs = append(vm.NICs, ispctl.NIC{Zone: "mail", MAC: "02:00:00:00:00:02", Addr: addr("10.20.0.9")})
	if _, err := tx.InsertVM(vm); err != nil {
		return err
	}
	return tx.PutForward(ispctl.Forward{Listen: ispctl.Listen{Addr: addr("203.0.113.11"), Port: 2222, Proto: ispctl.TCP}, Last: 2225, VM: "web1", Port: 2222, Applied: true})
}

// filled is the model that fill makes; created is the one time in it that is
// not of our choosing.
func filled(paths ispctl.Paths, created time.Time) *ispctl.Model {
	return &ispctl.Model{
		Installation: inst, Paths: paths,
		Uplink:       ispctl.Uplink{Interface: "eth0", Kind: ispctl.Failover, Address: prefix("203.0.113.2/24"), Gateway: addr("203.0.113.1"), Address6: prefix("2001:db8::2/64"), Gateway6: addr("fe80::1"), OnMove: "/usr/local/sbin/move", Rest: 2 * time.Hour},
		HostServices: []ispctl.Service{{Port: 22, Proto: ispctl.TCP}, {Port: 53, Proto: ispctl.UDP}},
		Addresses:    []ispctl.Address{{Addr: addr("203.0.113.9")}, {Addr: addr("203.0.113.11"), Applied: true}},
		Delivers:     []netip.Prefix{prefix("203.0.113.0/28"), prefix("2001:db8::/48")},
		Zones: []ispctl.Zone{
			{ID: 2, Name: "dmz", Prefix: prefix("10.10.0.0/24"), Prefix6: prefix("2001:db8:10::/64"), Trunk: "eth1", SNAT: addr("203.0.113.9"), Egress: true, Applied: true},
			{ID: 1, Name: "mail", Prefix: prefix("10.20.0.0/24"), Isolated: true, MTU: 1400, DHCP: true, DNS: true},
		},
		Policies: []ispctl.Policy{
			{From: "dmz", To: "internet", Opening: ispctl.Opening{Transport: ispctl.ICMP}, Family: ispctl.IPv4, Log: true, Applied: true},
			{From: "internet", To: "dmz", Opening: ispctl.Opening{Transport: ispctl.TransportTCP, Port: 443}, Family: ispctl.IPv6},
		},
		Plans:    []ispctl.Plan{{Name: "small", CPUs: 2, Memory: ispctl.GiB, Disk: 4 * ispctl.GiB, Applied: true}},
		Metering: ispctl.Metering{TimeZone: "Europe/Berlin", KeepDays: 100},
		Quotas: []ispctl.Quota{
			{Plan: "small", Volume: ispctl.TiB, Direction: ispctl.DirectionSum, Day: 1, Action: ispctl.ActionThrottle, Rate: ispctl.Mbit, Applied: true},
			{Tenant: "acme", Volume: 9 * ispctl.TiB, Direction: ispctl.DirectionOut, Day: 2, Action: ispctl.ActionNotify},
			{VM: "web1", Volume: ispctl.GiB, Direction: ispctl.DirectionMax, Day: 31, Action: ispctl.ActionBlock},
		},
		Tariffs: []ispctl.Tariff{{Plan: "small", Currency: "EUR", Volume: ispctl.DirectionOut, Included: ispctl.TiB, PerGB: 5000, Percentile: ispctl.DirectionMax, Committed: ispctl.Gbit, PerMbit: 250_000, Applied: true}},
		Gateway: ispctl.Gateway{Listen: netip.MustParseAddrPort("[fd99::1]:2222")},
		Tenants: []ispctl.Tenant{
			{Name: "aaa"},
			{Name: "acme", Title: "Acme \"& Sons\"", Contact: "ops@acme.example", Keys: []string{tenantKey}, Share: share, Suspended: true, Applied: true},
		},
		Images: []ispctl.Image{
			{Name: "micro", Digest: "d0", Size: ispctl.GiB, DiskBoot: true, Built: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)},
			{Name: "micro", Digest: "d1", Size: ispctl.GiB, Cmdline: `root=/dev/vda quote="x"`, Built: time.Date(2026, 1, 2, 3, 4, 5, 600_000_000, time.UTC)},
		},
		VMs: []ispctl.VM{{
			ID: 1, UUID: "u1", Name: "web1", Zone: "dmz", Plan: "small", Template: "micro", Image: "d1", Tenant: "acme", Wanted: ispctl.Running,
			SSHKeys: []string{"ssh-ed25519 B it's me", "ssh-ed25519 A"}, Created: created, Applied: true,
			NICs: []ispctl.NIC{
				{Index: 0, Zone: "dmz", MAC: "02:00:00:00:00:01", Tap: "isp-1-0", Addr: addr("10.10.0.2"), Addr6: addr("2001:db8:10::2"), Allow: []ispctl.Allowance{ispctl.AllowIPSpoofing, ispctl.AllowMACSpoofing}, Tags: []int{7, 8}},
				{Index: 1, Zone: "mail", MAC: "02:00:00:00:00:02", Tap: "isp-1-1", Addr: addr("10.20.0.9")},
			},
		}},
		Forwards: []ispctl.Forward{{ID: 1, Listen: ispctl.Listen{Addr: addr("203.0.113.11"), Port: 2222, Proto: ispctl.TCP}, Last: 2225, VM: "web1", Port: 2222, Applied: true}},
	}
}

// TestModelIsReadBack puts one of everything and reads it: from the update
// itself, from the open database, and from one that is opened anew.
func TestModelIsReadBack(t *testing.T) {
	root := t.TempDir()
	s := open(t, root)
	before := time.Now().UTC().Truncate(time.Millisecond)
	returned := update(t, s, fill)
	created := returned.VMs[0].Created
	if created.Before(before) || created.After(time.Now()) {
		t.Errorf("created at %v, not now", created)
	}
	want := filled(ispctl.Paths{Root: root}, created)
	for name, got := range map[string]*ispctl.Model{"returned": returned, "read": modelOf(t, s), "opened anew": modelOf(t, open(t, root))} {
		if diff := cmp.Diff(want, got, comparable); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestEveryChange makes one change to the filled model at a time.
func TestEveryChange(t *testing.T) {
	listen := ispctl.Listen{Addr: addr("203.0.113.11"), Port: 2222, Proto: ispctl.TCP}
	for _, tt := range []struct {
		name string
		do   func(*state.Tx) error
		want func(*ispctl.Model)
	}{
		{"uplink", func(tx *state.Tx) error {
			return tx.PutUplink(ispctl.Uplink{Interface: "eth1", Kind: ispctl.Routed})
		}, func(m *ispctl.Model) { m.Uplink = ispctl.Uplink{Interface: "eth1", Kind: ispctl.Routed} }},
		{"no host services", func(tx *state.Tx) error { return tx.SetHostServices(nil) }, func(m *ispctl.Model) { m.HostServices = nil }},
		{"other host services", func(tx *state.Tx) error { return tx.SetHostServices([]ispctl.Service{{Port: 443, Proto: ispctl.TCP}}) }, func(m *ispctl.Model) {
			m.HostServices = []ispctl.Service{{Port: 443, Proto: ispctl.TCP}}
		}},
		{"zone", func(tx *state.Tx) error {
			return tx.PutZone(ispctl.Zone{Name: "mail", Prefix: prefix("10.20.0.0/16"), VLAN: 20, Egress: true, SNAT: addr("203.0.113.11"), Applied: true})
		}, func(m *ispctl.Model) {
			m.Zones[1] = ispctl.Zone{ID: 1, Name: "mail", Prefix: prefix("10.20.0.0/16"), VLAN: 20, Egress: true, SNAT: addr("203.0.113.11"), Applied: true}
		}},
		{"plan", func(tx *state.Tx) error {
			return tx.PutPlan(ispctl.Plan{Name: "small", CPUs: 3, Memory: 2 * ispctl.GiB, Disk: 5 * ispctl.GiB})
		}, func(m *ispctl.Model) {
			m.Plans[0] = ispctl.Plan{Name: "small", CPUs: 3, Memory: 2 * ispctl.GiB, Disk: 5 * ispctl.GiB}
		}},
		{"policy", func(tx *state.Tx) error {
			return tx.PutPolicy(ispctl.Policy{From: "internet", To: "dmz", Opening: ispctl.Opening{Transport: ispctl.TransportTCP, Port: 443}, Family: ispctl.IPv6, Log: true, Applied: true})
		}, func(m *ispctl.Model) { m.Policies[1].Log, m.Policies[1].Applied = true, true }},
		{"policy taken back", func(tx *state.Tx) error {
			return tx.DeletePolicy(ispctl.Policy{From: "internet", To: "dmz", Opening: ispctl.Opening{Transport: ispctl.TransportTCP, Port: 443}, Family: ispctl.IPv6})
		}, func(m *ispctl.Model) { m.Policies = m.Policies[:1] }},
		{"image built again", func(tx *state.Tx) error {
			return tx.PutImage(ispctl.Image{Name: "micro", Digest: "d0", Size: ispctl.GiB, Built: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)})
		}, func(m *ispctl.Model) {
			m.Images[0].Built = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
			slices.Reverse(m.Images)
		}},
		{"image forgotten", func(tx *state.Tx) error { return tx.DeleteImage("d0") }, func(m *ispctl.Model) { m.Images = m.Images[1:] }},
		{"what a NIC is let do", func(tx *state.Tx) error {
			return tx.UpdateNIC(1, ispctl.NIC{Index: 0, Allow: []ispctl.Allowance{ispctl.AllowDHCPSpoofing}, Tags: []int{9}})
		}, func(m *ispctl.Model) {
			m.VMs[0].NICs[0].Allow, m.VMs[0].NICs[0].Tags = []ispctl.Allowance{ispctl.AllowDHCPSpoofing}, []int{9}
		}},
		{"keys", func(tx *state.Tx) error { return tx.SetKeys(1, []string{"c", "b", "a"}) }, func(m *ispctl.Model) { m.VMs[0].SSHKeys = []string{"c", "b", "a"} }},
		{"another IPv6 address", func(tx *state.Tx) error { return tx.SetAddr6(1, 0, addr("2001:db8:10::9")) }, func(m *ispctl.Model) { m.VMs[0].NICs[0].Addr6 = addr("2001:db8:10::9") }},
		{"no IPv6 address", func(tx *state.Tx) error { return tx.SetAddr6(1, 0, netip.Addr{}) }, func(m *ispctl.Model) { m.VMs[0].NICs[0].Addr6 = netip.Addr{} }},
		{"no keys", func(tx *state.Tx) error { return tx.SetKeys(1, nil) }, func(m *ispctl.Model) { m.VMs[0].SSHKeys = nil }},
		{"VM, and only what is not for life", func(tx *state.Tx) error {
			return tx.UpdateVM(ispctl.VM{ID: 1, Plan: "small", Wanted: ispctl.Stopped, Paused: true, Generation: 3, Name: "x", UUID: "x", Zone: "x", Template: "other", Image: "d1", Tenant: "aaa"})
		}, func(m *ispctl.Model) {
			vm := &m.VMs[0]
			vm.Wanted, vm.Applied, vm.Paused, vm.Generation, vm.Template, vm.Image, vm.Tenant = ispctl.Stopped, false, true, 3, "other", "d1", "aaa"
		}},
		{"tenant, and its keys and share anew", func(tx *state.Tx) error {
			return tx.PutTenant(ispctl.Tenant{Name: "acme", Share: ispctl.Share{Addresses: 1}})
		}, func(m *ispctl.Model) { m.Tenants[1] = ispctl.Tenant{Name: "acme", Share: ispctl.Share{Addresses: 1}} }},
		{"no gateway", func(tx *state.Tx) error { return tx.PutGateway(ispctl.Gateway{}) }, func(m *ispctl.Model) { m.Gateway = ispctl.Gateway{} }},
		{"tenant removed", func(tx *state.Tx) error { return tx.DeleteTenant("aaa") }, func(m *ispctl.Model) { m.Tenants = m.Tenants[1:] }},
		{"VM renamed, and what leads to it", func(tx *state.Tx) error {
			return tx.RenameVM(ispctl.VM{ID: 1, Name: "web1"}, "www")
		}, func(m *ispctl.Model) { m.VMs[0].Name, m.Forwards[0].VM, m.Quotas[2].VM = "www", "www", "www" }},
		{"forward", func(tx *state.Tx) error { return tx.PutForward(ispctl.Forward{Listen: listen, VM: "web1", Port: 80}) }, func(m *ispctl.Model) {
			m.Forwards[0].Port, m.Forwards[0].Last, m.Forwards[0].Applied = 80, 0, false
		}},
		{"forward removed", func(tx *state.Tx) error { return tx.DeleteForward(listen) }, func(m *ispctl.Model) { m.Forwards = nil }},
		{"address removed", func(tx *state.Tx) error {
			if err := tx.DeleteForward(listen); err != nil {
				return err
			}
			return tx.DeleteAddress(ispctl.Address{Addr: addr("203.0.113.11")})
		}, func(m *ispctl.Model) { m.Forwards, m.Addresses = nil, m.Addresses[:1] }},
		{"VM destroyed, its zone and plan removed, and itself forgotten", func(tx *state.Tx) error {
			for _, err := range []error{tx.DeleteForward(listen), tx.DeleteVM(1), tx.DeleteZone("mail"), tx.DeletePlan("small")} {
				if err != nil {
					return err
				}
			}
			return nil
		}, func(m *ispctl.Model) {
			m.Forwards, m.VMs, m.Zones, m.Plans, m.Quotas, m.Tariffs = nil, nil, m.Zones[:1], nil, m.Quotas[1:2], nil
		}},
		{"a quota is used up", func(tx *state.Tx) error {
			return tx.PutQuotaState(state.QuotaState{VM: 1, Step: 100, Acting: ispctl.ActionThrottle, Rate: ispctl.Mbit, Until: time.Unix(2e9, 0)})
		}, func(m *ispctl.Model) {
			m.Throttles = []ispctl.Throttle{{VM: "web1", Action: ispctl.ActionThrottle, Rate: ispctl.Mbit, Until: time.Unix(2e9, 0).UTC()}}
		}},
		{"and lifted", func(tx *state.Tx) error {
			return tx.PutQuotaState(state.QuotaState{VM: 1, Step: 100, Acting: ispctl.ActionThrottle, Rate: ispctl.Mbit, Lifted: true})
		}, func(*ispctl.Model) {}},
		{"quota and tariff removed", func(tx *state.Tx) error {
			return first(tx.DeleteQuota(ispctl.Quota{VM: "web1"}), tx.DeleteQuota(ispctl.Quota{Tenant: "acme"}), tx.DeleteTariff("small"))
		}, func(m *ispctl.Model) { m.Quotas, m.Tariffs = m.Quotas[:1], nil }},
		{"what is not there is removed", func(tx *state.Tx) error {
			for _, err := range []error{tx.DeleteZone("x"), tx.DeletePlan("x"), tx.DeleteVM(99), tx.DeleteTenant("x"), tx.DeleteImage("x"), tx.DeleteAddress(ispctl.Address{}), tx.DeleteForward(ispctl.Listen{})} {
				if err != nil {
					return err
				}
			}
			return nil
		}, func(*ispctl.Model) {}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			s := open(t, root)
			want := filled(ispctl.Paths{Root: root}, update(t, s, fill).VMs[0].Created)
			tt.want(want)
			update(t, s, tt.do)
			if diff := cmp.Diff(want, modelOf(t, s), comparable); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			update(t, s, tt.do) // twice is once
			if diff := cmp.Diff(want, modelOf(t, s), comparable); diff != "" {
				t.Errorf("done twice (-want +got):\n%s", diff)
			}
		})
	}
}

// TestTaken are the conflicts that the database itself finds.
func TestTaken(t *testing.T) {
	for name, do := range map[string]func(*state.Tx) error{
		"name of a VM": func(tx *state.Tx) error {
			_, err := tx.InsertVM(guest("web1", "u2", "02:00:00:00:00:09", "10.10.0.9"))
			return err
		},
		"UUID": func(tx *state.Tx) error {
			_, err := tx.InsertVM(guest("web2", "u1", "02:00:00:00:00:09", "10.10.0.9"))
			return err
		},
		"MAC": func(tx *state.Tx) error {
			_, err := tx.InsertVM(guest("web2", "u2", "02:00:00:00:00:01", "10.10.0.9"))
			return err
		},
		"address in a zone": func(tx *state.Tx) error {
			_, err := tx.InsertVM(guest("web2", "u2", "02:00:00:00:00:09", "10.10.0.2"))
			return err
		},
		"run state that is none": func(tx *state.Tx) error { return tx.UpdateVM(ispctl.VM{ID: 1, Plan: "small", Wanted: "paused"}) },
		"VM a forward leads to":  func(tx *state.Tx) error { return tx.DeleteVM(1) },
		"forward to no VM": func(tx *state.Tx) error {
			return tx.PutForward(ispctl.Forward{Listen: ispctl.Listen{Addr: addr("203.0.113.9"), Port: 1, Proto: ispctl.TCP}, VM: "ghost", Port: 1})
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, t.TempDir())
			before := update(t, s, fill)
			_, err := s.Update(t.Context(), state.Entry{}, do)
			if ispctl.KindOf(err) != ispctl.Conflict || !strings.Contains(err.Error(), "is taken, or still in use") {
				t.Errorf("want a conflict, have %v", err)
			}
			if diff := cmp.Diff(before, modelOf(t, s), comparable); diff != "" {
				t.Errorf("(-before +after):\n%s", diff)
			}
		})
	}
}

// TestIDsAreNeverUsedAgain, since taps are named by them.
func TestIDsAreNeverUsedAgain(t *testing.T) {
	s := open(t, t.TempDir())
	update(t, s, func(tx *state.Tx) error {
		if err := fill(tx); err != nil {
			return err
		}
		second, err := tx.InsertVM(guest("web2", "u2", "02:00:00:00:00:09", "10.10.0.9"))
		if err != nil {
			return err
		}
		return tx.DeleteVM(second.ID)
	})
	m := update(t, s, func(tx *state.Tx) error {
		_, err := tx.InsertVM(guest("web2", "u2", "02:00:00:00:00:09", "10.10.0.9"))
		return err
	})
	if vm, err := m.VM("web2"); err != nil || vm.ID != 3 || vm.NICs[0].Tap != "isp-3-0" {
		t.Errorf("%+v, %v", vm, err)
	}
}
