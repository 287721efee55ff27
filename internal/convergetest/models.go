package convergetest

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"ispctl"
)

// Digest is the image every VM of the sample models is made from.
const Digest = "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"

// Models are valid models that differ from each other in everything a layer
// may look at: none of it, some of it, more, and the same objects changed.
func Models(inst ispctl.Installation, paths ispctl.Paths) []*ispctl.Model {
	base := func() *ispctl.Model {
		return &ispctl.Model{
			Installation: inst, Paths: paths,
			Uplink: ispctl.Uplink{
				Interface: "up0", Kind: ispctl.Routed,
				Address: netip.MustParsePrefix("203.0.113.2/24"), Gateway: netip.MustParseAddr("203.0.113.1"),
				Address6: netip.MustParsePrefix("2001:db8::2/64"), Gateway6: netip.MustParseAddr("2001:db8::1"),
			},
			Plans:  []ispctl.Plan{{Name: "small", CPUs: 1, Memory: 96 * ispctl.MiB, Disk: ispctl.GiB}},
			Images: []ispctl.Image{{Name: "micro", Digest: Digest, Size: 64 * ispctl.MiB, Cmdline: "root=/dev/vda", Built: time.Unix(1e9, 0).UTC()}},
		}
	}
	empty := &ispctl.Model{Installation: inst, Paths: paths}

	zones := base()
	zones.HostServices = []ispctl.Service{{Port: 22, Proto: ispctl.TCP}}
	zones.Addresses = addresses("203.0.113.10", "203.0.113.11")
	zones.Zones = []ispctl.Zone{zone("dmz", "10.10.0.0/24", "203.0.113.10"), zone("mail", "10.20.0.0/24", "")}
	zones.Zones[0].DHCP = true
	zones.Zones[0].Prefix6 = netip.MustParsePrefix("2001:db8:10::/64")

	guests := base()
	guests.HostServices = []ispctl.Service{{Port: 22, Proto: ispctl.TCP}, {Port: 51820, Proto: ispctl.UDP}}
	guests.Addresses = zones.Addresses
	guests.Zones = slices.Clone(zones.Zones)
	guests.Zones[0].DNS, guests.Zones[1].DNS = true, true
	guests.VMs = []ispctl.VM{Guest(inst, 1, "web1", "dmz", "10.10.0.2"), Guest(inst, 2, "mail1", "mail", "10.20.0.2")}
	guests.VMs[0].NICs[0].Addr6 = netip.MustParseAddr("2001:db8:10::2")
	guests.Admin = ispctl.AdminNet{Prefix: netip.MustParsePrefix("10.255.0.0/16"), Links: []string{"adm0"}, Services: []ispctl.Service{{Port: 123, Proto: ispctl.UDP}}}
	guests.Zones[0].Leg, guests.Zones[1].Leg = netip.MustParsePrefix("10.255.0.0/24"), netip.MustParsePrefix("10.255.1.0/24")
	guests.VMs[0].NICs = append(guests.VMs[0].NICs, legNIC(inst, 1, "dmz", "10.255.0.2"))
	guests.Forwards = []ispctl.Forward{
		{Listen: listen("[2001:db8:10::2]:443/tcp"), VM: "web1", Port: 443},
		{Listen: listen("203.0.113.10:2222/tcp"), VM: "web1", Port: 22},
		{Listen: listen("203.0.113.11:25/tcp"), VM: "mail1", Port: 25},
	}

	guests.Tenants, guests.VMs[0].Tenant = []ispctl.Tenant{{Name: "acme"}}, "acme"
	guests.VPN = vpn(inst, "10.9.0.0/24", 51821)
	guests.Policies = []ispctl.Policy{
		policy("dmz", "mail", "tcp/25", false), policy("mail", "internet", "udp/53", true), policy("dmz", "host", "icmp", false),
	}

	changed := base()
	changed.HostServices = guests.HostServices[1:]
	changed.Addresses = addresses("203.0.113.11", "203.0.113.12", "2001:db8::12")
	changed.Zones = []ispctl.Zone{zone("dmz", "10.11.0.0/24", "203.0.113.12"), zone("lab", "10.30.0.0/16", ""), zone("mail", "10.20.0.0/24", "203.0.113.11")}
	// A part of the uplink's own net, another delegated prefix, and addresses
	// that stay here.
	changed.Zones[0].Prefix6 = netip.MustParsePrefix("2001:db8:0:0:d::/80")
	changed.Zones[1].Prefix6 = netip.MustParsePrefix("2001:db8:30::/64")
	changed.Zones[2].Prefix6 = netip.MustParsePrefix("fd00:20::/64")
	changed.Zones[1].Isolated, changed.Zones[1].MTU = true, 9000
	changed.Zones[2].MTU = 1400
	changed.Zones[0].DNS, changed.Zones[1].DHCP = true, true
	moved := Guest(inst, 1, "web1", "lab", "10.30.0.9")
	stopped := Guest(inst, 3, "web3", "dmz", "10.11.0.3")
	stopped.Wanted = ispctl.Stopped
	moved.NICs[0].Addr6, stopped.NICs[0].Addr6 = netip.MustParseAddr("2001:db8:30::9"), netip.MustParseAddr("2001:db8::d:0:0:3")
	gone := Guest(inst, 2, "mail1", "mail", "10.20.0.2")
	gone.Wanted = ispctl.Absent
	changed.Admin = ispctl.AdminNet{Prefix: netip.MustParsePrefix("10.254.0.0/16"), Links: []string{"wg0"}}
	changed.Zones[0].Leg, changed.Zones[1].Leg = netip.MustParsePrefix("10.254.7.0/24"), netip.MustParsePrefix("10.254.64.0/18")
	stopped.NICs = append(stopped.NICs, legNIC(inst, 3, "dmz", "10.254.7.9"))
	changed.VMs = []ispctl.VM{moved, stopped, gone}
	changed.Forwards = []ispctl.Forward{
		{Listen: listen("203.0.113.11:25/tcp"), VM: "web1", Port: 2525},
		{Listen: listen("203.0.113.12:53/udp"), VM: "web3", Port: 53},
		{Listen: listen("[2001:db8::d:0:0:3]:8000/udp"), Last: 8003, VM: "web3", Port: 8000},
	}

	changed.Tenants, changed.VMs[1].Tenant = guests.Tenants, "acme"
	changed.VPN = changedVPN(inst)
	changed.Policies = []ispctl.Policy{
		policy("dmz", "mail", "any", false), policy("mail", "internet", "udp/53", false), policy("lab", "host", "tcp/53", true),
		{From: "internet", To: "lab", Opening: ispctl.Opening{Transport: ispctl.ICMP}, Family: ispctl.IPv6},
	}

	owned, moreOwned := owned(guests, changed)

	all := []*ispctl.Model{empty, zones, guests, changed, owned, moreOwned}
	for _, m := range all {
		m.Sort()
	}
	return all
}

// Guest is a running VM with one NIC.
func Guest(inst ispctl.Installation, id int64, name, zone, addr string) ispctl.VM {
	return ispctl.VM{
		ID: id, UUID: fmt.Sprintf("00000000-0000-4000-8000-%012x", id), Name: ispctl.Name(name), Zone: ispctl.Name(zone),
		Plan: "small", Template: "micro", Image: Digest, Wanted: ispctl.Running,
		NICs: []ispctl.NIC{{
			Zone: ispctl.Name(zone), MAC: fmt.Sprintf("02:00:00:00:%02x:%02x", id/256, id%256),
			Tap: inst.Tap(id, 0), Addr: netip.MustParseAddr(addr),
		}},
	}
}

// legNIC is a VM's second NIC, on the leg of its zone.
func legNIC(inst ispctl.Installation, id int64, zone, addr string) ispctl.NIC {
	return ispctl.NIC{
		Index: 1, Role: ispctl.AdminNIC, Zone: ispctl.Name(zone), MAC: fmt.Sprintf("02:00:00:01:%02x:%02x", id/256, id%256),
		Tap: inst.Tap(id, 1), Addr: netip.MustParseAddr(addr),
	}
}

func policy(from, to ispctl.End, opening string, log bool) ispctl.Policy {
	o, err := ispctl.ParseOpening(opening)
	if err != nil {
		panic(err) // a literal of this file
	}
	return ispctl.Policy{From: from, To: to, Opening: o, Family: ispctl.IPv4, Log: log}
}

func zone(name, prefix, snat string) ispctl.Zone {
	z := ispctl.Zone{Name: ispctl.Name(name), Prefix: netip.MustParsePrefix(prefix)}
	if snat != "" {
		z.SNAT, z.Egress = netip.MustParseAddr(snat), true
	}
	return z
}

func addresses(all ...string) []ispctl.Address {
	var as []ispctl.Address
	for _, a := range all {
		as = append(as, ispctl.Address{Addr: netip.MustParseAddr(a)})
	}
	return as
}

func listen(s string) ispctl.Listen {
	l, err := ispctl.ParseListen(s)
	if err != nil {
		panic(err) // a literal of this file
	}
	return l
}
