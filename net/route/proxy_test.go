package route_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"ispctl"
	"ispctl/internal/convergetest"
	"ispctl/internal/netns"
	"ispctl/internal/testkit"
	"ispctl/net/route"
)

// outside is a namespace at the other end of the uplink up0, where the
// provider's router is.
func outside(t *testing.T) string {
	t.Helper()
	ns := fmt.Sprintf("isp-route-%d-%d", os.Getpid(), time.Now().UnixNano())
	if err := netns.Create(ns); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := netns.Delete(ns); err != nil {
			t.Error(err)
		}
	})
	testkit.Sh(t, "ip", "link", "add", "up0", "type", "veth", "peer", "name", "up1", "netns", ns)
	testkit.Sh(t, "ip", "-n", ns, "address", "add", "2001:db8::1/64", "dev", "up1", "nodad")
	testkit.Sh(t, "ip", "-n", ns, "link", "set", "up1", "up")
	testkit.Sh(t, "ip", "link", "set", "lo", "up")
	testkit.Sh(t, "sysctl", "-qw", "net.ipv6.conf.up0.accept_dad=0")
	return ns
}

// pass brings routes and sysctls to the model.
func pass(t *testing.T, k *route.Kernel, m *ispctl.Model) {
	t.Helper()
	want, err := route.Desired(m)
	if err != nil {
		t.Fatal(err)
	}
	have, err := k.Observe(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Apply(context.Background(), route.Diff(want, have)); err != nil {
		t.Fatal(err)
	}
}

// TestNeighboursAreAnswered for addresses that are handed out and lie in the
// uplink's own net, and for no other: the router of the provider asks.
func TestNeighboursAreAnswered(t *testing.T) {
	testkit.NetNS(t)
	router := outside(t)
	k := open(t)
	m := convergetest.Models(inst, ispctl.Paths{})[3] // a part of the uplink's net is a zone's
	if _, err := k.SetUp(m.Uplink); err != nil {
		t.Fatal(err)
	}
	pass(t, k, m)
	answered := func(addr string) bool {
		t.Helper()
		_ = exec.Command("ip", "netns", "exec", router, "ping", "-n", "-q", "-c", "1", "-W", "2", addr).Run() // nobody need answer the ping
		return strings.Contains(testkit.Sh(t, "ip", "-n", router, "neighbour", "show", "to", addr), "lladdr")
	}
	for addr, want := range map[string]bool{
		"2001:db8::2":         true,  // the host's own
		"2001:db8::d:0:0:3":   true,  // a guest's
		"2001:db8::12":        true,  // an address that ends here
		"2001:db8::d:0:0:4":   false, // of the same zone, and nobody's
		"2001:db8::d:0:0:1":   false, // the zone's gateway, which is for guests
		"2001:db8::7777:7777": false,
	} {
		if got := answered(addr); got != want {
			t.Errorf("%s: answered is %t", addr, got)
		}
	}
	// It goes with its guest.
	m.VMs, m.Forwards = nil, nil
	pass(t, k, m)
	testkit.Sh(t, "ip", "-n", router, "neighbour", "flush", "dev", "up1")
	if answered("2001:db8::d:0:0:3") {
		t.Error("a guest that is gone is still answered for")
	}
}

// TestRouterIsStillHeard: a host that begins to forward goes on learning its way
// out from the uplink.
func TestRouterIsStillHeard(t *testing.T) {
	testkit.Need(t, testkit.Feature{Name: "dnsmasq", Probe: func() error { return exec.Command("dnsmasq", "--version").Run() }})
	testkit.NetNS(t)
	router := outside(t)
	advertise := exec.Command("ip", "netns", "exec", router, "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--interface=up1",
		"--bind-dynamic", "--enable-ra", "--dhcp-range=2001:db8::,ra-only", "--ra-param=up1,4", "--leasefile-ro", "--pid-file=")
	if err := advertise.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = advertise.Process.Kill()
		_ = advertise.Wait()
	})
	k := open(t)
	m := convergetest.Models(inst, ispctl.Paths{})[1]
	m.Uplink.Gateway6 = ispctl.Uplink{}.Gateway6
	testkit.Sh(t, "ip", "link", "set", "up0", "up")
	learnt := func() bool {
		for until := time.Now().Add(8 * time.Second); time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
			if strings.Contains(testkit.Sh(t, "ip", "-6", "route", "show", "default"), "proto ra") {
				return true
			}
		}
		return false
	}
	if !learnt() {
		t.Fatal("the router advertises nothing")
	}
	pass(t, k, m)
	if got := testkit.Sh(t, "sysctl", "-n", "net.ipv6.conf.all.forwarding"); got != "1\n" {
		t.Errorf("forwarding is %s", got)
	}
	if !strings.Contains(testkit.Sh(t, "ip", "-6", "route", "show", "default"), "proto ra") {
		t.Error("what was learnt is forgotten")
	}
	// It forgets, and asks anew.
	testkit.Sh(t, "ip", "link", "set", "up0", "down")
	testkit.Sh(t, "ip", "link", "set", "up0", "up")
	if !learnt() {
		t.Error("the router is heard no more")
	}
}

// TestSetUp6 has the shape of a rented server: a gateway that is link-local.
func TestSetUp6(t *testing.T) {
	testkit.NetNS(t)
	k := open(t)
	outside(t)
	u := ispctl.Uplink{Interface: "up0", Kind: ispctl.Routed, Address6: convergetest.Models(inst, ispctl.Paths{})[1].Uplink.Address6, Gateway6: ispctl.BridgeLinkLocal("router")}
	for i, want := range []int{3, 0} {
		done, err := k.SetUp(u)
		if err != nil || len(done) != want {
			t.Errorf("pass %d: %v, %v", i, done, err)
		}
	}
	got := testkit.Sh(t, "ip", "-6", "-o", "address", "show", "dev", "up0") + testkit.Sh(t, "ip", "-6", "route", "show", "default")
	for _, want := range []string{"inet6 2001:db8::2/64", "default via " + u.Gateway6.String() + " dev up0"} {
		if !strings.Contains(got, want) {
			t.Errorf("lacks %q:\n%s", want, got)
		}
	}
}
