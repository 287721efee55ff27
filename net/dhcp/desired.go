package dhcp

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"

	"ispctl"
)

// Layer is the layer's name.
const Layer = "dhcp"

// Ports a server listens on.
const (
	dnsPort  = 53
	dhcpPort = 67

	dhcp6Port = 547
)

// State is every server of ours, by zone.
type State map[ispctl.Name]Server

// Len is the number of servers.
func (s State) Len() int { return len(s) }

// Server is the dnsmasq of one zone.
type Server struct {
	Zone    ispctl.Name
	Dir     string   // of its files
	Config  string   // the text it was started with
	Sockets []Socket // that it listens on, by port
	Hosts   []Host   // that it has read, by name
	Running bool
}

// Socket is where datagrams are taken. DHCP listens on a link, DNS on an
// address.
type Socket struct {
	Port uint16
	Addr netip.Addr
	Link string
}

// String is the notation of ss(8).
func (s Socket) String() string {
	text := s.Addr.String()
	if s.Addr.Is6() {
		text = "[" + text + "]"
	}
	if s.Link != "" {
		text += "%" + s.Link
	}
	return fmt.Sprintf("%s:%d", text, s.Port)
}

// Host is a NIC that is known: by its MAC to DHCP, by its name to DNS.
type Host struct {
	Name ispctl.Name `json:"name"`
	MAC  string      `json:"mac"`
	Addr netip.Addr  `json:"addr"`

	Addr6 netip.Addr `json:"addr6,omitzero"` // invalid: none
}

// Dir is the directory of all servers' files.
func Dir(paths ispctl.Paths) string { return filepath.Join(paths.Run(), "dnsmasq") }

// Desired is a server per zone that has DHCP or DNS, with all guests of the
// zone. Errors are of kind [ispctl.Usage]: nothing that could break out of its
// place in a file gets in.
func Desired(m *ispctl.Model) (State, error) {
	s := State{}
	for _, z := range m.Zones {
		if !z.DHCP && !z.DNS {
			continue
		}
		if _, err := ispctl.ParseName("zone", string(z.Name)); err != nil {
			return nil, err
		}
		if err := z.Validate(); err != nil {
			return nil, err
		}
		hosts, err := hostsOf(m, z)
		if err != nil {
			return nil, err
		}
		link := m.Installation.Bridge(z.Name)
		s[z.Name] = Server{
			Zone: z.Name, Dir: filepath.Join(Dir(m.Paths), string(z.Name)),
			Config: config(z, link), Sockets: sockets(z, link), Hosts: hosts, Running: true,
		}
	}
	if len(s) > 0 {
		if err := m.Installation.Validate(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func hostsOf(m *ispctl.Model, z ispctl.Zone) ([]Host, error) {
	var hosts []Host
	for vm := range m.Guests() {
		for _, nic := range vm.ZoneNICs() {
			if nic.Zone != z.Name || nic.Role != ispctl.ZoneNIC {
				continue // nothing is served on a leg
			}
			name, err := ispctl.ParseName("vm", string(vm.Name))
			if err != nil {
				return nil, err
			}
			mac, err := net.ParseMAC(nic.MAC)
			if err != nil || len(mac) != 6 {
				return nil, ispctl.Invalid("mac", nic.MAC, "is not six bytes in hex")
			}
			if !nic.Addr.Is4() || !z.Prefix.Contains(nic.Addr) {
				return nil, ispctl.Invalid("vm", string(name), "address %s is not in %s of zone %q", nic.Addr, z.Prefix, z.Name)
			}
			if a := nic.Addr6; a.IsValid() && !z.Prefix6.Contains(a) {
				return nil, ispctl.Invalid("vm", string(name), "address %s is not in %s of zone %q", a, z.Prefix6, z.Name)
			}
			hosts = append(hosts, Host{Name: name, MAC: mac.String(), Addr: nic.Addr, Addr6: nic.Addr6})
		}
	}
	slices.SortFunc(hosts, func(a, b Host) int { return cmp.Or(cmp.Compare(a.Name, b.Name), a.Addr.Compare(b.Addr)) })
	return hosts, nil
}

func sockets(z ispctl.Zone, link string) []Socket {
	var all []Socket
	if z.DNS {
		all = append(all, Socket{Port: dnsPort, Addr: z.Gateway()})
	}
	if z.DHCP {
		all = append(all, Socket{Port: dhcpPort, Addr: netip.IPv4Unspecified(), Link: link})
	}
	if z.Prefix6.IsValid() && z.DNS {
		// It takes every address of the link; the wall lets guests ask at the
		// gateway's only.
		all = append(all, Socket{Port: dnsPort, Addr: z.Gateway6()}, Socket{Port: dnsPort, Addr: ispctl.BridgeLinkLocal(link), Link: link})
	}
	if z.Prefix6.IsValid() && z.DHCP {
		all = append(all, Socket{Port: dhcp6Port, Addr: netip.IPv6Unspecified(), Link: link})
	}
	slices.SortFunc(all, compareSockets)
	return all
}

func compareSockets(a, b Socket) int {
	return cmp.Or(cmp.Compare(a.Port, b.Port), a.Addr.Compare(b.Addr), cmp.Compare(a.Link, b.Link))
}

// serves reports whether the server is for that port.
func (s Server) serves(port uint16) bool {
	return slices.ContainsFunc(s.Sockets, func(one Socket) bool { return one.Port == port })
}
