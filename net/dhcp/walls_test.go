package dhcp_test

import (
	"context"
	"errors"
	"net"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"

	"ispctl"
	"ispctl/internal/netns"
	"ispctl/internal/testkit"
	"ispctl/net/firewall"
	"ispctl/net/nft"
)

// walls brings the walls to the model, as their layer does.
func (w world) walls(m *ispctl.Model) {
	w.t.Helper()
	k, err := nft.Open(inst.Table(firewall.Layer))
	if err != nil {
		w.t.Fatal(err)
	}
	defer k.Close() //nolint:errcheck // nothing is pending
	want, err := firewall.Desired(m)
	if err != nil {
		w.t.Fatal(err)
	}
	have, err := k.Observe(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	if err := k.Apply(context.Background(), nft.Diff(want, have)); err != nil {
		w.t.Fatal(err)
	}
}

// plug gives a guest's wire the name of the tap of its NIC, so that the walls
// know who sends.
func (g guest) plug(tap string) {
	g.t.Helper()
	testkit.Sh(g.t, "ip", "link", "delete", tap)
	testkit.Sh(g.t, "ip", "link", "set", g.port, "down")
	testkit.Sh(g.t, "ip", "link", "set", g.port, "name", tap, "up")
}

// TestThroughTheWalls: what a zone serves is reached by its guests, and nothing
// beside it.
func TestThroughTheWalls(t *testing.T) {
	w := newWorld(t)
	m := w.model(guests) // dmz has both, mail DNS alone
	w.converge(m)
	web1, mail1 := w.guest("dmz", "02:00:00:00:00:01"), w.guest("mail", "02:00:00:00:00:02")
	web1.plug("isp-1-0")
	mail1.plug("isp-2-0")
	w.walls(m)

	if told := web1.lease(); told["ip"] != "10.10.0.2" {
		t.Errorf("DHCP tells %v", told)
	}
	web1.address("10.10.0.2/24")
	mail1.address("10.20.0.2/24")
	for _, g := range []struct {
		guest
		server, name string
		want         answer
	}{{web1, "10.10.0.1", "web1.dmz.internal", "10.10.0.2"}, {mail1, "10.20.0.1", "mail1.mail.internal", "10.20.0.2"}} {
		for _, network := range []string{"udp", "tcp"} {
			if got := g.over(network, g.server, g.name, dnsmessage.TypeA); got != g.want {
				t.Errorf("%s over %s: %s, want %s", g.name, network, got, g.want)
			}
		}
	}

	// Who listens on every address of the host hears of other ports nothing,
	// and of these only at the zone's gateway. 67 is the renewal.
	testkit.Sh(t, "ip", "address", "add", "192.0.2.9/32", "dev", "lo")
	for _, g := range []guest{web1, mail1} {
		testkit.Sh(t, "ip", "-n", g.ns, "route", "add", "default", "dev", "eth0")
	}
	for _, tt := range []struct {
		from guest
		to   string
		want bool
	}{
		{web1, "10.10.0.1:67", true},
		{web1, "10.10.0.1:68", false},
		{web1, "10.10.0.1:69", false},
		{web1, "10.10.0.1:5353", false},
		{web1, "192.0.2.9:53", false},
		{web1, "192.0.2.9:67", false},
		{web1, "10.20.0.1:67", false},
		{mail1, "10.20.0.1:67", false},
		{mail1, "10.20.0.1:69", false},
		{mail1, "192.0.2.9:53", false},
	} {
		if got := reaches(t, tt.from, tt.to); got != tt.want {
			t.Errorf("%s reaches %s: %t, want %t", tt.from.ns, tt.to, got, tt.want)
		}
	}
}

// reaches sends a datagram to a host's address and reports whether a listener
// there, and the host itself as the control, is heard by it.
func reaches(t *testing.T, from guest, to string) bool {
	t.Helper()
	l, err := (&net.ListenConfig{Control: shared}).ListenPacket(context.Background(), "udp", to)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // all was read
	send := func(dial func() (net.Conn, error)) {
		conn, err := dial()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()                   //nolint:errcheck // it was sent or not
		_, _ = conn.Write([]byte("anybody")) // a wall may say so
	}
	send(func() (conn net.Conn, err error) {
		err = netns.Do(from.ns, func() (err error) {
			conn, err = net.Dial("udp", to)
			return err
		})
		return conn, err
	})
	buffer := make([]byte, 64)
	if err := l.SetReadDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	_, _, err = l.ReadFrom(buffer)
	heard := err == nil
	send(func() (net.Conn, error) { return net.Dial("udp", to) })
	if err := l.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := l.ReadFrom(buffer); err != nil {
		t.Fatalf("the host does not hear itself at %s: %v", to, err)
	}
	return heard
}

// shared lets a socket listen beside a server's.
func shared(_, _ string, raw syscall.RawConn) error {
	var failed error
	err := raw.Control(func(fd uintptr) { failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) })
	return errors.Join(err, failed)
}
