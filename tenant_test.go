package ispctl_test

import (
	"net/netip"
	"strings"
	"testing"

	"ispctl"
)

const (
	aliceKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f alice"
	bobKey   = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g bob"
)

// TestKeyFingerprint: as ssh-keygen -l prints it.
func TestKeyFingerprint(t *testing.T) {
	if got, want := ispctl.KeyFingerprint(aliceKey), "SHA256:ZkAslGjFiUHdGf/WUL8rQvkib4PTvQatUV0OUQSncCA"; got != want {
		t.Errorf("want %s, have %s", want, got)
	}
	for _, none := range []string{"", "ssh-ed25519", "ssh-ed25519 ***"} {
		if got := ispctl.KeyFingerprint(none); got != "" {
			t.Errorf("%q has the fingerprint %s", none, got)
		}
	}
}

func TestTenantNames(t *testing.T) {
	for bad, want := range map[string]string{
		"": "is empty", "none": "stands for no tenant", `ac"me`: "no lower-case letter", "ac\nme": "no lower-case letter", "acme'": "no lower-case letter",
		"Acme": "does not start with", "-acme": "does not start with", "a;b": "no lower-case letter", strings.Repeat("a", 64): "longer than 63",
	} {
		if _, err := ispctl.ParseTenantName(bad); err == nil || !strings.Contains(err.Error(), want) || ispctl.KindOf(err) != ispctl.Usage {
			t.Errorf("%q: want %q, have %v", bad, want, err)
		}
	}
}

func TestTenantsRefuse(t *testing.T) {
	good := func() ispctl.Tenant { return ispctl.Tenant{Name: "acme", Keys: []string{aliceKey}} }
	if err := good().Validate(); err != nil {
		t.Fatal(err)
	}
	for want, spoil := range map[string]func(*ispctl.Tenant){
		"its title has a character that cannot be printed":   func(t *ispctl.Tenant) { t.Title = "Acme\nroot" },
		"its contact has a character that cannot be printed": func(t *ispctl.Tenant) { t.Contact = "a\x1b[2Jb" },
		"its title is longer than 200 bytes":                 func(t *ispctl.Tenant) { t.Title = strings.Repeat("a", 201) },
		"its title has a character":                          func(t *ispctl.Tenant) { t.Title = "a\xffb" },
		"has the key SHA256:ZkAslGjFiUHdGf":                  func(t *ispctl.Tenant) { t.Keys = append(t.Keys, aliceKey[:len(aliceKey)-6]+" again") },
		"options are not taken":                              func(t *ispctl.Tenant) { t.Keys = []string{`command="sh" ` + aliceKey} },
		"does not start with a known key type":               func(t *ispctl.Tenant) { t.Keys = []string{"no key"} },
		"is not in its short form":                           func(t *ispctl.Tenant) { t.Keys = []string{aliceKey + "\n"} },
		"cpus is less than none":                             func(t *ispctl.Tenant) { t.Share.CPUs = -1 },
	} {
		tenant := good()
		spoil(&tenant)
		if err := tenant.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, have %v", want, err)
		}
	}
}

// shared is a model with a tenant that has two VMs and an address.
func shared() *ispctl.Model {
	m := &ispctl.Model{
		Installation: ispctl.Installation{Prefix: "isp", Hypervisor: "test:///default"},
		Uplink:       ispctl.Uplink{Interface: "eth0", Kind: ispctl.Routed},
		Zones:        []ispctl.Zone{{Name: "dmz", Prefix: netip.MustParsePrefix("10.10.0.0/24")}},
		Plans: []ispctl.Plan{{
			Name: "small", CPUs: 2, Memory: ispctl.GiB, Disk: 4 * ispctl.GiB, Limits: ispctl.Limits{Down: 100 * ispctl.Mbit, Up: 50 * ispctl.Mbit},
		}},
		Images:    []ispctl.Image{{Name: "micro", Digest: "d", Size: ispctl.MiB}},
		Addresses: []ispctl.Address{{Addr: netip.MustParseAddr("203.0.113.9"), VM: "a", Mode: ispctl.SourceNAT}},
		Tenants:   []ispctl.Tenant{{Name: "acme", Keys: []string{aliceKey}}, {Name: "other", Keys: []string{bobKey}}},
	}
	for i, name := range []ispctl.Name{"a", "b", "c"} {
		m.VMs = append(m.VMs, ispctl.VM{Name: name, Plan: "small", Image: "d", Tenant: "acme", Wanted: ispctl.Running, NICs: []ispctl.NIC{{
			Zone: "dmz", MAC: "02:00:00:00:00:0" + string(rune('1'+i)), Tap: "isp-" + string(rune('1'+i)) + "-0", Addr: netip.AddrFrom4([4]byte{10, 10, 0, byte(2 + i)}),
		}}})
	}
	m.VMs[2].Tenant = ""
	return m
}

// TestShares: each bound holds what a tenant's VMs come to, and says by how much
// it is too little.
func TestShares(t *testing.T) {
	m := shared()
	if err := m.Validate(); err != nil {
		t.Fatal(err)
	}
	used := ispctl.Share{VMs: 2, CPUs: 4, Memory: 2 * ispctl.GiB, Disk: 8 * ispctl.GiB, Addresses: 1, Bandwidth: 200 * ispctl.Mbit}
	if got := m.UsedBy("acme"); got != used {
		t.Errorf("want %+v, have %+v", used, got)
	}
	if got := m.UsedBy("other"); got != (ispctl.Share{}) {
		t.Errorf("a tenant without VMs uses %+v", got)
	}
	m.Tenants[0].Share = used
	if err := m.Validate(); err != nil {
		t.Errorf("exactly its share: %v", err)
	}
	for name, tt := range map[string]struct{ less, want string }{
		"vms":       {"1", "its vms: 1 at the most, and it would use 2: 1 too much"},
		"cpus":      {"3", "its cpus: 3 at the most, and it would use 4: 1 too much"},
		"memory":    {"1536MiB", "its memory: 1536MiB at the most, and it would use 2GiB: 512MiB too much"},
		"disk":      {"5GiB", "its disk: 5GiB at the most, and it would use 8GiB: 3GiB too much"},
		"bandwidth": {"150mbit", "its bandwidth: 150mbit at the most, and it would use 200mbit: 50mbit too much"},
	} {
		m := shared()
		for _, f := range ispctl.ShareTable() {
			if f.Name == name {
				if err := f.Set(&m.Tenants[0].Share, tt.less); err != nil {
					t.Fatal(err)
				}
			}
		}
		refused(t, m.Validate(), ispctl.Conflict, tt.want)
	}
	m = shared()
	m.Tenants[0].Share.Addresses = 1
	m.Addresses = append(m.Addresses, ispctl.Address{Addr: netip.MustParseAddr("203.0.113.10"), VM: "b", Mode: ispctl.SourceNAT})
	refused(t, m.Validate(), ispctl.Conflict, "its addresses: 1 at the most")
	m = shared()
	m.Tenants[0].Share.Bandwidth = ispctl.Gbit
	m.VMs[1].Limits.Up = ispctl.NoLimit
	refused(t, m.Validate(), ispctl.Conflict, "VMs of it have no ceiling: b")
	m.VMs[1].Wanted = ispctl.Absent // what goes counts no more
	if err := m.Validate(); err != nil {
		t.Error(err)
	}
}

func TestTenantsOfAModel(t *testing.T) {
	m := shared()
	m.VMs[1].Tenant = "nobody"
	refused(t, m.Validate(), ispctl.NotFound, `tenant "nobody" not found (have: acme, other)`)
	m = shared()
	m.Tenants[1].Keys = append(m.Tenants[1].Keys, aliceKey)
	refused(t, m.Validate(), ispctl.Conflict, `is tenant "acme"'s`)
	m = shared()
	m.Tenants[0].Suspended = true
	if !m.Suspended(m.VMs[0]) || m.Suspended(m.VMs[2]) {
		t.Error("suspended are the tenant's VMs and no other")
	}
	if owner, ok := m.TenantOfKey(ispctl.KeyFingerprint(bobKey)); !ok || owner.Name != "other" {
		t.Errorf("bob's key is of %q", owner.Name)
	}
}

func TestShareBounds(t *testing.T) {
	for _, f := range ispctl.ShareTable() {
		for _, bad := range []string{"", "-1", "0", "many", "1e9999", "9223372036854775808"} {
			s := ispctl.Share{}
			if err := f.Set(&s, bad); err == nil {
				t.Errorf("%s %q was taken as %s", f.Name, bad, f.Text(s))
			}
		}
		s := ispctl.Share{}
		text := map[string]string{"N": "3", "SIZE": "3GiB", "RATE": "3mbit"}[f.Unit]
		if err := f.Set(&s, text); err != nil || f.Text(s) != text {
			t.Errorf("%s %s is %s, %v", f.Name, text, f.Text(s), err)
		}
		if err := f.Set(&s, "none"); err != nil || s != (ispctl.Share{}) {
			t.Errorf("%s none leaves %+v, %v", f.Name, s, err)
		}
	}
}
