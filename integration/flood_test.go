package integration

import (
	"encoding/binary"
	"errors"
	"flag"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ispctl/internal/netns"
)

var reapplies = flag.Int("flood.reapplies", 50, "how often the document is applied anew under a flood")

// stream is numbered packets of UDP from one namespace to an address, and what
// arrived of them, with the time of each.
type stream struct {
	t     testing.TB
	close func()
	done  sync.WaitGroup

	mu   sync.Mutex
	sent uint64
	got  map[uint64]time.Time
}

// flood sends a packet every gap from ns until the test or the stream ends, and
// listens in the namespace of the address.
func flood(t testing.TB, ns, toNS, address string, gap time.Duration) *stream {
	t.Helper()
	s := &stream{t: t, got: map[uint64]time.Time{}}
	var in net.PacketConn
	var out net.Conn
	err := errors.Join(
		netns.Do(toNS, func() (err error) { in, err = net.ListenPacket("udp4", address); return err }),
		netns.Do(ns, func() (err error) { out, err = net.Dial("udp4", address); return err }),
	)
	if err != nil {
		t.Fatal(err)
	}
	_ = in.(*net.UDPConn).SetReadBuffer(8 << 20) // what it may have
	stop := make(chan struct{})
	s.close = sync.OnceFunc(func() {
		close(stop)
		time.Sleep(100 * time.Millisecond) // what is on its way arrives
		_, _ = in.Close(), out.Close()
		s.done.Wait()
	})
	t.Cleanup(s.close)
	s.done.Go(func() {
		tick := time.NewTicker(gap)
		defer tick.Stop()
		var packet [8]byte
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			s.mu.Lock()
			binary.BigEndian.PutUint64(packet[:], s.sent)
			s.sent++
			s.mu.Unlock()
			_, _ = out.Write(packet[:]) // what was refused did not arrive
		}
	})
	s.done.Go(func() {
		var packet [64]byte
		for {
			n, _, err := in.ReadFrom(packet[:])
			if err != nil {
				return
			}
			s.mu.Lock()
			if n == 8 {
				s.got[binary.BigEndian.Uint64(packet[:])] = time.Now()
			}
			s.mu.Unlock()
		}
	})
	return s
}

// end ends it, and says how many were sent, how many of them arrived, and how
// long after the first one of them the last one did.
func (s *stream) end() (sent, arrived int, between time.Duration) {
	s.close()
	times := make([]time.Time, 0, len(s.got))
	for _, at := range s.got {
		times = append(times, at)
	}
	slices.SortFunc(times, time.Time.Compare)
	if len(times) > 0 {
		between = times[len(times)-1].Sub(times[0])
	}
	return int(s.sent), len(times), between
}

// wired is a world with a namespace behind the tap of each guest.
func wired(t *testing.T, document string) (w *world, web, mail end) {
	t.Helper()
	w = newWorld(t, "test:///default")
	if err := os.Chmod(filepath.Dir(w.root), 0o755); err != nil { // for dnsmasq's own user
		t.Fatal(err)
	}
	w.ok("image", "build", "micro")
	w.ok("apply", "-f", w.write("provider.yaml", document))
	join := func(name string) end {
		vm := w.vm(name)
		router := strings.TrimSuffix(vm.Addresses[0], lastByte(vm.Addresses[0])) + "1"
		g := w.wire(t, vm, router)
		return end{name, g.ns, vm.Addresses[0], router}
	}
	return w, join("web1"), join("mail1")
}

// TestUnwalledFor measures for how long guests are unwalled after another tool
// has flushed all rules: packets between zones that are closed to each other.
func TestUnwalledFor(t *testing.T) {
	w, web, mail := wired(t, drifting)
	s := w.serve()
	s.says("changes")
	var worst time.Duration
	for range 10 {
		f := flood(t, web.ns, mail.ns, mail.addr+":7777", 200*time.Microsecond)
		time.Sleep(300 * time.Millisecond)
		w.in(w.provider, "nft", "flush", "ruleset")
		time.Sleep(1500 * time.Millisecond)
		sent, leaked, between := f.end()
		t.Logf("of %d packets %d passed, for %s", sent, leaked, between)
		worst = max(worst, between)
	}
	if worst > 10*time.Second {
		t.Errorf("unwalled for %s", worst)
	}
}

// TestReapplyUnderFlood applies two documents in turn, which change rules and
// elements, while packets flow: none that is forbidden passes, and none
// that is allowed is lost.
func TestReapplyUnderFlood(t *testing.T) {
	allowed := drifting + "policies:\n  - {from: dmz, to: mail, services: [udp/7001]}\n"
	w, web, mail := wired(t, allowed)
	first := w.write("first.yaml", allowed)
	second := w.write("second.yaml", strings.Replace(allowed, "udp/7001]", "udp/7001, tcp/25, icmp]", 1)+
		"  - {from: mail, to: internet, services: [tcp/25], log: true}\n")
	may := flood(t, web.ns, mail.ns, mail.addr+":7001", time.Millisecond)
	mayNot := flood(t, web.ns, mail.ns, mail.addr+":7002", time.Millisecond)
	back := flood(t, mail.ns, web.ns, web.addr+":7001", time.Millisecond)
	time.Sleep(100 * time.Millisecond)
	began := time.Now()
	for n := range *reapplies {
		// A rule of somebody else's, that changes nothing, has the whole table
		// replaced.
		w.in(w.provider, "nft", "insert", "rule", "inet", "ispctl-firewall", "forward", "counter")
		if n%2 == 0 {
			w.ok("apply", "-f", second)
		} else {
			w.ok("apply", "-f", first)
		}
	}
	t.Logf("%d times in %s", *reapplies, time.Since(began).Round(time.Millisecond))
	if sent, got, _ := may.end(); got != sent || sent < 100 {
		t.Errorf("allowed: %d of %d arrived", got, sent)
	} else {
		t.Logf("allowed: all %d arrived", sent)
	}
	for name, f := range map[string]*stream{"forbidden": mayNot, "the other way": back} {
		if sent, got, _ := f.end(); got != 0 || sent < 100 {
			t.Errorf("%s: %d of %d passed", name, got, sent)
		} else {
			t.Logf("%s: none of %d passed", name, sent)
		}
	}
}
