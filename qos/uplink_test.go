package qos_test

import (
	"math"
	"net/netip"
	"sync"
	"testing"

	"ispctl"
	"ispctl/internal/netns"
	"ispctl/internal/testkit"
	"ispctl/net/nft"
	"ispctl/qos"
)

// TestUplinkIsShared: two guests that want all of the uplink have their
// guarantee each, and what is left in proportion to it.
func TestUplinkIsShared(t *testing.T) {
	testkit.Need(t, iperf3)
	w := wired(t, 2, 1500)
	w.model.Uplink = ispctl.Uplink{Interface: "up0", Kind: ispctl.Routed, Up: 45 * ispctl.Mbit, Address: netip.MustParsePrefix("203.0.113.2/24")}
	inet := w.host + "-inet"
	create(t, inet)
	w.ip(t, "link", "add", "up0", "type", "veth", "peer", "name", "up1", "netns", inet)
	w.ip(t, "address", "add", "203.0.113.2/24", "dev", "up0")
	w.ip(t, "link", "set", "up0", "up")
	testkit.Sh(t, "ip", "netns", "exec", w.host, "sysctl", "-qw", "net.ipv4.ip_forward=1")
	for _, argv := range [][]string{
		{"address", "add", "203.0.113.1/24", "dev", "up1"}, {"link", "set", "up1", "up"}, {"route", "add", "10.10.0.0/24", "via", "203.0.113.2"},
	} {
		testkit.Sh(t, append([]string{"ip", "-n", inet}, argv...)...)
	}
	guarantee := []ispctl.Rate{10 * ispctl.Mbit, 20 * ispctl.Mbit}
	for i, g := range guarantee {
		w.limit(t, i, ispctl.Limits{Guarantee: g})
	}
	want, err := qos.DesiredClasses(w.model)
	if err != nil {
		t.Fatal(err)
	}
	var marks *nft.Kernel
	if err := netns.Do(w.host, func() (err error) { marks, err = nft.Open(inst.Table(qos.ClassLayer)); return err }); err != nil {
		t.Fatal(err)
	}
	defer marks.Close() //nolint:errcheck // the namespace goes with it
	have, err := marks.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := marks.Apply(t.Context(), nft.Diff(want, have)); err != nil {
		t.Fatal(err)
	}
	for _, udp := range []bool{false, true} {
		// The host and guests without a promise have what is not promised,
		// 15 Mbit/s, and do not ask for it: it is shared, one to two.
		expect := []float64{15e6, 30e6}
		var off []float64
		for try := 0; try < tries; try++ {
			off = make([]float64, len(expect))
			var group sync.WaitGroup
			for i := range expect {
				group.Go(func() {
					x := transfer{guest: i, way: up, udp: udp, offered: 2 * guarantee[i], port: 5700 + i, seconds: 5, to: "203.0.113.1", at: inet}
					off[i] = w.wireRate(t, x)/expect[i] - 1
				})
			}
			group.Wait()
			if math.Abs(off[0]) < 2*tolerance && math.Abs(off[1]) < 2*tolerance {
				break
			}
		}
		t.Logf("udp %v: off by %+.2f %% and %+.2f %%", udp, off[0]*100, off[1]*100)
		if math.Abs(off[0]) > 2*tolerance || math.Abs(off[1]) > 2*tolerance {
			t.Errorf("udp %v: off by %+.2f %% and %+.2f %%", udp, off[0]*100, off[1]*100)
		}
	}
}
