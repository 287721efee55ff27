package integration

import (
	"fmt"
	"net"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"ispctl"
	"ispctl/internal/netns"
	"ispctl/operations"
)

const walls = `version: 1
admin: {prefix: 10.255.0.0/16, links: [adm0]}
addresses: [203.0.113.10, 203.0.113.11]
zones:
  - {name: dmz, prefix: 10.10.0.0/24, prefix6: "2001:db8:10::/64", snat: 203.0.113.10}
  - {name: mail, prefix: 10.20.0.0/24, prefix6: "2001:db8:20::/64"}
plans:
  - {name: tiny, cpus: 1, memory: 128MiB, disk: 256MiB}
vms:
  - {name: web1, template: micro, zone: dmz, plan: tiny}
  - {name: web2, template: micro, zone: dmz, plan: tiny}
  - {name: mail1, template: micro, zone: mail, plan: tiny}
  - {name: mail2, template: micro, zone: mail, plan: tiny}
policies:
  - {from: dmz, to: mail, services: [tcp/25, icmp]}
  - {from: mail, to: internet, services: [tcp/25, udp/53], log: true}
  - {from: dmz, to: host, services: [udp/53]}
  - {from: mail, to: dmz, services: [tcp/80, udp/53], families: [ipv6]}
  - {from: mail, to: internet, services: [icmp, tcp/25], families: [ipv6]}
  - {from: internet, to: mail, services: [tcp/25], families: [ipv6]}
  - {from: dmz, to: host, services: [icmp], families: [ipv6]}
`

// ports are what every end listens on, tcp and udp.
var ports = []int{22, 25, 53, 80}

// TestPolicyMatrix sends a real packet for every cell of the policy matrix,
// from every guest, by IPv4 and IPv6, TCP, UDP and ICMP, and expects what `zone
// policy list` says, and `zone check`.
func TestPolicyMatrix(t *testing.T) {
	w := newWorld(t, "test:///default")
	w.six()
	w.ok("image", "build", "micro")
	w.ok("apply", "-f", w.write("walls.yaml", walls))
	op, op6 := w.operator(t)
	ends, ends6, legs := w.ends(t, "web1", "web2", "mail1", "mail2")
	var cells []operations.CellView
	w.show(&cells, "zone", "policy", "list")
	// The host is an end that opens connections as well: to every guest.
	for _, zone := range []string{"dmz", "mail"} {
		for _, family := range []ispctl.Family{ispctl.IPv4, ispctl.IPv6} {
			cells = append(cells, operations.CellView{From: "host", To: ispctl.End(zone), Family: family, Services: []string{"any"}})
		}
	}
	var tries tries
	for _, c := range cells {
		here := ends
		if c.Family == ispctl.IPv6 {
			here = ends6
		}
		for _, from := range here[string(c.From)] {
			for _, to := range here[string(c.To)] {
				if c.To == "host" && c.From != "internet" {
					to.addr = from.gateway // the host, as the zone knows it
				}
				if c.From == "internet" && c.To != "host" && c.Family == ispctl.IPv4 {
					// The Internet has no route to a private prefix: give it
					// one, so that only the wall is in the way.
					route(t, w.internet, to.addr)
				}
				for _, service := range services() {
					want := slices.Contains(c.Services, "any") || slices.Contains(c.Services, service)
					tries.add(from, to, service, want, c)
				}
			}
		}
	}
	// The operator is no end of policies: every guest answers on its leg, and on
	// nothing else, and none of them begins.
	for _, service := range services() {
		for _, leg := range legs {
			tries.add(op, leg, service, true, operations.CellView{Family: ispctl.IPv4})
		}
		for _, zone := range []string{"dmz", "mail"} {
			for i := range ends[zone] {
				tries.add(op, ends[zone][i], service, false, operations.CellView{Family: ispctl.IPv4})
				tries.add(ends[zone][i], op, service, false, operations.CellView{Family: ispctl.IPv4})
				tries.add(op6, ends6[zone][i], service, false, operations.CellView{Family: ispctl.IPv6})
				tries.add(ends6[zone][i], op6, service, false, operations.CellView{Family: ispctl.IPv6})
			}
		}
	}
	tried := tries.run(t)
	for _, family := range []ispctl.Family{ispctl.IPv4, ispctl.IPv6} {
		// Internet, host and two guests in each of two zones, each to all that
		// are elsewhere, and the operator to four guests and they to it, nine
		// services; and by IPv4 to four legs.
		want := 9 * (4 + 4 + 8 + 4 + 4 + 1 + 4 + 4)
		if family == ispctl.IPv4 {
			want += 9 * 4
		}
		if tried[family] != want {
			t.Errorf("%s: %d packets were tried, not %d", family, tried[family], want)
		}
	}
	var v operations.CheckView
	w.show(&v, "zone", "check", "dmz", "mail", "tcp/25")
	if !v.Allowed || v.Rule != "policy dmz -> mail tcp/25 ipv4" {
		t.Errorf("zone check: %+v", v)
	}
	w.show(&v, "zone", "check", "mail", "dmz", "tcp/25")
	if v.Allowed {
		t.Errorf("zone check: %+v", v)
	}
	w.show(&v, "zone", "check", "mail", "dmz", "tcp/80", "--family", "ipv6")
	if !v.Allowed || v.Rule != "policy mail -> dmz tcp/80 ipv6" {
		t.Errorf("zone check: %+v", v)
	}
	w.show(&v, "zone", "check", "dmz", "internet", "tcp/80", "--family", "ipv6")
	if !v.Allowed || v.Rule != "zone dmz has egress" {
		t.Errorf("zone check: %+v", v)
	}
	t.Run("IPv6 forward", func(t *testing.T) { w.forward6(t, ends6) })
	t.Run("IPv6 bogons", func(t *testing.T) { w.bogons6(t, ends6) })
	t.Run("hairpin", func(t *testing.T) {
		w.ok("forward", "add", external+":8022/tcp", "web2:22")
		w.ok("forward", "add", external+":8025/tcp", "mail1:25")
		for _, c := range []struct {
			from string
			port string
			want bool
		}{
			{"dmz", "8022", true}, {"dmz", "8025", true}, // a zone that may go out, in the same zone and in another
			{"mail", "8022", false}, {"mail", "8025", false}, // one that may not
		} {
			from := ends[c.from][0]
			if got := from.reaches(t, end{addr: external}, "tcp/"+c.port); got != c.want {
				t.Errorf("%s -> %s:%s: reached is %t", from.name, external, c.port, got)
			}
		}
	})
	t.Run("bogons", func(t *testing.T) {
		from := ends["dmz"][0]
		before := w.counted("no such place on the Internet")
		if from.reaches(t, end{addr: "192.168.77.7"}, "tcp/80") || from.reaches(t, end{addr: "172.16.9.9"}, "icmp") {
			t.Error("somebody answered for an address that is nobody's")
		}
		if after := w.counted("no such place on the Internet"); after <= before {
			t.Errorf("%d packets to bogons dropped before, %d after", before, after)
		}
	})
	t.Run("denied again", func(t *testing.T) {
		from, to := ends["dmz"][0], ends["mail"][0]
		w.ok("zone", "policy", "deny", "dmz", "mail", "--service", "tcp/25")
		if from.reaches(t, to, "tcp/25") {
			t.Error("what was denied is reached")
		}
		if !from.reaches(t, to, "icmp") {
			t.Error("what was not denied is not reached")
		}
	})
}

// counted is how many packets a rule of the firewall has dropped, by its
// comment.
func (w *world) counted(why string) int {
	w.t.Helper()
	for line := range strings.Lines(w.in(w.provider, "nft", "list", "table", "inet", "ispctl-firewall")) {
		if !strings.Contains(line, why) {
			continue
		}
		var n int
		_, rest, _ := strings.Cut(line, "counter packets ")
		if _, err := fmt.Sscan(rest, &n); err == nil {
			return n
		}
	}
	w.t.Fatalf("no rule says %q", why)
	return 0
}

// end is a host of the test in a namespace.
type end struct{ name, ns, addr, gateway string }

// six reports whether it is one of IPv6.
func (e end) six() bool { return strings.Contains(e.addr, ":") }

func services() []string {
	all := []string{"icmp"}
	for _, p := range ports {
		all = append(all, fmt.Sprintf("tcp/%d", p), fmt.Sprintf("udp/%d", p))
	}
	return all
}

func lastByte(addr string) string { return addr[strings.LastIndex(addr, ".")+1:] }

func route(t testing.TB, ns, addr string) {
	t.Helper()
	if out, err := exec.Command("ip", "-n", ns, "route", "replace", addr, "via", host).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// serve answers on every port until the test ends.
func (e end) serve(t testing.TB) {
	t.Helper()
	for _, port := range ports {
		version, address := "4", fmt.Sprintf("0.0.0.0:%d", port)
		if e.six() {
			version, address = "6", fmt.Sprintf("[::]:%d", port)
		}
		err := netns.Do(e.ns, func() error {
			l, err := net.Listen("tcp"+version, address)
			if err != nil {
				return err
			}
			u, err := net.ListenPacket("udp"+version, address)
			if err != nil {
				return err
			}
			t.Cleanup(func() { _, _ = l.Close(), u.Close() })
			go func() {
				for {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					_ = conn.Close()
				}
			}()
			go func() {
				b := make([]byte, 64)
				for {
					n, from, err := u.ReadFrom(b)
					if err != nil {
						return
					}
					_, _ = u.WriteTo(b[:n], from)
				}
			}()
			return nil
		})
		if err != nil {
			t.Fatalf("%s: %v", e.name, err)
		}
	}
}

// patience is how long an answer inside one machine may take.
const patience = 250 * time.Millisecond

// reaches tries a service of another end.
func (e end) reaches(t testing.TB, to end, service string) bool {
	t.Helper()
	transport, port, _ := strings.Cut(service, "/")
	if transport == "icmp" {
		return exec.Command("ip", "netns", "exec", e.ns, "ping", "-n", "-q", "-c", "1", "-W", "0.25", to.addr).Run() == nil
	}
	return netns.Do(e.ns, func() error {
		conn, err := net.DialTimeout(transport, net.JoinHostPort(to.addr, port), patience)
		if err != nil {
			return err
		}
		defer conn.Close() //nolint:errcheck // it was only tried
		if transport == "tcp" {
			return nil
		}
		if _, err := conn.Write([]byte("?")); err != nil {
			return err
		}
		if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
		_, err = conn.Read(make([]byte, 8))
		return err
	}) == nil
}
