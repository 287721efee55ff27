package firewall_test

import (
	"testing"

	"golang.org/x/sys/unix"

	"ispctl"
	"ispctl/net/firewall"
)

// TestBlocked: a guest whose quota is used up neither sends nor hears; its
// neighbours do, and it does again when that ends.
func TestBlocked(t *testing.T) {
	w := newWire(t, 1)
	fair := ip4{proto: 6, payload: tcp(40000, 80)}.frame() // from web1 to its neighbour
	for _, blocked := range []bool{false, true, false} {
		w.model.Throttles = nil
		if blocked {
			w.model.Throttles = []ispctl.Throttle{{VM: w.model.VMs[0].Name, Action: ispctl.ActionBlock}}
			w.model.VMs[0].Name = "blocked1"
			w.model.Throttles[0].VM = "blocked1"
		}
		w.build(t)
		check(t, w.send(web, fair))
		heard := w.heard(neighbour, fair)
		if heard == blocked {
			t.Errorf("blocked %v, and its frame came out: %v", blocked, heard)
		}
	}
}

// TestSuspended: a tenant's guests neither send nor hear, on any NIC, and the
// wall says why; those of others do. Resumed they do again.
func TestSuspended(t *testing.T) {
	w := newWire(t, 1)
	w.model.Tenants = []ispctl.Tenant{{Name: "acme"}}
	w.model.VMs[0].Tenant = "acme"
	out := ip4{proto: 6, payload: tcp(40000, 80)}.frame() // from web1 to its neighbour
	in := ip4{src: neighbourMAC, dst: webMAC, from: neighbourAddr, to: webAddr, proto: 6, payload: tcp(80, 40000)}.frame()
	other := ip4{src: neighbourMAC, dst: sixMAC, from: neighbourAddr, to: sixAddr4, proto: 6, payload: tcp(40000, 80)}.frame()
	for _, suspended := range []bool{false, true, false} {
		w.model.Tenants[0].Suspended = suspended
		w.build(t)
		for _, tt := range []struct {
			what, from, to string
			frame          []byte
			passes         bool
		}{
			{"from it", web, neighbour, out, !suspended},
			{"to it", neighbour, web, in, !suspended},
			{"between others", neighbour, six, other, true},
		} {
			check(t, w.send(tt.from, tt.frame))
			if heard := w.heard(tt.to, tt.frame); heard != tt.passes {
				t.Errorf("suspended %v, %s: came out %v", suspended, tt.what, heard)
			}
		}
	}
	drops, err := firewall.Drops(t.Context(), w.model.Installation, w.wall)
	check(t, err)
	if n := drops[web]["suspended"].Packets; n != 1 {
		t.Errorf("dropped as suspended: %d, of %v", n, drops)
	}
}

// heard reports whether a frame has come out at a tap.
func (w *wire) heard(tap string, frame []byte) bool {
	buf := make([]byte, 1<<16)
	for {
		n, err := unix.Read(w.taps[tap], buf)
		if err != nil {
			return false
		}
		if string(buf[min(vnetHeader, n):n]) == string(frame) {
			return true
		}
	}
}
