package ispctl_test

import (
	"net/netip"
	"strings"
	"testing"

	"ispctl"
)

// TestFlowsOverlap: two limits that one packet could match are refused, since
// nothing says which would hold.
func TestFlowsOverlap(t *testing.T) {
	flow := func(vm ispctl.Name, slot int, match, remote string) ispctl.Flow {
		o, err := ispctl.ParseOpening(match)
		if err != nil {
			t.Fatal(err)
		}
		f := ispctl.Flow{VM: vm, Slot: slot, Match: o, Rate: ispctl.Mbit}
		if remote != "" {
			f.Remote = netip.MustParsePrefix(remote)
		}
		return f
	}
	first := flow("a", 0, "tcp/80", "198.51.100.0/24")
	for _, tt := range []struct {
		second ispctl.Flow
		refuse string
	}{
		{flow("a", 1, "tcp/80", "198.51.100.0/24"), "overlaps"},
		{flow("a", 1, "tcp/80", ""), "a packet could match both"},
		{flow("a", 1, "tcp/80", "198.51.100.128/25"), "overlaps"},
		{flow("a", 1, "any", "198.51.0.0/16"), "overlaps"},
		{flow("a", 1, "tcp/443", "198.51.100.0/24"), ""},
		{flow("a", 1, "udp/80", ""), ""},
		{flow("a", 1, "tcp/80", "192.0.2.0/24"), ""},
		{flow("a", 1, "tcp/80", "2001:db8::/32"), ""},
		{flow("a", 0, "udp/53", ""), "has the slot of"},
		{flow("b", 0, "tcp/80", ""), ""},
	} {
		m := &ispctl.Model{
			Installation: ispctl.Installation{Prefix: "isp", Hypervisor: "test:///default"},
			Plans:        []ispctl.Plan{{Name: "small", CPUs: 1, Memory: ispctl.GiB, Disk: ispctl.GiB}},
			Images:       []ispctl.Image{{Name: "micro", Digest: "d", Size: ispctl.MiB}},
			Flows:        []ispctl.Flow{first, tt.second},
		}
		for _, name := range []ispctl.Name{"a", "b"} {
			m.VMs = append(m.VMs, ispctl.VM{Name: name, Plan: "small", Image: "d", Wanted: ispctl.Running})
		}
		err := m.Validate()
		switch {
		case tt.refuse == "" && err != nil:
			t.Errorf("%s: %v", tt.second.Name(), err)
		case tt.refuse != "" && (err == nil || !strings.Contains(err.Error(), tt.refuse) || ispctl.KindOf(err) != ispctl.Conflict):
			t.Errorf("%s: want a conflict with %q, have %v", tt.second.Name(), tt.refuse, err)
		}
	}
}
