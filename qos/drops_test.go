package qos_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"

	"ispctl"
	"ispctl/internal/netns"
	"ispctl/internal/testkit"
	"ispctl/qos"
)

// flood sends more datagrams than a shaper has room for.
func flood(t testing.TB, ns, from, to string) {
	t.Helper()
	var c net.Conn
	err := netns.Do(ns, func() (err error) {
		c, err = (&net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(from)}}).Dial("udp4", net.JoinHostPort(to, "9"))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close() //nolint:errcheck // it was only written
	for range 2000 {
		// That nobody listens is said by ICMP; no room in a queue is what is wanted.
		if _, err := c.Write(make([]byte, 1400)); err != nil && !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, syscall.ENOBUFS) {
			t.Fatal(err)
		}
	}
}

// byTC is what tc(8) says that a queueing discipline dropped.
func (w *network) byTC(t testing.TB, dev, kind, parent string) (drops uint64) {
	t.Helper()
	var all []struct {
		Kind, Parent string
		Root         bool
		Drops        uint64
	}
	if err := json.Unmarshal([]byte(testkit.Sh(t, "tc", "-n", w.host, "-s", "-j", "qdisc", "show", "dev", dev)), &all); err != nil {
		t.Fatal(err)
	}
	for _, q := range all {
		if q.Kind == kind && (q.Root || q.Parent == parent) {
			drops += q.Drops
		}
	}
	return drops
}

// droppedAs waits until what is read is what tc says, and something.
func (w *network) droppedAs(t testing.TB, says func() qos.Dropped) {
	t.Helper()
	var got, want qos.Dropped
	for range 300 {
		all, err := w.kernel.Drops(w.model)
		if err != nil {
			t.Fatal(err)
		}
		if got, want = all[w.guests[0].tap], says(); got == want && got.Down > 0 && got.Up > 0 {
			t.Logf("dropped %+v", got)
			if _, other := all[w.guests[1].tap]; other || len(all) != 1 {
				t.Errorf("dropped of others: %v", all)
			}
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Errorf("dropped %+v, tc says %+v", got, want)
}

// TestDrops: what a guest's shapers had no room for is told as tc tells it, each
// way, and of no other guest.
func TestDrops(t *testing.T) {
	w := wired(t, 2, 1500)
	l := ispctl.Limits{Down: ispctl.Mbit, Up: ispctl.Mbit}
	w.limit(t, 1, l)
	w.limit(t, 0, l)
	g := w.guests[0]
	flood(t, w.host, remote, g.addr)
	flood(t, g.ns, g.addr, remote)
	w.droppedAs(t, func() qos.Dropped {
		return qos.Dropped{Down: w.byTC(t, g.tap, "htb", ""), Up: w.byTC(t, inst.Shaper(g.tap), "htb", "")}
	})
}

// TestCrowdDrops is the same of guests that share interfaces.
func TestCrowdDrops(t *testing.T) {
	w, inet := crowded(t, 2, 1500, ispctl.Limits{Down: ispctl.Mbit, Up: ispctl.Mbit})
	g := w.guests[0]
	flood(t, inet, internet, g.addr)
	flood(t, g.ns, g.addr, internet)
	number, queue := ofCrowd/256+2, fmt.Sprintf("%x:%x", qos.Major, ofCrowd%256+1)
	w.droppedAs(t, func() qos.Dropped {
		return qos.Dropped{Down: w.byTC(t, inst.CrowdDown(number), "tbf", queue), Up: w.byTC(t, inst.CrowdUp(number), "tbf", queue)}
	})
}
