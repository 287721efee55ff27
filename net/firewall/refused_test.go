package firewall_test

import (
	"context"
	"net/netip"
	"testing"

	"ispctl/net/firewall"
	"ispctl/net/nft"
)

// TestRefusedTransactionLeavesTheOldRules gives the kernel a transaction that
// takes the walls of two guests away and ends in something that it refuses. The
// frames are sent before and after: what passed passes, what did not does not,
// and a port that the old rules do not know passes nothing.
func TestRefusedTransactionLeavesTheOldRules(t *testing.T) {
	w := newWire(t, 1)
	all := w.model.VMs
	w.model.VMs = all[:2] // the third has a port, and no rule knows it
	w.build(t)
	forged := arp{senderMAC: stranger, src: stranger, sender: webAddr, target: neighbourAddr}.frame()
	stand := func(when string) {
		t.Helper()
		if w.passed(t, web, guestARP(web, neighbourAddr)) == nil {
			t.Errorf("%s: a guest's own frame is lost", when)
		}
		if where := w.passed(t, web, forged); where != nil {
			t.Errorf("%s: a forged frame came out at %v", when, where)
		}
		if w.heardBeside(t, six, guestARP(six, webAddr), web) {
			t.Errorf("%s: a frame from an unknown port passed", when)
		}
	}
	stand("before")

	w.model.VMs = all[1:] // web is taken away, six is let in
	want, err := firewall.Desired(w.model)
	check(t, err)
	for _, table := range want {
		if _, has := table.Elements["bogons"]; !has {
			continue
		}
		for _, prefix := range []string{"198.51.100.0/24", "198.51.100.128/25"} { // they overlap
			key, end := nft.Range(netip.MustParsePrefix(prefix))
			table.Add("bogons", nft.Elem{Key: key, End: end})
		}
	}
	have, err := w.wall.Observe(context.Background())
	check(t, err)
	if w.wall.Apply(context.Background(), nft.Diff(want, have)) == nil {
		t.Fatal("the kernel takes ranges that overlap")
	}
	stand("after the refusal")

	// The same without what it refuses: the frames do tell.
	w.build(t)
	if where := w.passed(t, neighbour, guestARP(neighbour, webAddr)); where == nil {
		t.Error("a guest that stays is cut off")
	}
	if !w.heardBeside(t, six, guestARP(six, webAddr), neighbour) {
		t.Error("the guest that was let in is not")
	}
}

// heardBeside sends a frame on one guest's wire and reports whether the host or the
// neighbour hears it before a fence on another's, which is let through.
func (w *wire) heardBeside(t *testing.T, from string, frame []byte, fencer string) bool {
	t.Helper()
	w.drain()
	check(t, w.send(from, frame))
	w.fence++
	fence := fenceFrame(fencer, w.fence)
	check(t, w.send(fencer, fence))
	n := w.before(t, w.host, 0, fence, false)
	return n+w.before(t, w.taps[neighbour], vnetHeader, fence, fencer == neighbour) > 0
}
