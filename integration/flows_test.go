package integration

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ispctl/internal/netns"
	"ispctl/operations"
)

// TestFlows: of a zone that wants it, whom its guests speak to is recorded to
// the byte; a guest that opens connections without end fills a bounded number
// of rows; of the other zone nothing is known.
func TestFlows(t *testing.T) {
	w, web, mail := wired(t, strings.Replace(limited, "snat: 203.0.113.10}", "snat: 203.0.113.10, flows: true}", 1))
	s := w.serve()
	s.says("flows: recorded from now on")
	const n = 40
	exchange(t, web.ns, w.internet, gateway+":5353", n)
	exchange(t, mail.ns, w.internet, gateway+":5354", n)
	// What is spoken at the moment is seen at once, of any zone.
	talked := make(chan struct{})
	go func() {
		defer close(talked)
		for range 40 {
			exchange(t, mail.ns, w.internet, gateway+":5355", 5)
			time.Sleep(50 * time.Millisecond)
		}
	}()
	var live []operations.LiveFlowView
	w.show(&live, "top", "mail1", "--flows", "--once", "--interval", "1s")
	<-talked
	seen := 0
	for _, v := range live {
		if v.VM != "mail1" || v.Protocol != "udp" || v.Remote != gateway+":5355" || v.Opened != "vm" || v.OutBits <= v.InBits || v.InBits == 0 {
			t.Errorf("top: %+v", v)
		}
		seen++
	}
	if seen == 0 {
		t.Error("top shows no flows of mail1")
	}
	stop := w.storm(web.ns, func(s *net.UDPConn, i int) {
		_, _ = s.WriteToUDP([]byte("?"), &net.UDPAddr{IP: net.ParseIP(gateway), Port: 10000 + i%50000}) // what is refused is recorded, too
	})
	time.Sleep(time.Second)
	stop()
	if code := s.end(unix.SIGTERM); code != 0 {
		t.Fatalf("serve: exit %d", code)
	}
	var all []operations.FlowUsageView
	w.show(&all, "usage", "flows", "--limit", "0", "--by", "hour")
	found, hours := false, map[time.Time]int{}
	for _, v := range all {
		hours[v.From]++
		if v.VM != "web1" {
			t.Errorf("of a zone that wants none: %+v", v)
		}
		if v.Port != 5353 {
			continue
		}
		found = true
		if v.Protocol != "udp" || v.Opened != "vm" || v.Remote != "203.0.113.0/24" || v.Flows != 1 ||
			v.OutBytes != n*(100+42) || v.InBytes != n*(50+42) || v.OutPackets != n || v.InPackets != n {
			t.Errorf("%+v", v)
		}
	}
	if !found {
		t.Errorf("not among %+v", all)
	}
	for at, rows := range hours {
		if rows > 600 { // of an hour that goes on: what is in memory
			t.Errorf("%d rows at %s", rows, at)
		}
	}
	if lines := strings.Count(w.ok("usage", "flows", "web1", "--ipfix"), "octetDeltaCount"); lines == 0 {
		t.Error("nothing as IPFIX")
	}
}

// exchange sends datagrams of a hundred bytes and gets one of fifty for each.
func exchange(t testing.TB, from, to, address string, n int) {
	t.Helper()
	var server net.PacketConn
	var client net.Conn
	err := errors.Join(
		netns.Do(to, func() (err error) { server, err = net.ListenPacket("udp4", address); return err }),
		netns.Do(from, func() (err error) { client, err = net.Dial("udp4", address); return err }),
	)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close() //nolint:errcheck // nothing is left in it
	defer client.Close() //nolint:errcheck // nothing is left in it
	b := make([]byte, 200)
	for range n {
		for _, c := range []interface{ SetDeadline(time.Time) error }{server, client} {
			if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := client.Write(b[:100]); err != nil {
			t.Fatal(err)
		}
		_, at, err := server.ReadFrom(b)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := server.WriteTo(b[:50], at); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Read(b); err != nil {
			t.Fatal(err)
		}
	}
}
