package integration

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"ispctl/internal/netns"
)

// TestOpenConnectionsEnd has connections open through forwards, and takes one
// forward away, then a VM: what went by it is cut, the others go on, and the
// host knows no connection of an address that nobody has.
func TestOpenConnectionsEnd(t *testing.T) {
	w, web, mail := wired(t, limited)
	echo(t, web.ns, 80)
	echo(t, mail.ns, 25)
	toWeb, toMail := dial(t, w.internet, external+":80"), dial(t, w.internet, external+":25")
	for name, c := range map[string]net.Conn{"web1": toWeb, "mail1": toMail} {
		if !answers(c, 5*time.Second) {
			t.Fatalf("the connection to %s answers nothing", name)
		}
	}

	w.ok("forward", "remove", external+":80/tcp")
	if answers(toWeb, 2*time.Second) {
		t.Error("a connection goes on by a forward that is no more")
	}
	if !answers(toMail, 5*time.Second) {
		t.Error("a connection by another forward was cut")
	}
	if left := w.connections(web.addr); left != "" {
		t.Errorf("connections of web1 are tracked:\n%s", left)
	}

	w.ok("forward", "remove", external+":25/tcp")
	w.ok("forward", "add", external+":25/tcp", "web1:80") // who has it now gets none of it
	if answers(toMail, 2*time.Second) {
		t.Error("a connection goes on to who had the forward before")
	}
	if !answers(dial(t, w.internet, external+":25"), 5*time.Second) {
		t.Error("the next holder of the port answers nothing")
	}
	w.ok("forward", "remove", external+":25/tcp")
	toGuest := dial(t, w.provider, web.addr+":80") // the host's own
	if !answers(toGuest, 5*time.Second) {
		t.Fatal("the guest answers the host nothing")
	}
	if w.connections(web.addr) == "" {
		t.Fatal("the host's connection is not tracked: the next would prove nothing")
	}
	w.ok("vm", "destroy", "web1", "--yes")
	if left := w.connections(web.addr); left != "" {
		t.Errorf("connections of a VM that is no more:\n%s", left)
	}
}

// connections are the host's with an address at one end.
func (w *world) connections(addr string) string {
	w.t.Helper()
	var all []byte
	err := netns.Do(w.provider, func() (err error) {
		all, err = os.ReadFile("/proc/thread-self/net/nf_conntrack")
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	var found strings.Builder
	for line := range strings.Lines(string(all)) {
		if strings.Contains(line, "="+addr+" ") {
			found.WriteString(line)
		}
	}
	return found.String()
}

// echo answers each byte with itself.
func echo(t testing.TB, ns string, port int) {
	t.Helper()
	err := netns.Do(ns, func() error {
		l, err := net.Listen("tcp4", fmt.Sprintf("0.0.0.0:%d", port))
		if err != nil {
			return err
		}
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					defer c.Close()
					buf := make([]byte, 1)
					for {
						if _, err := c.Read(buf); err != nil {
							return
						}
						if _, err := c.Write(buf); err != nil {
							return
						}
					}
				}()
			}
		}()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func dial(t testing.TB, ns, address string) (c net.Conn) {
	t.Helper()
	err := netns.Do(ns, func() (err error) {
		c, err = net.DialTimeout("tcp4", address, 5*time.Second)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// answers reports whether what is sent comes back.
func answers(c net.Conn, within time.Duration) bool {
	if c.SetDeadline(time.Now().Add(within)) != nil {
		return false
	}
	if _, err := c.Write([]byte("?")); err != nil {
		return false
	}
	n, err := c.Read(make([]byte, 1))
	return n == 1 && err == nil
}
