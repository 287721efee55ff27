package nft_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"testing"
	"time"

	"ispctl/internal/testkit"
	"ispctl/net/nft"
)

// TestBigTransaction makes a table of 100,000 elements in one, reads it, and
// mends one element.
func TestBigTransaction(t *testing.T) {
	k := open(t)
	want := sample()
	for n := range uint32(100_000) {
		var a [4]byte
		binary.BigEndian.PutUint32(a[:], 0x0a000000+n)
		want.Add("pairs", nft.Elem{Key: nft.Join(nft.Ifname(fmt.Sprintf("isp-%d-0", n)), nft.Addr(netip.AddrFrom4(a)))})
	}
	apply(t, k, nft.NewState(want))
	settle(t, k, nft.NewState(want))
	same(t, nft.NewState(want), observe(t, k))
	byHand(t, `delete element inet ispctl-test pairs { "isp-77-0" . 10.0.0.77 }`)
	changes := nft.Diff(nft.NewState(want), observe(t, k))
	if len(changes) != 1 || len(changes[0].Elems) != 1 {
		t.Fatalf("%d changes", len(changes))
	}
	apply(t, k, nft.NewState(want))
	settle(t, k, nft.NewState(want))
	same(t, nft.NewState(want), observe(t, k))
}

// settle waits until the kernel has moved a hash table that has just grown: it
// does so in the background, and a list that is made meanwhile may lack
// elements (rhashtable_walk_start in lib/rhashtable.c). The next pass would put
// them in again, which changes nothing.
func settle(t testing.TB, k *nft.Kernel, want nft.State) {
	t.Helper()
	for range 20 {
		if len(nft.Diff(want, observe(t, k))) == 0 {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// TestRefusalIsShort: an error quotes the transaction, not all of it.
func TestRefusalIsShort(t *testing.T) {
	k := open(t)
	want := sample()
	for n := range 10_000 {
		want.Add("links", nft.Elem{Key: nft.Join(nft.Ifname(fmt.Sprintf("link%d", n)))})
	}
	want.Add("sources", source("10.0.0.0/8", "192.0.2.1"))
	want.Add("sources", source("10.1.0.0/16", "192.0.2.2")) // overlaps
	err := k.Apply(t.Context(), nft.Diff(nft.NewState(want), nft.State{}))
	if err == nil {
		t.Fatal("the kernel takes overlapping ranges")
	}
	if n := len(err.Error()); n > 5000 {
		t.Errorf("an error of %d bytes", n)
	}
	if len(observe(t, k)) != 0 {
		t.Error("half of it was made")
	}
	fake := nft.NewFake()
	if fake.Apply(t.Context(), nft.Diff(nft.NewState(want), nft.State{})) == nil {
		t.Error("the fake takes overlapping ranges")
	}
}

// TestClosed: an edge that is closed does nothing, least of all in the
// namespace of whoever asks.
func TestClosed(t *testing.T) {
	k := open(t)
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Observe(t.Context()); !errors.Is(err, os.ErrClosed) {
		t.Errorf("observe: %v", err)
	}
	if err := k.Apply(t.Context(), nft.Diff(nft.NewState(sample()), nft.State{})); !errors.Is(err, os.ErrClosed) {
		t.Errorf("apply: %v", err)
	}
	if _, err := k.Counts(t.Context(), nft.Inet, table, "seen"); !errors.Is(err, os.ErrClosed) {
		t.Errorf("counts: %v", err)
	}
	if tables := testkit.Sh(t, "nft", "list", "tables"); tables != "" {
		t.Errorf("it made %s", tables)
	}
}
