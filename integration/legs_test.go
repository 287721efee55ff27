package integration

import (
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ispctl"
	"ispctl/internal/netns"
	"ispctl/internal/testkit"
	"ispctl/operations"
)

const legWalls = `version: 1
admin: {prefix: 10.255.0.0/16, links: [adm0], services: [80/udp]}
addresses: [203.0.113.10]
zones:
  - {name: dmz, prefix: 10.10.0.0/24, snat: 203.0.113.10}
  - {name: mail, prefix: 10.20.0.0/24}
plans:
  - {name: tiny, cpus: 1, memory: 128MiB, disk: 256MiB}
vms:
  - {name: web1, template: micro, zone: dmz, plan: tiny}
  - {name: web2, template: micro, zone: dmz, plan: tiny}
  - {name: mail1, template: micro, zone: mail, plan: tiny}
forwards:
  - {listen: "203.0.113.10:25", to: "web2:25"}
policies:
  - {from: dmz, to: host, services: [udp/53]}
  - {from: dmz, to: mail, services: [any]}
`

// Addresses of an operator's network, behind adm0.
const (
	operator      = "198.51.100.2"
	operatorHost  = "198.51.100.1"
	operator6     = "2001:db8:77::2"
	operatorHost6 = "2001:db8:77::1"
)

// legWorld is a provider with three guests on two legs, all of them wired, and
// an operator in a namespace behind adm0.
func legWorld(t *testing.T) (w *world, operators end, guests map[string]wiredGuest) {
	t.Helper()
	w = newWorld(t, "test:///default")
	w.ok("image", "build", "micro")
	operators, _ = w.operator(t)
	w.ok("apply", "-f", w.write("legs.yaml", legWalls))
	guests = map[string]wiredGuest{}
	for _, name := range []string{"web1", "web2", "mail1"} {
		vm := w.vm(name)
		g := w.wire(t, vm, first(vm.Addresses[0]))
		w.wireLeg(t, g)
		guests[name] = g
		end{name, g.ns, "", ""}.serve(t)
	}
	return w, operators, guests
}

// operator is an operator in a namespace behind adm0, by IPv4 and by IPv6.
func (w *world) operator(t testing.TB) (four, six end) {
	t.Helper()
	ns := w.provider + "-op"
	if err := netns.Create(ns); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := netns.Delete(ns); err != nil {
			t.Error(err)
		}
	})
	w.in(ns, "ip", "link", "add", "op0", "type", "veth", "peer", "name", "adm0", "netns", w.provider)
	w.in(ns, "ip", "address", "add", operator+"/24", "dev", "op0")
	w.in(ns, "ip", "link", "set", "op0", "up")
	w.in(ns, "ip", "route", "add", "default", "via", operatorHost)
	w.in(w.provider, "ip", "address", "add", operatorHost+"/24", "dev", "adm0")
	w.in(w.provider, "ip", "link", "set", "adm0", "up")
	w.in(ns, "ip", "address", "add", operator6+"/64", "dev", "op0", "nodad")
	w.in(ns, "ip", "route", "add", "default", "via", operatorHost6)
	w.in(w.provider, "ip", "address", "add", operatorHost6+"/64", "dev", "adm0", "nodad")
	four, six = end{"operator", ns, operator, operatorHost}, end{"operator", ns, operator6, operatorHost6}
	four.serve(t)
	six.serve(t)
	return four, six
}

// first is the gateway of the /24 that an address is in.
func first(addr string) string { return strings.TrimSuffix(addr, lastByte(addr)) + "1" }

// wireLeg gives a wired guest its second interface.
func (w *world) wireLeg(t testing.TB, g wiredGuest) {
	t.Helper()
	nic := g.vm.NICs[1]
	inside, err := attach(g.ns, "eth1")
	if err != nil {
		t.Fatal(err)
	}
	outside, err := attach(w.provider, nic.Tap)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(inside.Close(), outside.Close()); err != nil {
			t.Error(err)
		}
	})
	go pump(inside, outside)
	go pump(outside, inside)
	in := func(argv ...string) { testkit.Sh(t, append([]string{"ip", "-n", g.ns}, argv...)...) }
	in("link", "set", "eth1", "address", nic.MAC)
	in("address", "add", nic.Addresses[0]+"/24", "dev", "eth1")
	in("link", "set", "eth1", "up")
}

// closed stands where no cell of the matrix is tried.
var closed = operations.CellView{Family: ispctl.IPv4}

// TestAdminLegs: operators and the host reach every guest on every leg, and a
// guest with root inside starts nothing there.
func TestAdminLegs(t *testing.T) {
	w, op, guests := legWorld(t)
	hosts := end{"host", w.provider, "", ""}
	hosts.serve(t)
	end{"internet", w.internet, gateway, ""}.serve(t)
	for name, g := range guests {
		leg := end{name, g.ns, g.vm.AdminAddress, ""}
		for _, service := range services() {
			if !op.reaches(t, leg, service) {
				t.Errorf("an operator does not reach %s on its leg by %s", name, service)
			}
			if !hosts.reaches(t, leg, service) {
				t.Errorf("the host does not reach %s on its leg by %s", name, service)
			}
		}
	}
	t.Run("seen as the gateway", func(t *testing.T) {
		g := guests["mail1"]
		if from := seen(t, op, g); from != first(g.vm.AdminAddress) {
			t.Errorf("mail1 sees an operator as %s", from)
		}
	})
	t.Run("others do not come in", func(t *testing.T) {
		// The Internet, and a guest by its zone, to legs.
		leg := guests["mail1"].vm.AdminAddress
		var tries tries
		route(t, w.internet, leg)
		for _, from := range []end{{"internet", w.internet, "", ""}, {"web1", guests["web1"].ns, "", ""}} {
			for _, service := range services() {
				tries.add(from, end{"mail1", "", leg, ""}, service, false, closed)
			}
		}
		tries.run(t)
	})

	web1 := guests["web1"]
	own := first(web1.vm.AdminAddress)
	t.Run("starts nothing", func(t *testing.T) {
		targets := map[string]string{
			"web2 on the same leg": guests["web2"].vm.AdminAddress, "mail1 on another leg": guests["mail1"].vm.AdminAddress,
			"web2 in its zone": guests["web2"].vm.Addresses[0], "mail1, by a policy of the zone": guests["mail1"].vm.Addresses[0],
			"gateway of the leg": own, "gateway of another leg": first(guests["mail1"].vm.AdminAddress),
			"gateway of the zone": "10.10.0.1", "gateway of another zone": "10.20.0.1",
			"the host on the uplink": host, "external address": external, "internet": gateway,
			"operator": operator, "the host before operators": operatorHost,
		}
		var tries tries
		for what, addr := range targets {
			w.in(web1.ns, "ip", "route", "replace", addr, "via", own, "dev", "eth1", "src", web1.vm.AdminAddress, "onlink")
			if addr == own || strings.HasSuffix(what, "same leg") {
				w.in(web1.ns, "ip", "route", "replace", addr, "dev", "eth1", "src", web1.vm.AdminAddress)
			}
			for _, service := range services() {
				tries.add(end{"web1", web1.ns, "", ""}, end{what, "", addr, ""}, service, addr == own && service == "udp/80", closed)
			}
		}
		tries.run(t)
	})
	t.Run("frames", func(t *testing.T) { hostileLegFrames(t, w, guests) })
}

// seen is who a guest believes an operator to be.
func seen(t testing.TB, op end, g wiredGuest) string {
	t.Helper()
	var l net.Listener
	if err := netns.Do(g.ns, func() (err error) { l, err = net.Listen("tcp4", "0.0.0.0:7000"); return err }); err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // the test is over
	from := make(chan string, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			from <- err.Error()
			return
		}
		host, _, _ := net.SplitHostPort(conn.RemoteAddr().String())
		from <- errors.Join(conn.Close(), errors.New(host)).Error()
	}()
	if !op.reaches(t, end{addr: g.vm.AdminAddress}, "tcp/7000") {
		return "nobody"
	}
	return <-from
}

// hostileLegFrames sends what a guest's own network stack would not, by its tap
// on the leg, and listens where any of it could come out: at the host, and at
// the taps of the others.
func hostileLegFrames(t *testing.T, w *world, guests map[string]wiredGuest) {
	web1, web2, mail1 := guests["web1"].vm, guests["web2"].vm, guests["mail1"].vm
	tap := reopen(t, w, guests["web1"])
	out := map[string]func() [][]byte{
		"the host": w.packets(t, w.provider, web1.NICs[1].Bridge),
		"web2":     w.packets(t, guests["web2"].ns, "eth1"),
		"mail1":    w.packets(t, guests["mail1"].ns, "eth1"),
	}
	f := framer{mac: hw(t, web1.NICs[1].MAC), addr: web1.AdminAddress}
	own, gatewayMAC := first(web1.AdminAddress), w.macOf(t, web1.NICs[1].Bridge)
	all, web2MAC := hw(t, "ff:ff:ff:ff:ff:ff"), hw(t, web2.NICs[1].MAC)
	frames := map[string][]byte{
		"ARP for web2":                  f.arp(1, all, f.mac, f.addr, web2.AdminAddress),
		"ARP for web2, to web2":         f.arp(1, web2MAC, f.mac, f.addr, web2.AdminAddress),
		"ARP for the zone's gateway":    f.arp(1, all, f.mac, f.addr, "10.10.0.1"),
		"ARP for the host":              f.arp(1, all, f.mac, f.addr, host),
		"ARP as web2":                   f.arp(1, all, f.mac, web2.AdminAddress, own),
		"ARP as the gateway":            f.arp(2, all, f.mac, own, web2.AdminAddress),
		"ARP announcing the gateway":    f.arp(1, all, f.mac, own, own),
		"ARP announcing itself":         f.arp(1, all, f.mac, f.addr, f.addr),
		"ARP answer to web2":            f.arp(2, web2MAC, f.mac, f.addr, web2.AdminAddress),
		"ARP with web2's MAC inside":    f.arp(1, all, web2MAC, f.addr, own),
		"ARP from web2's MAC":           framer{mac: web2MAC}.arp(1, all, web2MAC, web2.AdminAddress, own),
		"ARP probe":                     f.arp(1, all, f.mac, "0.0.0.0", own),
		"UDP to web2":                   f.udp(web2MAC, f.addr, web2.AdminAddress, 80),
		"UDP to web2, by the gateway":   f.udp(gatewayMAC, f.addr, web2.AdminAddress, 80),
		"UDP to mail1, by the gateway":  f.udp(gatewayMAC, f.addr, mail1.AdminAddress, 80),
		"UDP to the zone's gateway":     f.udp(gatewayMAC, f.addr, "10.10.0.1", 53),
		"UDP to the other leg's":        f.udp(gatewayMAC, f.addr, first(mail1.AdminAddress), 80),
		"UDP to the host":               f.udp(gatewayMAC, f.addr, host, 80),
		"UDP to an external address":    f.udp(gatewayMAC, f.addr, external, 25),
		"UDP to an operator":            f.udp(gatewayMAC, f.addr, operator, 80),
		"UDP to 127.0.0.1":              f.udp(gatewayMAC, f.addr, "127.0.0.1", 53),
		"UDP to all":                    f.udp(all, f.addr, "255.255.255.255", 80),
		"UDP to all of the leg":         f.udp(all, f.addr, "10.255.0.255", 80),
		"UDP to all, for one":           f.udp(all, f.addr, own, 80),
		"UDP to a group":                f.udp(hw(t, "01:00:5e:00:00:fb"), f.addr, "224.0.0.251", 5353),
		"UDP as web2":                   f.udp(gatewayMAC, web2.AdminAddress, own, 80),
		"UDP as the gateway":            f.udp(gatewayMAC, own, own, 80),
		"UDP as an operator":            f.udp(gatewayMAC, operator, own, 80),
		"UDP as itself in its zone":     f.udp(gatewayMAC, web1.Addresses[0], own, 80),
		"UDP as 127.0.0.1":              f.udp(gatewayMAC, "127.0.0.1", own, 80),
		"UDP as web2, its MAC too":      framer{mac: web2MAC}.udp(gatewayMAC, web2.AdminAddress, own, 80),
		"DHCP":                          f.udp(all, "0.0.0.0", "255.255.255.255", 67),
		"DHCP answer":                   f.udp(gatewayMAC, f.addr, own, 68),
		"redirect":                      f.ip(gatewayMAC, 1, f.addr, own, append([]byte{5, 1, 0, 0}, make([]byte, 32)...)),
		"GRE to the gateway":            f.ip(gatewayMAC, 47, f.addr, own, make([]byte, 16)),
		"OSPF":                          f.ip(hw(t, "01:00:5e:00:00:05"), 89, f.addr, "224.0.0.5", make([]byte, 24)),
		"IGMP query":                    f.ip(hw(t, "01:00:5e:00:00:01"), 2, f.addr, "224.0.0.1", []byte{0x11, 0, 0xee, 0xff, 0, 0, 0, 0}),
		"VRRP":                          f.ip(hw(t, "01:00:5e:00:00:12"), 112, f.addr, "224.0.0.18", make([]byte, 20)),
		"IPv6 neighbour solicitation":   f.ip6(hw(t, "33:33:ff:00:00:01"), 58, "ff02::1:ff00:1", append([]byte{135, 0, 0, 0, 0, 0, 0, 0}, make([]byte, 16)...)),
		"IPv6 router advertisement":     f.ip6(hw(t, "33:33:00:00:00:01"), 58, "ff02::1", append([]byte{134, 0, 0, 0}, make([]byte, 12)...)),
		"IPv6 to web2's link-local":     f.ip6(web2MAC, 17, "fe80::1", make([]byte, 16)),
		"mDNS by IPv6":                  f.ip6(hw(t, "33:33:00:00:00:fb"), 17, "ff02::fb", make([]byte, 16)),
		"VLAN tag 0":                    tag(f.udp(gatewayMAC, f.addr, own, 80), 0x8100, 0),
		"VLAN tag 10":                   tag(f.arp(1, all, f.mac, f.addr, own), 0x8100, 10),
		"stacked tags":                  tag(tag(f.udp(gatewayMAC, f.addr, own, 80), 0x8100, 10), 0x88a8, 10),
		"STP":                           f.eth(hw(t, "01:80:c2:00:00:00"), 38, append([]byte{0x42, 0x42, 3}, make([]byte, 35)...)),
		"LLDP":                          f.eth(hw(t, "01:80:c2:00:00:0e"), 0x88cc, make([]byte, 40)),
		"PPPoE discovery":               f.eth(all, 0x8863, make([]byte, 40)),
		"an experimental Ethernet type": f.eth(web2MAC, 0x88b5, []byte(strings.Repeat("leg", 20))),
	}
	if len(frames) < 45 {
		t.Fatalf("only %d frames", len(frames))
	}
	for name, frame := range frames {
		drain(out)
		tap(frame)
		time.Sleep(5 * time.Millisecond)
		for where, come := range out {
			for _, got := range come() {
				if same(got, frame) && !speaksARP(got, gatewayMAC) {
					t.Errorf("%s came out at %s: %x", name, where, got)
				}
			}
		}
	}
	// Silence proves something only where what is allowed comes out.
	drain(out)
	tap(f.arp(1, all, f.mac, f.addr, own))
	tap(f.udp(gatewayMAC, f.addr, own, 80))
	time.Sleep(50 * time.Millisecond)
	if n := len(out["the host"]()); n < 2 {
		t.Errorf("of what is allowed %d frames came to the host", n)
	}
	for _, where := range []string{"web2", "mail1"} {
		for _, got := range out[where]() {
			if slices.Equal(got[6:12], f.mac) {
				t.Errorf("a frame of web1 came to %s: %x", where, got)
			}
		}
	}
	var drops int
	for _, n := range w.vm("web1").Drops {
		drops += int(n)
	}
	if drops < len(frames)-3 { // what bridges keep for themselves is dropped elsewhere
		t.Errorf("%d drops are counted after %d hostile frames: %v", drops, len(frames), w.vm("web1").Drops)
	}
}

func drain(out map[string]func() [][]byte) {
	for _, come := range out {
		come()
	}
}

// same reports whether a frame is that one: from its sender, with what it
// carried, whatever became of its tags.
func same(got, sent []byte) bool {
	return len(got) >= 14 && slices.Equal(got[6:12], sent[6:12])
}

// speaksARP reports whether it is what the guest's own kernel may say at any
// time, ARP to the gateway alone: an answer, or the question by which it makes
// sure of a neighbour it has not heard for a while. No frame of ours is like it.
func speaksARP(got []byte, gateway net.HardwareAddr) bool {
	return len(got) >= 22 && slices.Equal(got[:6], gateway) && got[12] == 0x08 && got[13] == 0x06
}

// reopen takes a guest's place on its leg for frames of our own making.
func reopen(t testing.TB, w *world, g wiredGuest) func([]byte) {
	t.Helper()
	// A packet socket on the guest's interface: what it is given goes out by the
	// pump and the tap, past the guest's own stack.
	fd := rawSocket(t, g.ns, "eth1")
	return func(frame []byte) {
		if _, err := unix.Write(fd, frame); err != nil {
			t.Fatal(err)
		}
	}
}

func rawSocket(t testing.TB, ns, link string) int {
	t.Helper()
	fd := -1
	err := netns.Do(ns, func() error {
		iface, err := net.InterfaceByName(link)
		if err != nil {
			return err
		}
		const all = unix.ETH_P_ALL<<8&0xff00 | unix.ETH_P_ALL>>8
		if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, all); err != nil {
			return err
		}
		return unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: iface.Index})
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	return fd
}

// packets listens on a link; what it returns hands over what has come in since.
func (w *world) packets(t testing.TB, ns, link string) func() [][]byte {
	t.Helper()
	fd := rawSocket(t, ns, link)
	return func() [][]byte {
		var all [][]byte
		b := make([]byte, 2048)
		for {
			n, from, err := unix.Recvfrom(fd, b, 0)
			if err != nil {
				return all
			}
			if ll, ok := from.(*unix.SockaddrLinklayer); ok && ll.Pkttype == unix.PACKET_OUTGOING {
				continue
			}
			all = append(all, slices.Clone(b[:n]))
		}
	}
}

func (w *world) macOf(t testing.TB, link string) net.HardwareAddr {
	t.Helper()
	out := w.in(w.provider, "cat", "/sys/class/net/"+link+"/address")
	return hw(t, strings.TrimSpace(out))
}

func hw(t testing.TB, s string) net.HardwareAddr {
	t.Helper()
	mac, err := net.ParseMAC(s)
	if err != nil {
		t.Fatal(err)
	}
	return mac
}
