package firewall_test

import (
	"testing"

	"golang.org/x/sys/unix"

	"ispctl"
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
