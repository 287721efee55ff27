package integration

import (
	"net"
	"strings"
	"testing"
	"time"

	"ispctl/internal/netns"
)

// TestHostSources: who is listed reaches the host's services, who is not does
// not, and everybody pings; and the document says the same.
func TestHostSources(t *testing.T) {
	w := newWorld(t, "test:///default")
	end{"host", w.provider, host, ""}.serve(t)
	w.in(w.internet, "ip", "address", "add", "203.0.113.66/32", "dev", "inet0")
	reach := func(local string) bool {
		return netns.Do(w.internet, func() error {
			d := net.Dialer{Timeout: 300 * time.Millisecond, LocalAddr: &net.TCPAddr{IP: net.ParseIP(local)}}
			conn, err := d.Dial("tcp4", host+":22")
			if err != nil {
				return err
			}
			return conn.Close()
		}) == nil
	}
	expect := func(when string, listed, other bool) {
		t.Helper()
		if a, b := reach(gateway), reach("203.0.113.66"); a != listed || b != other {
			t.Errorf("%s: %s reaches it: %t, want %t; 203.0.113.66: %t, want %t", when, gateway, a, listed, b, other)
		}
		w.in(w.internet, "ping", "-c", "1", "-W", "1", "-I", "203.0.113.66", host)
	}
	init := func(source string) {
		w.ok("init", "--netns", w.provider, "--hypervisor", "test:///default", "--host-source", source)
	}
	expect("at first", true, true)
	init(gateway)
	expect("one listed", true, false)
	w.ok("init", "--netns", w.provider, "--hypervisor", "test:///default")
	expect("not mentioned", true, false)
	if out := w.ok("export"); !strings.Contains(out, gateway+"/32") {
		t.Errorf("export does not say it:\n%s", out)
	}
	w.ok("apply", "-f", w.write("host.yaml", "version: 1\nhost: {services: [22/tcp], sources: [203.0.113.64/26, 203.0.113.66]}\n"))
	expect("by the document", false, true)
	init("any")
	expect("any", true, true)
	w.fails(2, "192.0.2.1/24", "init", "--netns", w.provider, "--hypervisor", "test:///default", "--host-source", "192.0.2.1/24")
}
