package integration

import (
	"encoding/binary"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ispctl/internal/netns"
)

const limited = `version: 1
addresses: [203.0.113.10]
zones:
  - {name: dmz, prefix: 10.10.0.0/24, snat: 203.0.113.10}
  - {name: mail, prefix: 10.20.0.0/24, snat: 203.0.113.10}
plans:
  - {name: tiny, cpus: 1, memory: 128MiB, disk: 256MiB}
vms:
  - {name: web1, template: micro, zone: dmz, plan: tiny}
  - {name: mail1, template: micro, zone: mail, plan: tiny}
forwards:
  - {listen: "203.0.113.10:80/tcp", to: "web1:80"}
  - {listen: "203.0.113.10:25/tcp", to: "mail1:25"}
`

// TestGuestFloodsConnections: a guest opens as many connections as it can. It
// gets its share of the host's table and no more, and its neighbour's connects
// succeed.
func TestGuestFloodsConnections(t *testing.T) {
	w, web, mail := wired(t, limited)
	outside := end{"internet", w.internet, gateway, host}
	outside.serve(t)
	stop := w.storm(web.ns, func(s *net.UDPConn, n int) {
		to := &net.UDPAddr{IP: net.ParseIP(gateway), Port: 1024 + n%60000}
		_, _ = s.WriteToUDP([]byte("?"), to) // what is refused opens nothing
	})
	// A busy machine takes its time to open as many.
	for begun := time.Now(); w.counted("guest with too many connections") == 0 && time.Since(begun) < 20*time.Second; {
		time.Sleep(100 * time.Millisecond)
	}
	ok := connects(mail.ns, gateway+":80", 300)
	count := w.tracked()
	sent := stop()
	t.Logf("%d packets of as many connections, %d tracked; neighbour: %d of 300", sent, count, ok)
	const share, others = 10_000, 700 // others: the neighbour's, which linger
	if sent < 2*share {
		t.Errorf("no flood: %d packets", sent)
	}
	if count > share+others {
		t.Errorf("the host tracks %d connections", count)
	}
	if ok < 297 {
		t.Errorf("the neighbour's connects: %d of 300", ok)
	}
	if w.counted("guest with too many connections") == 0 {
		t.Error("nothing was dropped for being too much")
	}
}

// TestFloodFromOutside: one address floods a forward, then thousands of forged
// ones do. Who comes from elsewhere still reaches it in the first case, and the
// neighbour's forward in the second.
func TestFloodFromOutside(t *testing.T) {
	w, web, mail := wired(t, limited)
	web.serve(t)
	mail.serve(t)
	w.in(w.internet, "ip", "address", "add", "203.0.113.5/32", "dev", "inet0")
	reach := func(local, address string) bool {
		return netns.Do(w.internet, func() error {
			d := net.Dialer{Timeout: time.Second, LocalAddr: &net.TCPAddr{IP: net.ParseIP(local)}}
			conn, err := d.Dial("tcp4", address)
			if err != nil {
				return err
			}
			return conn.Close()
		}) == nil
	}
	const tries = 100
	during := func(local, address string, next func(n int) netip.Addr) (ok, sent int) {
		stop := w.forge(next)
		time.Sleep(time.Second) // the bursts are over
		for range tries {
			if reach(local, address) {
				ok++
			}
		}
		return ok, stop()
	}
	one := netip.MustParseAddr("203.0.113.77")
	ok, sent := during("203.0.113.5", external+":80", func(int) netip.Addr { return one })
	t.Logf("one source sends %d: others reach the same port %d times of %d", sent, ok, tries)
	if ok < tries*99/100 {
		t.Errorf("one source sends %d: others reach the same port %d times of %d", sent, ok, tries)
	}
	if w.counted("opens too many connections a second") == 0 {
		t.Error("one source: nothing was dropped")
	}
	ok, sent = during("203.0.113.5", external+":25", func(n int) netip.Addr {
		return netip.AddrFrom4([4]byte{8, byte(n >> 16), byte(n >> 8), byte(n)})
	})
	t.Logf("forged sources send %d: others reach the neighbour %d times of %d; %d tracked", sent, ok, tries, w.tracked())
	if ok < tries*99/100 {
		t.Errorf("forged sources send %d: others reach the neighbour %d times of %d", sent, ok, tries)
	}
	if w.counted("too many connections a second to one port") == 0 {
		t.Error("forged sources: nothing was dropped")
	}
}

// storm calls send without pause, from some sockets at once in a namespace,
// until the returned function is called, which says how often it was.
func (w *world) storm(ns string, send func(s *net.UDPConn, n int)) (stop func() int) {
	w.t.Helper()
	end := make(chan struct{})
	var all sync.WaitGroup
	var mu sync.Mutex
	total := 0
	for range 2 {
		var s *net.UDPConn
		if err := netns.Do(ns, func() (err error) { s, err = net.ListenUDP("udp4", nil); return err }); err != nil {
			w.t.Fatal(err)
		}
		all.Go(func() {
			defer s.Close() //nolint:errcheck // nothing is left in it
			n := 0
			for ; ; n++ {
				select {
				case <-end:
					mu.Lock()
					total += n
					mu.Unlock()
					return
				default:
					send(s, n)
				}
			}
		})
	}
	return func() int {
		close(end)
		all.Wait()
		return total
	}
}

// forge sends SYNs to the first forward, each from the next source.
func (w *world) forge(next func(n int) netip.Addr) (stop func() int) {
	w.t.Helper()
	fd := -1
	err := netns.Do(w.internet, func() (err error) {
		fd, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	end, ended := make(chan struct{}), make(chan int)
	dest := netip.MustParseAddr(external)
	go func() {
		n := 0
		for ; ; n++ {
			select {
			case <-end:
				ended <- n
				return
			default:
			}
			p := syn(next(n), dest, uint16(1024+n%60000), 80)
			_ = unix.Sendto(fd, p, 0, &unix.SockaddrInet4{Addr: dest.As4()})
			if n%100 == 0 {
				time.Sleep(time.Millisecond) // some ten thousand a second, on two cores
			}
		}
	}()
	return func() int {
		close(end)
		n := <-ended
		if err := unix.Close(fd); err != nil {
			w.t.Error(err)
		}
		return n
	}
}

// syn is an IPv4 packet that opens a connection (RFC 791, RFC 9293). The kernel
// fills in the checksum of the IP header.
func syn(from, to netip.Addr, fromPort, toPort uint16) []byte {
	p := make([]byte, 40)
	p[0], p[8], p[9] = 0x45, 64, unix.IPPROTO_TCP
	binary.BigEndian.PutUint16(p[2:], 40)
	copy(p[12:], from.AsSlice())
	copy(p[16:], to.AsSlice())
	tcp := p[20:]
	binary.BigEndian.PutUint16(tcp, fromPort)
	binary.BigEndian.PutUint16(tcp[2:], toPort)
	tcp[12], tcp[13] = 5<<4, 2
	binary.BigEndian.PutUint16(tcp[14:], 1024)
	sum := uint32(unix.IPPROTO_TCP + len(tcp))
	for i := 12; i < len(p); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(p[i:]))
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	binary.BigEndian.PutUint16(tcp[16:], ^uint16(sum))
	return p
}

// connects opens a TCP connection that many times, and says how often it
// succeeded.
func connects(ns, address string, times int) (ok int) {
	for range times {
		err := netns.Do(ns, func() error {
			conn, err := net.DialTimeout("tcp4", address, time.Second)
			if err != nil {
				return err
			}
			return conn.Close()
		})
		if err == nil {
			ok++
		}
	}
	return ok
}

// tracked is how many connections the provider's namespace tracks.
func (w *world) tracked() int {
	w.t.Helper()
	n, err := strconv.Atoi(strings.TrimSpace(w.in(w.provider, "cat", "/proc/sys/net/netfilter/nf_conntrack_count")))
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}
