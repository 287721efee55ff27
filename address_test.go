package ispctl_test

import (
	"net/netip"
	"slices"
	"testing"

	"ispctl"
)

// TestValidateUseOfAddresses harms a provider whose VMs have addresses to
// themselves.
func TestValidateUseOfAddresses(t *testing.T) {
	const mac = "00:50:56:00:12:34"
	addr, prefix := netip.MustParseAddr, netip.MustParsePrefix
	give := func(m *ispctl.Model, a string, mode ispctl.AddressMode, vm ispctl.Name) *ispctl.Address {
		m.Addresses = append(slices.Clone(m.Addresses), ispctl.Address{Addr: addr(a), Mode: mode, VM: vm})
		return &m.Addresses[len(m.Addresses)-1]
	}
	for _, tt := range []struct {
		name string
		harm func(*ispctl.Model)
		kind ispctl.ErrorKind
		want string // of the error; empty: it is valid
	}{
		{"snat", func(m *ispctl.Model) { give(m, "203.0.113.20", ispctl.SourceNAT, "web1") }, 0, ""},
		{"one-to-one", func(m *ispctl.Model) { give(m, "203.0.113.20", ispctl.OneToOne, "web1") }, 0, ""},
		{"routed twice", func(m *ispctl.Model) {
			give(m, "203.0.113.20", ispctl.RoutedIn, "web1")
			give(m, "203.0.113.21", ispctl.RoutedIn, "web1")
		}, 0, ""},
		{"routed IPv6", func(m *ispctl.Model) { give(m, "2001:db8:99::1", ispctl.RoutedIn, "web1") }, 0, ""},
		{"IPv6 to a VM without", func(m *ispctl.Model) { give(m, "2001:db8:99::1", ispctl.RoutedIn, "mail1") }, ispctl.Conflict, `vm "mail1" has no IPv6`},
		{"snat of IPv6", func(m *ispctl.Model) { give(m, "2001:db8:99::1", ispctl.SourceNAT, "web1") }, ispctl.Usage, "mode snat is for IPv4"},
		{"mode of no VM", func(m *ispctl.Model) { give(m, "203.0.113.20", ispctl.OneToOne, "") }, ispctl.Usage, "mode one-to-one needs a VM"},
		{"VM in no mode", func(m *ispctl.Model) { give(m, "203.0.113.20", "", "web1") }, ispctl.Usage, `is vm "web1"'s in no mode`},
		{"mode that is none", func(m *ispctl.Model) { give(m, "203.0.113.20", "nat", "web1") }, ispctl.Usage, `mode "nat" is not known`},
		{"absent VM", func(m *ispctl.Model) { give(m, "203.0.113.20", ispctl.OneToOne, "ghost") }, ispctl.NotFound, `vm "ghost" not found`},
		{"VM that is being destroyed", func(m *ispctl.Model) {
			m.Forwards, m.VMs[1].Wanted = nil, ispctl.Absent
			give(m, "203.0.113.20", ispctl.OneToOne, "web1")
		}, ispctl.Conflict, `address "203.0.113.20": vm "web1" is being destroyed`},
		{"two to go out with", func(m *ispctl.Model) {
			give(m, "203.0.113.20", ispctl.SourceNAT, "web1")
			give(m, "203.0.113.21", ispctl.OneToOne, "web1")
		}, ispctl.Conflict, `address "203.0.113.21": vm "web1" goes out with 203.0.113.20 already`},
		{"the host's own", func(m *ispctl.Model) { give(m, "203.0.113.2", ispctl.OneToOne, "web1") }, ispctl.Conflict, "is the host's own"},
		{"a zone goes out with it", func(m *ispctl.Model) {
			m.Addresses = slices.Clone(m.Addresses)
			m.Addresses[0].Mode, m.Addresses[0].VM = ispctl.SourceNAT, "web1"
		}, ispctl.Conflict, `zone "dmz" goes out with it`},
		{"a forward listens at it", func(m *ispctl.Model) {
			m.Addresses = slices.Clone(m.Addresses)
			m.Addresses[1].Mode, m.Addresses[1].VM = ispctl.OneToOne, "web1"
		}, ispctl.Conflict, "forward 203.0.113.11:25/tcp listens at it; remove that first, or use mode snat"},
		{"MAC on a routed uplink", func(m *ispctl.Model) { give(m, "203.0.113.20", "", "").MAC = mac }, ispctl.Conflict, "needs an uplink of kind vmac or bridged; this one is routed"},
		{"MAC on a vmac uplink", func(m *ispctl.Model) { m.Uplink.Kind = ispctl.VMAC; give(m, "203.0.113.20", "", "").MAC = mac }, 0, ""},
		{"MAC without a gateway", func(m *ispctl.Model) {
			m.Uplink.Kind, m.Uplink.Gateway = ispctl.VMAC, netip.Addr{}
			give(m, "203.0.113.20", "", "").MAC = mac
		}, ispctl.Conflict, "needs the uplink's gateway"},
		{"MAC twice", func(m *ispctl.Model) {
			m.Uplink.Kind = ispctl.VMAC
			give(m, "203.0.113.20", "", "").MAC = mac
			give(m, "203.0.113.21", "", "").MAC = mac
		}, ispctl.Conflict, "MAC " + mac + " is that of address 203.0.113.20"},
		{"MAC of a group", func(m *ispctl.Model) {
			m.Uplink.Kind = ispctl.VMAC
			give(m, "203.0.113.20", "", "").MAC = "01:50:56:00:12:34"
		}, ispctl.Usage, "is a group's"},
		{"MAC of nobody", func(m *ispctl.Model) {
			m.Uplink.Kind = ispctl.VMAC
			give(m, "203.0.113.20", "", "").MAC = "00:00:00:00:00:00"
		}, ispctl.Usage, "is nobody's"},
		{"wire on a routed uplink", func(m *ispctl.Model) { give(m, "203.0.113.20", ispctl.Wire, "web1") }, ispctl.Conflict, "mode wire needs an uplink of kind bridged"},
		{"wire without a MAC", func(m *ispctl.Model) {
			m.Uplink.Kind = ispctl.Bridged
			give(m, "203.0.113.20", ispctl.Wire, "web1")
		}, ispctl.Conflict, "needs the MAC that the provider issued"},
		{"wire without a NIC", func(m *ispctl.Model) {
			m.Uplink.Kind = ispctl.Bridged
			give(m, "203.0.113.20", ispctl.Wire, "web1").MAC = mac
		}, ispctl.Conflict, `vm "web1" has no NIC on the wire for it`},
		{"NIC on the wire without an address", func(m *ispctl.Model) {
			m.VMs[1].NICs = append(m.VMs[1].NICs, ispctl.NIC{Index: 9, Role: ispctl.WireNIC, MAC: mac, Addr: addr("203.0.113.20")})
		}, ispctl.Conflict, "which is not its own"},
		{"delivered", func(m *ispctl.Model) { m.Delivers = []netip.Prefix{prefix("203.0.113.0/28")} }, 0, ""},
		{"not delivered", func(m *ispctl.Model) {
			m.Delivers = []netip.Prefix{prefix("203.0.113.0/28")}
			give(m, "203.0.113.20", "", "")
		}, ispctl.Conflict, `address "203.0.113.20": the uplink delivers [203.0.113.0/28] and not this one`},
		{"delivered with host bits", func(m *ispctl.Model) { m.Delivers = []netip.Prefix{prefix("203.0.113.1/28")} }, ispctl.Usage, "did you mean 203.0.113.0/28?"},

		{"range", func(m *ispctl.Model) { m.Forwards[1].Last = 30; m.Forwards[1].Port = 25 }, 0, ""},
		{"range to other ports", func(m *ispctl.Model) { m.Forwards[1].Last = 30; m.Forwards[1].Port = 26 }, ispctl.Usage, "a range of ports is carried to the same ports"},
		{"range that falls", func(m *ispctl.Model) { m.Forwards[1].Last = 20 }, ispctl.Usage, "with ports that rise"},
		{"ranges that overlap", func(m *ispctl.Model) {
			m.Forwards[1].Last = 30
			second := m.Forwards[1]
			second.Listen.Port, second.Port, second.Last, second.ID = 30, 30, 40, 9
			m.Forwards = append(m.Forwards, second)
		}, ispctl.Conflict, `forward "203.0.113.11:30-40/tcp": overlaps 203.0.113.11:25-30/tcp`},
		{"port inside a range", func(m *ispctl.Model) {
			m.Forwards[1].Last = 1000
			for i, port := range []uint16{700, 500} {
				one := m.Forwards[1]
				one.Listen.Port, one.Port, one.Last, one.ID = port, 22, 0, int64(10+i)
				m.Forwards = append(m.Forwards, one)
			}
		}, ispctl.Conflict, `overlaps 203.0.113.11:25-1000/tcp`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := provider()
			for i := range m.VMs {
				m.VMs[i].NICs = slices.Clone(m.VMs[i].NICs)
			}
			m.Forwards = slices.Clone(m.Forwards)
			tt.harm(m)
			if err := m.Validate(); tt.want != "" {
				refused(t, err, tt.kind, tt.want)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestMover(t *testing.T) {
	for in, want := range map[string][]string{
		"/usr/local/bin/move":                {"/usr/local/bin/move"},
		"/opt/move  --to  $(rm -rf)  'a b' ": {"/opt/move", "--to", "$(rm", "-rf)", "'a", "b'"},
		"move":                               nil,
		"./move":                             nil,
		"/opt/../bin/sh -c x":                nil,
		" ":                                  nil,
	} {
		got, err := (ispctl.Uplink{OnMove: in}).Mover()
		if !slices.Equal(got, want) || (err == nil) != (want != nil) {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
}
