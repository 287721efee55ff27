package bridge_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"

	"ispctl"
	"ispctl/internal/convergetest"
	"ispctl/internal/testkit"
	"ispctl/net/bridge"
)

var inst = ispctl.Installation{Prefix: "isp", Hypervisor: "test:///default"}

func models() []*ispctl.Model { return convergetest.Models(inst, ispctl.Paths{}) }

func TestLawsOnFake(t *testing.T) {
	fake := bridge.NewFake()
	convergetest.Laws(t, convergetest.Suite[bridge.State, bridge.Change]{
		Models: models(), Desired: bridge.Desired, Diff: bridge.Diff, Target: fake, Foreign: fake.DrawForeign, Passes: 400,
	})
}

func trunkModels() []*ispctl.Model { return convergetest.TrunkModels(inst, ispctl.Paths{}) }

func TestTrunkLawsOnFake(t *testing.T) {
	fake := bridge.NewFake()
	convergetest.Laws(t, convergetest.Suite[bridge.State, bridge.Change]{
		Models: trunkModels(), Desired: bridge.Desired, Diff: bridge.Diff, Target: fake, Foreign: fake.DrawForeign, Passes: 400,
	})
}

// TestTrunkLawsOnKernel has a VLAN of the operator's own beside ours.
func TestTrunkLawsOnKernel(t *testing.T) {
	testkit.Need(t, testkit.VLAN, testkit.VLANFiltering)
	testkit.NetNS(t)
	trunk(t)
	testkit.Sh(t, "ip", "link", "add", "link", "eth0", "name", "eth0.99", "type", "vlan", "id", "99")
	convergetest.Laws(t, convergetest.Suite[bridge.State, bridge.Change]{
		Models: trunkModels(), Desired: bridge.Desired, Diff: bridge.Diff, Target: open(t),
		Foreign: func() string { return testkit.Sh(t, "ip", "-d", "-o", "link", "show", "dev", "eth0.99") },
	})
}

// trunk makes the interface to a switch, and the switch's end of the cable.
func trunk(t *testing.T) {
	testkit.Sh(t, "ip", "link", "add", "eth0", "type", "veth", "peer", "name", "switch")
	testkit.Sh(t, "ip", "link", "set", "eth0", "up")
	testkit.Sh(t, "ip", "link", "set", "switch", "up")
}

// TestWhatBridgeSees holds VLANs against bridge(8).
func TestWhatBridgeSees(t *testing.T) {
	testkit.Need(t, testkit.VLAN, testkit.VLANFiltering)
	testkit.NetNS(t)
	trunk(t)
	k := open(t)
	converge(t, k, trunkModels()[2])
	got := strings.Join(strings.Fields(testkit.Sh(t, "bridge", "vlan", "show")), " ")
	for _, want := range []string{
		"isp-dmz 4094 PVID Egress Untagged", "isp-1-0 30 40 4094 PVID Egress Untagged",
		"eth0.30 30 PVID Egress Untagged", "eth0.40 40 PVID Egress Untagged",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("lacks %q:\n%s", want, got)
		}
	}
	link := testkit.Sh(t, "ip", "-d", "-o", "link", "show", "dev", "isp-dmz")
	for _, want := range []string{"vlan_filtering 1", "vlan_default_pvid 0"} {
		if !strings.Contains(link, want) {
			t.Errorf("lacks %q:\n%s", want, link)
		}
	}
	for name, harm := range map[string][]string{
		"VLAN 1 on a tap":       {"bridge", "vlan", "add", "dev", "isp-1-0", "vid", "1"},
		"a tag gone":            {"bridge", "vlan", "del", "dev", "isp-1-0", "vid", "30"},
		"untagged gone":         {"bridge", "vlan", "del", "dev", "isp-dmz", "vid", "4094", "self"},
		"port of another VLAN":  {"bridge", "vlan", "add", "dev", "eth0.30", "vid", "4094"},
		"no VLANs apart":        {"ip", "link", "set", "isp-dmz", "type", "bridge", "vlan_filtering", "0"},
		"default VLAN":          {"ip", "link", "set", "isp-dmz", "type", "bridge", "vlan_default_pvid", "1"},
		"port deleted":          {"ip", "link", "delete", "eth0.30"},
		"port of another trunk": {"sh", "-c", "ip link del eth0.30 && ip link add link switch name eth0.30 group " + groupText() + " type vlan id 30"},
		"port with another tag": {"sh", "-c", "ip link del eth0.30 && ip link add link eth0 name eth0.30 group " + groupText() + " type vlan id 31"},
	} {
		testkit.Sh(t, harm...)
		if n := converge(t, k, trunkModels()[2]); n == 0 {
			t.Errorf("%s: the harm was not seen", name)
		}
		if n := converge(t, k, trunkModels()[2]); n != 0 {
			t.Errorf("%s: %d changes after it was mended", name, n)
		}
	}
}

// TestTrunkThatWillNotDo is refused in words that say what to do. What the
// kernel lacks is said too.
func TestTrunkThatWillNotDo(t *testing.T) {
	testkit.NetNS(t)
	testkit.Sh(t, "ip", "link", "add", "eth0", "type", "veth", "peer", "name", "switch")
	check := func(trunk string, mtu int, aware bool, want ...string) {
		t.Helper()
		err := bridge.CheckTrunk(trunk, mtu, aware)
		for _, text := range want {
			if err == nil || !strings.Contains(err.Error(), text) {
				t.Errorf("%s, MTU %d: want an error with %q, have: %v", trunk, mtu, text, err)
			}
		}
		if len(want) == 0 && err != nil {
			t.Error(err)
		}
	}
	check("eth7", 1500, false, `trunk "eth7"`, "no such interface")
	check("eth0", 1500, false, "is down", "ip link set dev eth0 up")
	testkit.Sh(t, "ip", "link", "set", "eth0", "up")
	check("eth0", 1501, false, "its MTU is 1500, and the zone's 1501", "--mtu 1500")
	if testkit.VLAN.Probe() == nil {
		check("eth0", 1500, false)
	} else {
		check("eth0", 1500, false, "modprobe 8021q")
	}
	if testkit.VLANFiltering.Probe() == nil && testkit.VLAN.Probe() == nil {
		check("eth0", 1500, true)
	} else if testkit.VLANFiltering.Probe() != nil {
		check("eth0", 1500, true, "CONFIG_BRIDGE_VLAN_FILTERING")
	}
}

func TestLawsOnKernel(t *testing.T) {
	testkit.NetNS(t)
	// A bridge and a tap that look like ours in everything but the mark.
	testkit.Sh(t, "ip", "link", "add", "isp-other", "type", "bridge")
	testkit.Sh(t, "ip", "address", "add", "192.0.2.1/24", "dev", "isp-other")
	testkit.Sh(t, "ip", "tuntap", "add", "dev", "isp-9-9", "mode", "tap")
	testkit.Sh(t, "ip", "link", "set", "isp-9-9", "master", "isp-other")
	testkit.Sh(t, "ip", "link", "add", "up0", "type", "veth", "peer", "name", "up1")
	testkit.Sh(t, "ip", "link", "set", "up1", "up")
	testkit.Sh(t, "ip", "link", "set", "up0", "up")
	convergetest.Laws(t, convergetest.Suite[bridge.State, bridge.Change]{
		Models: models(), Desired: bridge.Desired, Diff: bridge.Diff, Target: open(t),
		Foreign: func() string {
			return testkit.Sh(t, "ip", "-o", "address", "show", "dev", "isp-other") +
				testkit.Sh(t, "ip", "-d", "-o", "link", "show", "dev", "isp-9-9") +
				testkit.Sh(t, "ip", "-o", "link", "show", "dev", "up1") +
				testkit.Sh(t, "ip", "-o", "address", "show", "dev", "lo")
		},
	})
}

func open(t *testing.T) *bridge.Kernel {
	t.Helper()
	k, err := bridge.Open(inst.LinkGroup())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k
}

// TestWhatIPSees holds a pass against ip(8), which knows nothing of our types.
func TestWhatIPSees(t *testing.T) {
	testkit.NetNS(t)
	k := open(t)
	converge(t, k, models()[2])
	got := testkit.Sh(t, "ip", "-o", "address", "show", "dev", "isp-dmz")
	if !strings.Contains(got, "inet 10.10.0.1/24") {
		t.Errorf("the gateway's address is missing:\n%s", got)
	}
	for _, want := range []string{"inet6 2001:db8:10::1/64", "inet6 fe80::ea:fff:feba:f405/64"} {
		if !strings.Contains(got, want) {
			t.Errorf("lacks %s:\n%s", want, got)
		}
	}
	if strings.Count(got, "inet6") != 2 || strings.Contains(got, "tentative") {
		t.Errorf("other IPv6 addresses than the gateway's two, or not there at once:\n%s", got)
	}
	// Taps have no carrier here, and a route by a bridge without is none.
	testkit.Sh(t, "ip", "link", "add", "port", "type", "veth", "peer", "name", "plug")
	testkit.Sh(t, "ip", "link", "set", "port", "master", "isp-dmz", "up")
	testkit.Sh(t, "ip", "link", "set", "plug", "up")
	if got := testkit.Sh(t, "ip", "-6", "route", "show", "dev", "isp-dmz"); !strings.Contains(got, "2001:db8:10::/64") || !strings.Contains(got, "fe80::/64") {
		t.Errorf("no route to the zone:\n%s", got)
	}
	for _, silent := range []string{"isp-mail", "isp-1-0"} {
		if got := testkit.Sh(t, "ip", "-6", "-o", "address", "show", "dev", silent); got != "" {
			t.Errorf("%s speaks IPv6:\n%s", silent, got)
		}
	}
	got = testkit.Sh(t, "ip", "-d", "-o", "link", "show", "dev", "isp-1-0")
	for _, want := range []string{"master isp-dmz", "tun type tap", "vnet_hdr on", "persist on", `alias vm web1 nic 0`, ",UP"} {
		if !strings.Contains(got, want) {
			t.Errorf("tap lacks %q:\n%s", want, got)
		}
	}
}

// TestByHand breaks what a pass made, as an operator might, and lets the next
// pass mend it.
func TestByHand(t *testing.T) {
	for name, harm := range map[string][]string{
		"bridge deleted":    {"ip", "link", "delete", "isp-dmz"},
		"bridge down":       {"ip", "link", "set", "isp-dmz", "down"},
		"address gone":      {"ip", "address", "flush", "dev", "isp-dmz"},
		"address added":     {"ip", "address", "add", "10.99.0.1/24", "dev", "isp-dmz"},
		"tap moved":         {"ip", "link", "set", "isp-1-0", "master", "isp-mail"},
		"LLDP past us":      {"ip", "link", "set", "isp-dmz", "type", "bridge", "group_fwd_mask", "0"},
		"tap let go":        {"ip", "link", "set", "isp-1-0", "nomaster"},
		"arp_ignore":        {"sysctl", "-qw", "net.ipv4.conf.isp-dmz.arp_ignore=0"},
		"rp_filter":         {"sysctl", "-qw", "net.ipv4.conf.isp-dmz.rp_filter=2"},
		"redirects taken":   {"sysctl", "-qw", "net.ipv4.conf.isp-dmz.accept_redirects=1"},
		"redirects sent":    {"sysctl", "-qw", "net.ipv4.conf.isp-dmz.send_redirects=1"},
		"source routes":     {"sysctl", "-qw", "net.ipv4.conf.isp-dmz.accept_source_route=1"},
		"IPv6 on a bridge":  {"sysctl", "-qw", "net.ipv6.conf.isp-mail.disable_ipv6=0"},
		"IPv6 off":          {"sysctl", "-qw", "net.ipv6.conf.isp-dmz.disable_ipv6=1"},
		"gateway 6 gone":    {"ip", "address", "delete", "2001:db8:10::1/64", "dev", "isp-dmz"},
		"link-local gone":   {"ip", "-6", "address", "flush", "dev", "isp-dmz", "scope", "link"},
		"IPv6 added":        {"ip", "address", "add", "2001:db8:99::1/64", "dev", "isp-dmz"},
		"link-local added":  {"ip", "address", "add", "fe80::1/64", "dev", "isp-dmz"},
		"routers believed":  {"sysctl", "-qw", "net.ipv6.conf.isp-dmz.accept_ra=2"},
		"IPv6 redirects":    {"sysctl", "-qw", "net.ipv6.conf.isp-dmz.accept_redirects=1"},
		"DAD":               {"sysctl", "-qw", "net.ipv6.conf.isp-dmz.accept_dad=1"},
		"no forwarding":     {"sysctl", "-qw", "net.ipv6.conf.isp-dmz.forwarding=0"},
		"IPv6 on a tap":     {"sysctl", "-qw", "net.ipv6.conf.isp-1-0.disable_ipv6=0"},
		"bridge's MAC":      {"ip", "link", "set", "isp-dmz", "address", "02:00:00:00:00:99"},
		"tap of wrong kind": {"sh", "-c", "ip link del isp-1-0 && ip link add isp-1-0 group " + groupText() + " type bridge"},
	} {
		t.Run(name, func(t *testing.T) {
			testkit.NetNS(t)
			k := open(t)
			converge(t, k, models()[2])
			testkit.Sh(t, harm...)
			if n := converge(t, k, models()[2]); n == 0 {
				t.Error("the harm was not seen")
			}
			if n := converge(t, k, models()[2]); n != 0 {
				t.Errorf("%d changes after it was mended", n)
			}
		})
	}
}

// TestObservesItsOwnNamespace looks from a thread that is in another one.
func TestObservesItsOwnNamespace(t *testing.T) {
	testkit.NetNS(t)
	k := open(t)
	converge(t, k, models()[2])
	seen := make(chan bridge.State, 1)
	go func() {
		s, err := k.Observe(context.Background())
		if err != nil {
			t.Error(err)
		}
		seen <- s
	}()
	want, _ := bridge.Desired(models()[2])
	if changes := bridge.Diff(want, <-seen); len(changes) > 0 {
		t.Errorf("from elsewhere it looks as if there were %d changes to make, the first %s", len(changes), changes[0])
	}
}

func TestForeignLinkOfOurName(t *testing.T) {
	testkit.NetNS(t)
	testkit.Sh(t, "ip", "link", "add", "isp-dmz", "type", "bridge")
	k := open(t)
	want, _ := bridge.Desired(models()[1])
	have, err := k.Observe(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	err = k.Apply(context.Background(), bridge.Diff(want, have))
	if err == nil || !strings.Contains(err.Error(), "isp-dmz is not ours") {
		t.Errorf("want an error that names the foreign link, have: %v", err)
	}
	if got := testkit.Sh(t, "ip", "-o", "address", "show", "dev", "isp-dmz"); strings.Contains(got, "10.10") {
		t.Errorf("the foreign bridge was changed:\n%s", got)
	}
}

func TestFakeFails(t *testing.T) {
	fake := bridge.NewFake()
	fake.FailAfter = 2
	want, _ := bridge.Desired(models()[1])
	if err := fake.Apply(context.Background(), bridge.Diff(want, bridge.State{})); !errors.Is(err, bridge.ErrInjected) {
		t.Errorf("want the injected fault, have %v", err)
	}
}

func TestChangesAsText(t *testing.T) {
	var b strings.Builder
	have := bridge.State{}
	for _, m := range append(models(), trunkModels()...) {
		want, err := bridge.Desired(m)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range bridge.Diff(want, have) {
			b.WriteString(c.String() + "\n")
		}
		b.WriteString("\n")
		have = want
	}
	testkit.Golden(t, "changes.txt", b.String())
}

func converge(t *testing.T, k *bridge.Kernel, m *ispctl.Model) int {
	t.Helper()
	want, err := bridge.Desired(m)
	if err != nil {
		t.Fatal(err)
	}
	have, err := k.Observe(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	changes := bridge.Diff(want, have)
	if err := k.Apply(context.Background(), changes); err != nil {
		t.Fatal(err)
	}
	return len(changes)
}

func groupText() string { return strconv.FormatUint(uint64(inst.LinkGroup()), 10) }
