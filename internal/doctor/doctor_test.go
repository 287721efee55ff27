package doctor

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mdlayher/netlink"

	"ispctl"
	"ispctl/internal/testkit"
)

// patient is a healthy host whose settings are files of the test.
func patient(t *testing.T) *Patient {
	t.Helper()
	p := &Patient{
		Model: &ispctl.Model{
			Installation: ispctl.Installation{Prefix: "isp", Hypervisor: "qemu:///system"}, Paths: ispctl.Paths{Root: t.TempDir()},
			Uplink: ispctl.Uplink{Interface: "up0", Kind: ispctl.Routed, Gateway: netip.MustParseAddr("203.0.113.1")},
		},
		Probe: func(context.Context, ispctl.End, ispctl.End, ispctl.Opening, ispctl.Family) (bool, string, error) {
			return true, "", nil
		},
		Pending: func(context.Context) ([]string, error) { return nil, nil },
		Serving: func() (bool, error) { return true, nil },
		Unheld:  func(context.Context) ([]string, error) { return nil, nil },
		KVM:     true, Proc: t.TempDir(), Run: t.TempDir(),
	}
	for key, value := range map[string]string{
		"net.ipv4.ip_forward": "1", "net.bridge.bridge-nf-call-iptables": "0", "net.ipv4.conf.all.rp_filter": "0",
		"net.ipv6.conf.all.forwarding": "1", "net.ipv6.conf.up0.accept_ra": "2",
		"net.netfilter.nf_conntrack_count": "10", "net.netfilter.nf_conntrack_max": "1000", "net.ipv4.neigh.default.gc_thresh3": "1024",
	} {
		p.set(t, key, value)
	}
	return p
}

func (p *Patient) set(t *testing.T, key, value string) {
	t.Helper()
	file := filepath.Join(p.Proc, "sys", strings.ReplaceAll(key, ".", "/"))
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(value+"\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
}

// TestChecks: each harm is found by its check, with its state, and by no other.
func TestChecks(t *testing.T) {
	testkit.NetNS(t)
	testkit.Sh(t, "sh", "-ec", "ip link add up0 type veth peer name up1; ip link set up1 up; ip link set up0 up")
	set := func(key, value string) func(*testing.T, *Patient) {
		return func(t *testing.T, p *Patient) { p.set(t, key, value) }
	}
	for _, c := range []struct {
		name  string
		harm  func(*testing.T, *Patient)
		check string
		state State
		says  string
		safe  bool
	}{
		{name: "healthy", harm: func(*testing.T, *Patient) {}},
		{"not forwarding", set("net.ipv4.ip_forward", "0"), "forwarding", Failed, "net.ipv4.ip_forward is 0", true},
		{"br_netfilter", set("net.bridge.bridge-nf-call-iptables", "1"), "bridge filter", Failed, "bridge-nf-call-iptables is 1", true},
		{"loose filter", set("net.ipv4.conf.all.rp_filter", "2"), "spoofed sources", Warning, "rp_filter is 2", false},
		{"advertisements", set("net.ipv6.conf.up0.accept_ra", "1"), "router advertisements", Failed, "accept_ra is 1", true},
		{"full table", set("net.netfilter.nf_conntrack_count", "800"), "connections", Failed, "800 of 1000", false},
		{"no number", set("net.netfilter.nf_conntrack_count", "many"), "connections", Warning, "could not be looked at", false},
		{"neighbours", func(_ *testing.T, p *Patient) {
			p.Model.VMs = make([]ispctl.VM, 500)
			for i := range p.Model.VMs {
				p.Model.VMs[i].NICs = make([]ispctl.NIC, 2)
			}
		}, "neighbours", Failed, "1000 NICs, and the table holds 1024", false},
		{"no uplink", func(_ *testing.T, p *Patient) { p.Model.Uplink = ispctl.Uplink{} }, "uplink", Warning, "none is declared", false},
		{"uplink gone", func(t *testing.T, p *Patient) {
			p.Model.Uplink.Interface = "up9"
			p.set(t, "net.ipv6.conf.up9.accept_ra", "2")
		}, "uplink", Failed, "no such interface", false},
		{"emulated", func(_ *testing.T, p *Patient) { p.KVM = false }, "virtualisation", Warning, "emulated", false},
		{"misleading", func(_ *testing.T, p *Patient) { p.KVM, p.KVMMisleads = false, true }, "virtualisation", Warning, "itself a guest", false},
		{"not resident", func(_ *testing.T, p *Patient) { p.Serving = func() (bool, error) { return false, nil } }, "resident part", Warning, "does not run", false},
		{"limits", func(_ *testing.T, p *Patient) {
			p.Unheld = func(context.Context) ([]string, error) { return []string{"cpu-pin of 1 VM"}, nil }
		}, "limits", Warning, "cpu-pin of 1 VM", false},
		{"pending", func(_ *testing.T, p *Patient) {
			p.Pending = func(context.Context) ([]string, error) { return []string{"a", "b", "c", "d"}, nil }
		}, "pending", Failed, "4 changes pending: a; b; c", true},
		{"deaf", func(_ *testing.T, p *Patient) {
			p.Pending = func(context.Context) ([]string, error) { return nil, errors.New("libvirt is gone") }
		}, "pending", Failed, "libvirt is gone", false},
	} {
		// No t.Run: a subtest would leave the namespace.
		p := patient(t)
		c.harm(t, p)
		found, err := Examine(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		seen := false
		for _, f := range found {
			switch {
			case f.Why == "":
				t.Errorf("%s: %s does not say why", c.name, f.Check)
			case f.Check == c.check:
				seen = f.State == c.state && strings.Contains(f.Found, c.says) && f.Safe == c.safe
				if !seen {
					t.Errorf("%s: %+v", c.name, f)
				}
				if f.Cure == "" && c.name != "no number" && c.name != "deaf" {
					t.Errorf("%s: no cure", c.name)
				}
			// The clock and the units are this machine's own.
			case f.State != OK && f.State != Skipped && f.Check != "clock" && f.Check != "order of units":
				t.Errorf("%s: also %+v", c.name, f)
			}
		}
		if c.check != "" && !seen {
			t.Errorf("%s: %s found nothing", c.name, c.check)
		}
		if Ill(found) != (c.state == Failed) {
			t.Errorf("%s: ill is %t", c.name, Ill(found))
		}
	}
}

// TestForeignMAC: a macvtap on the uplink is a MAC that the provider did not
// issue.
func TestForeignMAC(t *testing.T) {
	testkit.Need(t, testkit.MACVTAP)
	testkit.NetNS(t)
	testkit.Sh(t, "sh", "-ec", "ip link add up0 type veth peer name up1; ip link set up1 up; ip link set up0 up; ip link add link up0 name m0 type macvtap mode bridge")
	found, err := uplink(t.Context(), patient(t))
	if err != nil || len(found) != 1 || found[0].State != Failed || !strings.Contains(found[0].Found, "macvtap m0 sends by it with the MAC") {
		t.Errorf("%+v, %v", found, err)
	}
}

func TestSpace(t *testing.T) {
	for _, c := range []struct {
		free, total uint64
		want        State
	}{{0, 0, OK}, {50, 100, OK}, {10, 100, OK}, {9, 100, Warning}, {2, 100, Warning}, {1, 100, Failed}, {0, 100, Failed}} {
		got := OK
		if f := space("/srv", c.free, c.total, "space"); f != nil {
			got = f.State
		}
		if got != c.want {
			t.Errorf("%d of %d: %s, want %s", c.free, c.total, got, c.want)
		}
	}
}

// TestPaths: one packet for each pair that anything is open between, of a family
// that both ends have, from where one can be sent.
func TestPaths(t *testing.T) {
	m := patient(t).Model
	web := ispctl.Opening{Transport: ispctl.TransportTCP, Port: 443}
	m.Zones = []ispctl.Zone{
		{Name: "dmz", Prefix: netip.MustParsePrefix("10.10.0.0/24"), Egress: true},
		{Name: "mail", Prefix: netip.MustParsePrefix("10.20.0.0/24")},
	}
	m.Policies = []ispctl.Policy{
		{From: "dmz", To: "mail", Opening: web, Family: ispctl.IPv4},
		{From: "dmz", To: "mail", Opening: ispctl.Opening{Transport: ispctl.ICMP}, Family: ispctl.IPv4}, // the same pair
		{From: "dmz", To: "mail", Opening: web, Family: ispctl.IPv6},                                    // neither has IPv6
		{From: ispctl.Internet, To: "mail", Opening: web, Family: ispctl.IPv4},
		{From: "mail", To: ispctl.Host, Opening: web, Family: ispctl.IPv4},
		{From: "mail", To: ispctl.Internet, Opening: web, Family: ispctl.IPv4},
	}
	var got []string
	for _, q := range paths(m) {
		got = append(got, q.String())
	}
	want := "dmz -> internet tcp/47808 ipv4, dmz -> mail tcp/443 ipv4, mail -> internet tcp/443 ipv4"
	if s := strings.Join(got, ", "); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
}

// FuzzReadTrace: whatever is heard is read without a crash.
func FuzzReadTrace(f *testing.F) {
	f.Add(uint16(0x0a11), []byte{2, 0, 0, 0, 8, 0, 4, 0, 0, 0, 0, 3, 12, 0, 5, 0, 8, 0, 1, 0, 0, 0, 0, 0})
	f.Add(uint16(0x0a11), []byte{2, 0})
	f.Fuzz(func(t *testing.T, kind uint16, data []byte) {
		d := readTrace(netlink.Message{Header: netlink.Header{Type: netlink.HeaderType(kind)}, Data: data})
		if d != nil && d.String() == "" {
			t.Error("took nothing")
		}
	})
}
