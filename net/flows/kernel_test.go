package flows_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/ti-mo/conntrack"
	"golang.org/x/sys/unix"

	"ispctl/internal/testkit"
	"ispctl/net/flows"
)

// tracking has the kernel track what comes in.
const tracking = "table inet t { chain c { type filter hook input priority 0; ct state established,new accept; }; }"

// tracked is a namespace in which what passes on lo is tracked and counted.
func tracked(t testing.TB) {
	t.Helper()
	testkit.NetNS(t)
	testkit.Need(t, testkit.Conntrack)
	testkit.Sh(t, "nft", tracking)
	if err := flows.Count(); err != nil {
		t.Fatal(err)
	}
}

// ping sends datagrams of a hundred bytes and as many answers.
func ping(t testing.TB, port int, n int) {
	t.Helper()
	at := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 5000}
	server, err := net.ListenUDP("udp4", at)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close() //nolint:errcheck // nothing is left in it
	client, err := net.DialUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}, at)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close() //nolint:errcheck // nothing is left in it
	b := make([]byte, 100)
	for range n {
		if _, err := client.Write(b); err != nil {
			t.Fatal(err)
		}
		_, from, err := server.ReadFromUDP(b)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := server.WriteToUDP(b[:50], from); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Read(b); err != nil {
			t.Fatal(err)
		}
	}
}

// forget ends all connections, as their timeouts would.
func forget(t testing.TB) {
	t.Helper()
	c, err := conntrack.Dial(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close() //nolint:errcheck // it was only written
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
}

// header is what a datagram of IPv4 takes on a link: 14, 20, 8.
const header = 42

// TestConnectionsAreCounted sends a known number of bytes: a dump tells of them
// while the connection lives, and an event when it ends.
func TestConnectionsAreCounted(t *testing.T) {
	tracked(t)
	l, err := flows.Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ping(t, 6000, 30)
	want := func(c flows.Conn) {
		t.Helper()
		if c.Proto != unix.IPPROTO_UDP || c.Src.String() != "127.0.0.1:6000" || c.Dst.String() != "127.0.0.1:5000" ||
			c.ReplySrc != c.Dst || c.ReplyDst != c.Src ||
			c.Orig != (flows.Way{Packets: 30, Bytes: 30 * (100 + header)}) || c.Reply != (flows.Way{Packets: 30, Bytes: 30 * (50 + header)}) {
			t.Errorf("%+v", c)
		}
	}
	all, err := flows.Dump(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 1 {
		t.Fatalf("%+v", all)
	}
	want(all[0])
	forget(t)
	select {
	case c := <-l.Ended:
		want(c)
		if c.ID != all[0].ID {
			t.Errorf("its id was %d and is %d", all[0].ID, c.ID)
		}
	case err := <-l.Failed:
		t.Fatal(err)
	case <-time.After(30 * time.Second):
		t.Fatal("no event")
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// TestTooManyEnd: who does not read is told that events were lost, and can begin
// again.
func TestTooManyEnd(t *testing.T) {
	tracked(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	l, err := flows.Listen(ctx)
	if err != nil {
		t.Fatal(err)
	}
	s, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close() //nolint:errcheck // nothing is left in it
	for range 8 {
		for port := range 20000 {
			_, _ = s.WriteToUDP([]byte{1}, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 10000 + port}) // refused, and tracked
		}
		forget(t)
	}
	for late := time.After(time.Minute); ; {
		select {
		case <-l.Ended: // what was in the buffer comes first
			continue
		case err := <-l.Failed:
			if err != flows.ErrLost { //nolint:errorlint // it is not wrapped
				t.Errorf("%v", err)
			}
		case <-late:
			t.Error("nobody said that events were lost")
		}
		break
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	again, err := flows.Listen(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}
