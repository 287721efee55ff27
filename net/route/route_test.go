package route_test

import (
	"context"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"ispctl"
	"ispctl/internal/convergetest"
	"ispctl/internal/testkit"
	"ispctl/net/route"
)

var inst = ispctl.Installation{Prefix: "isp", Hypervisor: "test:///default"}

func TestLawsOnFake(t *testing.T) {
	convergetest.Laws(t, convergetest.Suite[route.State, route.Change]{
		Models: convergetest.Models(inst, ispctl.Paths{}), Desired: route.Desired, Diff: route.Diff, Target: route.NewFake(),
		Foreign: func() string { return "a fake has no foreign routes" }, Passes: 400,
	})
}

// late are the routes that the kernel makes for a link's own IPv6 addresses, some
// time after it came up.
var late = regexp.MustCompile(`(fe80|ff00):`)

func TestLawsOnKernel(t *testing.T) {
	testkit.NetNS(t)
	// Foreign: the kernel's own local routes, one of somebody else's, and the
	// host's own copy of an address that is ours too.
	testkit.Sh(t, "ip", "link", "add", "up0", "type", "veth", "peer", "name", "up1")
	// What IPv6 makes by itself comes when it likes.
	testkit.Sh(t, "ip", "link", "set", "up0", "addrgenmode", "none")
	testkit.Sh(t, "ip", "link", "set", "up1", "addrgenmode", "none")
	testkit.Sh(t, "ip", "link", "set", "up1", "up") // before up0, or "linkdown" shows late
	testkit.Sh(t, "ip", "link", "set", "up0", "up")
	testkit.Sh(t, "ip", "address", "add", "203.0.113.11/24", "dev", "up0")
	for _, link := range []string{"isp-dmz", "isp-lab", "isp-mail"} {
		testkit.Sh(t, "ip", "link", "add", link, "type", "bridge")
		testkit.Sh(t, "ip", "link", "set", link, "up")
	}
	for _, link := range []string{"isp-0xcb00710c", "isp-0xcb007114", "isp-0xcb007116"} {
		testkit.Sh(t, "ip", "link", "add", link, "link", "up0", "type", "macvlan")
		testkit.Sh(t, "ip", "link", "set", link, "up")
	}
	testkit.Sh(t, "ip", "rule", "add", "from", "198.51.100.8", "lookup", "main", "priority", "7300")
	testkit.Sh(t, "ip", "route", "add", "local", "198.51.100.7", "dev", "lo", "proto", "static", "table", "local")
	convergetest.Laws(t, convergetest.Suite[route.State, route.Change]{
		Models: convergetest.Models(inst, ispctl.Paths{}), Desired: route.Desired, Diff: route.Diff, Target: open(t),
		Foreign: func() string {
			var foreign []string
			for line := range strings.Lines(testkit.Sh(t, "ip", "-N", "route", "show", "table", "all") + testkit.Sh(t, "ip", "-N", "rule", "show")) {
				if !strings.Contains(line, "proto 73") && !late.MatchString(line) {
					foreign = append(foreign, line)
				}
			}
			return strings.Join(foreign, "")
		},
	})
}

// TestPacketsEndHere asks the kernel where a packet for an external address
// goes: to itself, not back to the provider.
func TestPacketsEndHere(t *testing.T) {
	testkit.NetNS(t)
	k := open(t)
	uplink(t, k)
	want, err := route.Desired(convergetest.Models(inst, ispctl.Paths{})[1])
	if err != nil {
		t.Fatal(err)
	}
	before := testkit.Sh(t, "ip", "route", "get", "203.0.113.10")
	have, err := k.Observe(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Apply(context.Background(), route.Diff(want, have)); err != nil {
		t.Fatal(err)
	}
	after := testkit.Sh(t, "ip", "route", "get", "203.0.113.10")
	if strings.HasPrefix(before, "local") || !strings.HasPrefix(after, "local 203.0.113.10 dev lo") {
		t.Errorf("before: %safter: %s", before, after)
	}
}

// TestStaysInItsNamespace works from a thread that is in another one: a pass
// asks all layers at once.
func TestStaysInItsNamespace(t *testing.T) {
	testkit.NetNS(t)
	k := open(t)
	for _, value := range []string{"1", "0"} {
		seen := make(chan string, 1)
		go func() {
			if err := k.Apply(context.Background(), []route.Change{{Sysctl: "net.ipv4.ip_forward", Value: value}}); err != nil {
				t.Error(err)
			}
			s, err := k.Observe(context.Background())
			if err != nil {
				t.Error(err)
			}
			seen <- s.Sysctls["net.ipv4.ip_forward"]
		}()
		if got := <-seen; got != value {
			t.Errorf("sees %q, want %q", got, value)
		}
		if got := testkit.Sh(t, "sysctl", "-n", "net.ipv4.ip_forward"); got != value+"\n" {
			t.Errorf("ip_forward is %q where the layer was opened, want %q", got, value)
		}
	}
}

func TestSetUpIsDoneOnce(t *testing.T) {
	testkit.NetNS(t)
	k := open(t)
	uplink(t, k)
	got := testkit.Sh(t, "ip", "-4", "-o", "address", "show", "dev", "up0") + testkit.Sh(t, "ip", "route", "show", "default")
	for _, want := range []string{"inet 192.0.2.7/32", "default via 203.0.113.1 dev up0", "onlink"} {
		if !strings.Contains(got, want) {
			t.Errorf("lacks %q:\n%s", want, got)
		}
	}
	again, err := k.SetUp(declared)
	if err != nil || len(again) != 0 {
		t.Errorf("second time: %v, %v", again, err)
	}
	missing := declared
	missing.Interface = "nope0"
	if _, err := k.SetUp(missing); ispctl.KindOf(err) != ispctl.NotFound {
		t.Errorf("missing uplink: %v", err)
	}
}

// declared has the shape of a rented server: a /32 and a gateway outside it.
var declared = ispctl.Uplink{
	Interface: "up0", Kind: ispctl.Routed,
	Address: netip.MustParsePrefix("192.0.2.7/32"), Gateway: netip.MustParseAddr("203.0.113.1"),
}

func uplink(t *testing.T, k *route.Kernel) {
	t.Helper()
	testkit.Sh(t, "ip", "link", "add", "up0", "type", "veth", "peer", "name", "up1")
	testkit.Sh(t, "ip", "link", "set", "up1", "up")
	done, err := k.SetUp(declared)
	if err != nil || len(done) != 3 {
		t.Fatalf("set up: %v, %v", done, err)
	}
}

func open(t *testing.T) *route.Kernel {
	t.Helper()
	k, err := route.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k
}
