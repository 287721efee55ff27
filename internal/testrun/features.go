package main

import (
	"path"
	"regexp"
	"slices"
	"strings"
)

// feature is something the README promises, and the tests that hold it.
type feature struct {
	name   string
	readme string // words of the README's row on it; empty: what stands behind all rows
	tests  []tests
}

// tests are those of a package whose names match; an empty pattern is all of
// them.
type tests struct{ pkg, pattern string }

// features are in the order of the README. A test belongs to the first one that
// takes it, so that none is counted twice.
var features = []feature{
	{"VLAN trunks", "VLAN trunks", []tests{{"net/bridge", "VLAN|Trunk|WhatBridgeSees"}, {"net/firewall", "VLAN|Tags"}}},
	{"guests on Xen", "Xen guests", []tests{{"integration/xen", ""}, {"net/bridge", "Vifs"}, {"vm", "Xen"}}},
	{"a host with systemd and AppArmor", "under a user of its own", []tests{{"integration/systemd", ""}, {"vm/libvirtd", "Confined"}, {"integration", "Units"}}},
	{"zones: bridges, ports, isolation", "zones as bridges", []tests{{"net/bridge", ""}}},
	{"policies between zones", "policies between zones", []tests{
		{"zones", ""}, {"internal/rehearse", ""}, {"internal/probe", ""}, {"net/track", ""}, {"integration", "Polic|ZoneCheck|OpenConnections"},
	}},
	{"admin network, a leg per zone", "admin network", []tests{{"integration", "Legs?"}, {"operations", "Admin|Leg"}}},
	{"guests held to their MAC and addresses", "held to their own MAC", []tests{{"net/firewall", ""}, {"integration", "Unwalled|Reapply"}}},
	{"what guests reach of the host", "reach of the host", []tests{{"integration", "EveryPort|HostSources"}}},
	{"DHCP, router advertisements, DNS", "DHCP", []tests{{"net/dhcp", ""}}},
	{"NAT, forwards, external addresses", "source NAT", []tests{{"net/nat", ""}, {"net/wire", ""}, {"integration", "ExternalAddresses|IPv6"}}},
	{"kinds of uplinks", "uplink kinds", []tests{{"net/route", ""}, {"integration", "OwnMAC|UplinksBridge"}}},
	{"floods, doctor, serve", "SYN guard", []tests{
		{"internal/doctor", ""}, {"internal/drift", ""}, {"internal/resident", ""}, {"integration", "Flood|Doctor|Serve|PutBack|Fight"},
	}},
	{"commit-confirm", "commit-confirm", []tests{{"internal/guard", ""}, {"integration", "Confirm|Unconfirmed|TakesBack|StuckCommand|OwnConnection"}}},
	{"guests through libvirt", "through libvirt", []tests{{"vm", ""}, {"vm/libvirtd", ""}, {"integration", "Provider|ManyGuests|Template"}}},
	{"login before cloud-init, host keys", "before cloud-init", []tests{{"templates", ""}, {"integration", "Debian"}}},
	{"images", "pulled and imported", []tests{{"images", ""}, {"images/fetch", ""}, {"images/foreign", ""}, {"images/jail", ""}, {"integration", "Images"}}},
	{"life of a VM, disks and snapshots", "life of a VM", []tests{{"integration", "Life|Disks"}}},
	{"bandwidth", "bandwidth per VM", []tests{{"qos", ""}}},
	{"CPU time, disk rates", "CPU ceiling", []tests{{"vm/cgroup", ""}, {"integration", "Held|Limits"}}},
	{"memory", "memory taken", []tests{{"vm/balloon", ""}, {"vm/ksm", ""}, {"integration", "Balloon|Memory"}}},
	{"metering, quotas, reports", "metering", []tests{{"meter", ""}, {"meter/report", ""}, {"net/count", ""}, {"internal/prom", ""}, {"integration", "EveryByte|Usage"}}},
	{"flows", "flows by zone", []tests{{"net/flows", ""}, {"integration", "Flows"}}},
	{"kill -9 at any moment", "kill -9", []tests{{"integration", "Kill"}}},
	{"whole-host document", "whole-host document", []tests{{"operations/document", ""}}},
	{"journal chained by hashes", "journal chained", []tests{{"state", "Chain|Verify|Journal|Rewind"}}},
	{"admin VPN", "admin VPN", []tests{{"vpn", ""}, {"vpn/conf", ""}, {"vpn/keys", ""}, {"integration", "VPN"}}},
	{"tenants' peers and access", "tenants' peers", []tests{{"internal/gateway", ""}, {"handover", ""}, {"integration", "Tenant|Gateway|Handoff"}}},
	{"domain, state, commands", "", []tests{
		{".", ""},
		{"converge", ""},
		{"state", ""},
		{"operations", ""},
		{"internal/cli", ""},
		{"internal/convergetest", ""},
		{"internal/docgen", ""},
		{"internal", ""},
		{"integration", ""},
		{"bench", ""},
		{"cmd", ""},
	}},
	{"what the kernel can do", "", []tests{{"internal/testkit", ""}}},
	{"the lab and these tools", "", []tests{{"integration/lab", ""}, {"internal/testrun", ""}}},
}

// featureOf finds the row that a test belongs to, by its package's path from
// the module's root, or returns -1. A package that no row takes whole belongs to
// what is above it, so that a new one is somewhere.
func featureOf(pkg, name string) int {
	for ; ; pkg = path.Dir(pkg) {
		i := slices.IndexFunc(features, func(f feature) bool {
			return slices.ContainsFunc(f.tests, func(t tests) bool { return t.pkg == pkg && t.takes(name) })
		})
		if i >= 0 || pkg == "." {
			return i
		}
	}
}

func (t tests) takes(name string) bool {
	return t.pattern == "" || regexp.MustCompile(t.pattern).MatchString(strings.TrimPrefix(name, "Test"))
}
