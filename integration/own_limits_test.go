package integration

import (
	"net"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestLimitsOfAPlan: a guest floods, and what gets out is what its plan says; of
// connections at once, of packets a second, and of new connections a second,
// which are changed on the way.
func TestLimitsOfAPlan(t *testing.T) {
	w, web, mail := wired(t, strings.Replace(limited, "disk: 256MiB}", "disk: 256MiB, limits: {connections: 200}}", 1))
	w.ok("qos", "set", "mail1", "--connections", "none")
	each := func(s *net.UDPConn, n int) {
		_, _ = s.WriteToUDP([]byte("?"), &net.UDPAddr{IP: net.ParseIP(gateway), Port: 1024 + n%60000})
	}
	one := func(s *net.UDPConn, _ int) {
		_, _ = s.WriteToUDP([]byte("?"), &net.UDPAddr{IP: net.ParseIP(gateway), Port: 1024})
	}
	stop := w.storm(web.ns, each)
	time.Sleep(time.Second)
	count, sent := w.tracked(), stop()
	if lingering := 20; count < 190 || count > 200+lingering || sent < 1000 {
		t.Errorf("the host tracks %d connections, of %d that were tried", count, sent)
	}
	if w.counted("more connections than its plan has") == 0 {
		t.Error("nothing was dropped for being more than the plan has")
	}
	arrived := func() int {
		n, err := strconv.Atoi(strings.TrimSpace(w.in(w.internet, "cat", "/sys/class/net/inet0/statistics/rx_packets")))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	paced := func(what string, rate, burst int, send func(*net.UDPConn, int)) {
		w.ok("qos", "set", "mail1", "--packets", "none", "--new-connections", "none")
		w.ok("qos", "set", "mail1", "--"+what, strconv.Itoa(rate))
		before, start := arrived(), time.Now()
		stop := w.storm(mail.ns, send)
		time.Sleep(3 * time.Second)
		sent := stop()
		got, most := arrived()-before, burst+int(float64(rate)*time.Since(start).Seconds())
		t.Logf("%s %d: %d of %d arrived, %d at most", what, rate, got, sent, most)
		if got < most*8/10 || got > most*21/20+20 || sent < 2*most {
			t.Errorf("%s %d: %d of %d arrived, %d at most", what, rate, got, sent, most)
		}
	}
	paced("packets", 1000, 1000, one)
	paced("new-connections", 100, 100, each)
}
