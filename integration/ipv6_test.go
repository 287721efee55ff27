package integration

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"ispctl"
	"ispctl/internal/testkit"
	"ispctl/operations"
)

// IPv6 addresses of the world; all of them are for documentation (RFC 3849).
// The provider routes what is delegated to the host.
const (
	gateway6  = "2001:db8:ffff::1"
	host6     = "2001:db8:ffff::2"
	delegated = "2001:db8::/40"
)

// six gives the world IPv6. Nothing waits until it is seen that addresses are
// nobody else's.
func (w *world) six() { w.sixWith("test:///default") }

func (w *world) sixWith(hypervisor string) {
	w.t.Helper()
	for _, ns := range []string{w.provider, w.internet} {
		w.in(ns, "sysctl", "-qw", "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0")
	}
	w.in(w.provider, "sysctl", "-qw", "net.ipv6.conf.eth0.accept_dad=0")
	w.in(w.internet, "ip", "address", "add", gateway6+"/64", "dev", "inet0", "nodad")
	w.in(w.internet, "ip", "route", "add", delegated, "via", host6)
	w.ok("init", "--netns", w.provider, "--hypervisor", hypervisor, "--uplink", "eth0", "--address", host+"/24", "--gateway", gateway,
		"--address6", host6+"/64", "--gateway6", gateway6)
}

// ends are the Internet, the host and guests by their zones, each of which
// answers on every port: by IPv4 and by IPv6, and guests on their legs.
func (w *world) ends(t testing.TB, guests ...string) (four, six map[string][]end, legs []end) {
	t.Helper()
	four = map[string][]end{"internet": {{"internet", w.internet, gateway, host}}, "host": {{"host", w.provider, host, ""}}}
	six = map[string][]end{"internet": {{"internet", w.internet, gateway6, host6}}, "host": {{"host", w.provider, host6, ""}}}
	var zones []operations.ZoneView
	w.show(&zones, "zone", "list")
	for _, name := range guests {
		vm := w.vm(name)
		for _, z := range zones {
			if z.Name != vm.Zone {
				continue
			}
			g := w.wire(t, vm, z.Gateway)
			g.addSix(t, vm.Addresses[1], z.Gateway6)
			w.wireLeg(t, g)
			legs = append(legs, end{name + "'s leg", g.ns, vm.AdminAddress, ""})
			four[string(z.Name)] = append(four[string(z.Name)], end{name, g.ns, vm.Addresses[0], z.Gateway})
			six[string(z.Name)] = append(six[string(z.Name)], end{name, g.ns, vm.Addresses[1], z.Gateway6})
		}
	}
	for _, family := range []map[string][]end{four, six} {
		for _, all := range family {
			for _, e := range all {
				e.serve(t)
			}
		}
	}
	return four, six, legs
}

// addSix gives a guest an IPv6 address beside its other one.
func (g wiredGuest) addSix(t testing.TB, addr, gateway string) {
	t.Helper()
	testkit.Sh(t, "ip", "-n", g.ns, "address", "add", addr+"/64", "dev", "eth0", "nodad")
	testkit.Sh(t, "ip", "-n", g.ns, "route", "add", "default", "via", gateway)
}

// tries are packets to be sent, and what is to become of them.
type tries struct{ all []try }

type try struct {
	from, to end
	service  string
	want     bool
	cell     operations.CellView
}

func (s *tries) add(from, to end, service string, want bool, c operations.CellView) {
	s.all = append(s.all, try{from, to, service, want, c})
}

// run sends them all, several at a time: most are waited for in vain. It
// returns how many there were.
func (s *tries) run(t testing.TB) map[ispctl.Family]int {
	t.Helper()
	var mu sync.Mutex
	var all sync.WaitGroup
	tried := map[ispctl.Family]int{}
	slots := make(chan struct{}, 8)
	for _, one := range s.all {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			got := one.from.reaches(t, one.to, one.service)
			mu.Lock()
			defer mu.Unlock()
			tried[one.cell.Family]++
			if got != one.want {
				t.Errorf("%s -> %s (%s) %s: reached is %t, the matrix says %t (%v)", one.from.name, one.to.name, one.to.addr, one.service, got, one.want, one.cell.Services)
			}
		})
	}
	all.Wait()
	return tried
}

// forward6 opens a port of a guest, and of no other.
func (w *world) forward6(t *testing.T, ends map[string][]end) {
	web1, web2, mail1 := ends["dmz"][0], ends["dmz"][1], ends["mail"][0]
	outside := ends["internet"][0]
	w.ok("forward", "add", fmt.Sprintf("[%s]:22/tcp", web1.addr), "web1:22")
	for _, c := range []struct {
		from, to end
		service  string
		want     bool
	}{
		{outside, web1, "tcp/22", true},
		{outside, web1, "udp/22", false},
		{outside, web1, "tcp/80", false},
		{outside, web2, "tcp/22", false},
		{mail1, web1, "tcp/22", false}, // a zone that may not go out
	} {
		if got := c.from.reaches(t, c.to, c.service); got != c.want {
			t.Errorf("%s -> %s %s: reached is %t", c.from.name, c.to.name, c.service, got)
		}
	}
	w.fails(5, "IPv6 is not translated", "forward", "add", fmt.Sprintf("[%s]:2222/tcp", web1.addr), "web1:22")
	w.fails(5, "IPv6 is not translated", "forward", "add", fmt.Sprintf("[%s]:80/tcp", web2.addr), "web1:80")
	w.ok("forward", "remove", fmt.Sprintf("[%s]:22/tcp", web1.addr))
	if outside.reaches(t, web1, "tcp/22") {
		t.Error("a forward that was removed is still open")
	}
}

// bogons6 sends what must not cross the uplink, in either direction.
func (w *world) bogons6(t *testing.T, ends map[string][]end) {
	web1 := ends["dmz"][0]
	before := w.counted("no such IPv6 place on the Internet")
	if web1.reaches(t, end{addr: "fd12:3456::7"}, "tcp/80") || web1.reaches(t, end{addr: "fec0::9"}, "icmp") {
		t.Error("somebody answered for an address that is nobody's")
	}
	if after := w.counted("no such IPv6 place on the Internet"); after <= before {
		t.Errorf("%d packets to bogons dropped before, %d after", before, after)
	}
	// The Internet as a bogon, and as one of our own guests.
	for source, why := range map[string]string{
		"fd12:3456::7": "no such IPv6 source on the Internet", "2001:db8:20::77": "from outside as one of our guests",
	} {
		w.in(w.internet, "ip", "address", "add", source+"/128", "dev", "inet0", "nodad")
		before := w.counted(why)
		ping := []string{"ping", "-n", "-q", "-c", "1", "-W", "0.25", "-I", source, web1.addr}
		if out := w.in(w.internet, "sh", "-c", strings.Join(ping, " ")+" || true"); !strings.Contains(out, "100% packet loss") {
			t.Errorf("%s is answered:\n%s", source, out)
		}
		if after := w.counted(why); after <= before {
			t.Errorf("%s: %d dropped before, %d after", why, before, after)
		}
		w.in(w.internet, "ip", "address", "delete", source+"/128", "dev", "inet0")
	}
}

// TestGuestWithIPv6 starts a real guest and lets it reach the Internet by IPv6,
// and the Internet it.
func TestGuestWithIPv6(t *testing.T) {
	w := newWorld(t, "embed")
	w.sixWith("embed")
	w.ok("image", "build", "micro")
	key := w.write("key.pub.copy", w.publicKey()+"\n")
	w.ok("address", "add", external)
	w.ok("zone", "create", "dmz", "--prefix", "10.10.0.0/24", "--prefix6", "2001:db8:10::/64", "--snat", external, "--dhcp", "--dns")
	w.ok("plan", "create", "tiny", "--cpus", "1", "--memory", "128MiB", "--disk", "256MiB")
	w.ok("vm", "create", "web1", "--template", "micro", "--zone", "dmz", "--plan", "tiny", "--address6", "2001:db8:10::80", "--ssh-key", key, "--wait")
	if vm := w.vm("web1"); !slices.Contains(vm.Addresses, "2001:db8:10::80") {
		t.Errorf("its addresses are %v", vm.Addresses)
	}
	w.fails(5, `is vm "web1"'s in zone "dmz"`, "vm", "create", "web2", "--template", "micro", "--zone", "dmz", "--plan", "tiny", "--address6", "2001:db8:10::80")
	if dials(w.internet, "[2001:db8:10::80]:22") {
		t.Error("the Internet reaches a port that nobody opened")
	}
	w.ok("forward", "add", "[2001:db8:10::80]:22/tcp", "web1:22")
	in := func(command string) (string, error) { return w.ssh(w.internet, "2001:db8:10::80", "22", command) }
	out, err := in("hostname; ip -6 -o addr show dev eth0; ip -6 route; cat /etc/resolv.conf")
	if err != nil {
		t.Fatalf("log in by IPv6: %v: %s", err, out)
	}
	for _, want := range []string{"web1", "inet6 2001:db8:10::80/64", "default via 2001:db8:10::1", "nameserver 2001:db8:10::1"} {
		if !strings.Contains(out, want) {
			t.Errorf("the guest lacks %q:\n%s", want, out)
		}
	}
	for _, other := range []string{"dadfailed", "tentative", "dynamic"} {
		if strings.Contains(out, other) {
			t.Errorf("the guest has an address that is %s:\n%s", other, out)
		}
	}
	for what, command := range map[string]string{
		"ping to the Internet":       "ping -6 -c 1 -W 3 " + gateway6,
		"its own name over IPv6":     "nslookup -type=AAAA web1.dmz.internal 2001:db8:10::1 | grep 2001:db8:10::80",
		"ping to the Internet, IPv4": "ping -c 1 -W 3 " + gateway,
	} {
		if out, err := in(command); err != nil {
			t.Errorf("%s: %v: %s", what, err, out)
		}
	}
	if out, err := in("ping -6 -c 1 -W 1 2001:db8:10::1"); err == nil {
		t.Errorf("the guest pings the host: %s", out)
	}
	if out := w.ok("converge"); strings.TrimSpace(out) != "no changes" {
		t.Errorf("not at rest: %s", out)
	}
	w.ok("apply", "-f", w.write("exported.yaml", w.ok("export")))
}
