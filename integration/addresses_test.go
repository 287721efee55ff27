package integration

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"ispctl/internal/netns"
)

const addressed = `version: 1
addresses:
  - 203.0.113.10
  - {address: 203.0.113.11, vm: web1, mode: snat}
  - {address: 203.0.113.12, vm: web2, mode: one-to-one}
  - {address: 203.0.113.13, vm: mail1, mode: routed}
zones:
  - {name: dmz, prefix: 10.10.0.0/24, snat: 203.0.113.10}
  - {name: mail, prefix: 10.20.0.0/24, egress: true}
  - {name: closed, prefix: 10.30.0.0/24}
plans:
  - {name: tiny, cpus: 1, memory: 128MiB, disk: 256MiB}
vms:
  - {name: web1, template: micro, zone: dmz, plan: tiny}
  - {name: web2, template: micro, zone: dmz, plan: tiny}
  - {name: web3, template: micro, zone: dmz, plan: tiny}
  - {name: mail1, template: micro, zone: mail, plan: tiny}
  - {name: dark1, template: micro, zone: closed, plan: tiny}
forwards:
  - {listen: 203.0.113.11:22/tcp, to: "web1:22"}
  - {listen: 203.0.113.10:50-60/udp, to: "web3:50"}
policies:
  - {from: internet, to: dmz, services: [tcp/80, icmp]}
  - {from: internet, to: mail, services: [tcp/25]}
`

// TestExternalAddresses sends packets by every way an address is used, from
// outside and from inside.
func TestExternalAddresses(t *testing.T) {
	w := newWorld(t, "test:///default")
	w.ok("image", "build", "micro")
	w.ok("apply", "-f", w.write("provider.yaml", addressed))
	for line := range strings.Lines(w.ok("apply", "-f", w.write("provider.yaml", addressed), "--dry-run")) {
		if !strings.HasPrefix(line, "virsh") { // its test driver forgets with the process
			t.Errorf("applied again: %s", line)
		}
	}
	w.ok("apply", "-f", w.write("again.yaml", w.ok("export")))
	guests := map[string]end{}
	for _, name := range []string{"web1", "web2", "web3", "mail1", "dark1"} {
		vm := w.vm(name)
		router := strings.TrimSuffix(vm.Addresses[0], lastByte(vm.Addresses[0])) + "1"
		guests[name] = end{name, w.wire(t, vm, router).ns, vm.Addresses[0], router}
		guests[name].serve(t)
	}
	// As its seed says at its first boot.
	w.in(guests["mail1"].ns, "ip", "address", "add", "203.0.113.13/32", "dev", "eth0")
	internet := end{"internet", w.internet, gateway, ""}
	serveMirror(t, w.internet)

	t.Run("sources", func(t *testing.T) {
		for name, want := range map[string]string{"web1": "203.0.113.11", "web2": "203.0.113.12", "web3": "203.0.113.10", "mail1": "203.0.113.13"} {
			if got := seenAs(t, guests[name].ns, ""); got != want {
				t.Errorf("%s is seen as %s, want %s", name, got, want)
			}
		}
		if got := seenAs(t, guests["mail1"].ns, "203.0.113.13"); got != "203.0.113.13" {
			t.Errorf("what mail1 sends from its own routed address is seen as %q", got)
		}
	})
	for _, c := range []struct {
		from    end
		to      string
		service string
		want    bool
	}{
		// A VM that goes out with an address is reached by its forwards only.
		{internet, "203.0.113.11", "tcp/22", true},
		{internet, "203.0.113.11", "tcp/80", false},
		{internet, "203.0.113.11", "udp/53", false},
		// One that has it both ways: what the zone's policies let in.
		{internet, "203.0.113.12", "tcp/80", true},
		{internet, "203.0.113.12", "icmp", true},
		{internet, "203.0.113.12", "tcp/22", false},
		{internet, "203.0.113.12", "udp/53", false},
		// One on the guest's own NIC: the same.
		{internet, "203.0.113.13", "tcp/25", true},
		{internet, "203.0.113.13", "tcp/80", false},
		{internet, "203.0.113.13", "icmp", false},
		// A range, and beside it.
		{internet, "203.0.113.10", "udp/53", true},
		{internet, "203.0.113.10", "tcp/53", false},
		{internet, "203.0.113.10", "udp/80", false},
		// From inside, out of the same zone and out of another.
		{guests["web3"], "203.0.113.11", "tcp/22", true},
		{guests["mail1"], "203.0.113.11", "tcp/22", true},
		{guests["web1"], "203.0.113.12", "tcp/80", true},
		{guests["mail1"], "203.0.113.12", "icmp", true},
		{guests["mail1"], "203.0.113.12", "tcp/22", false},
		{guests["web1"], "203.0.113.12", "tcp/22", false},
		{guests["web1"], "203.0.113.13", "tcp/25", true},
		{guests["web1"], "203.0.113.13", "tcp/80", false},
		{guests["web1"], "203.0.113.10", "udp/53", true},
		{guests["web3"], "203.0.113.10", "udp/53", true}, // itself, by the host
		{guests["mail1"], "203.0.113.10", "udp/80", false},
		// Not out of a zone that may not go out.
		{guests["dark1"], "203.0.113.11", "tcp/22", false},
		{guests["dark1"], "203.0.113.12", "tcp/80", false},
		{guests["dark1"], "203.0.113.13", "tcp/25", false},
		{guests["dark1"], "203.0.113.10", "udp/53", false},
	} {
		if got := c.from.reaches(t, end{addr: c.to}, c.service); got != c.want {
			t.Errorf("%s -> %s %s: reached is %t", c.from.name, c.to, c.service, got)
		}
	}
	t.Run("routed address is its guest's alone", func(t *testing.T) {
		w.in(guests["web1"].ns, "ip", "address", "add", "203.0.113.13/32", "dev", "eth0")
		if got := seenAs(t, guests["web1"].ns, "203.0.113.13"); got != "" {
			t.Errorf("web1 speaks as mail1's address, and is seen as %s", got)
		}
	})
	t.Run("released, it rests", func(t *testing.T) {
		w.ok("address", "release", "203.0.113.12")
		if internet.reaches(t, end{addr: "203.0.113.12"}, "tcp/80") {
			t.Error("the VM is still reached by an address that was taken back")
		}
		if r := w.run("address", "assign", "203.0.113.12", "--vm", "web3", "--mode", "one-to-one"); r.code != 5 || !strings.Contains(r.err, "rests until") {
			t.Errorf("another VM got it: exit %d %s", r.code, r.err)
		}
		w.ok("address", "assign", "203.0.113.12", "--vm", "web2", "--mode", "snat")
		w.ok("vm", "destroy", "web2", "--yes")
		if r := w.run("address", "assign", "203.0.113.12", "--vm", "web3", "--mode", "snat"); r.code != 5 {
			t.Errorf("another VM got it: exit %d", r.code)
		}
		w.ok("address", "assign", "203.0.113.12", "--vm", "web3", "--mode", "snat", "--now")
		if got := seenAs(t, guests["web3"].ns, ""); got != "203.0.113.12" {
			t.Errorf("web3 is seen as %q", got)
		}
	})
}

// mirror is the port that says as whom it sees who asks.
const mirror = "7007"

func serveMirror(t testing.TB, ns string) {
	t.Helper()
	err := netns.Do(ns, func() error {
		l, err := net.Listen("tcp4", ":"+mirror)
		if err != nil {
			return err
		}
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				host, _, _ := net.SplitHostPort(conn.RemoteAddr().String())
				_, _ = io.WriteString(conn, host)
				_ = conn.Close()
			}
		}()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// seenAs asks the mirror of the Internet, from an address unless that is empty.
// Without an answer it is empty.
func seenAs(t testing.TB, ns, from string) string {
	t.Helper()
	var seen []byte
	_ = netns.Do(ns, func() error {
		d := net.Dialer{Timeout: 4 * patience}
		if from != "" {
			d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
		}
		conn, err := d.Dial("tcp4", net.JoinHostPort(gateway, mirror))
		if err != nil {
			return err
		}
		defer conn.Close() //nolint:errcheck // it was only asked
		_ = conn.SetDeadline(time.Now().Add(4 * patience))
		seen, err = io.ReadAll(conn)
		return err
	})
	return string(seen)
}
