package nft

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// byLibrary is what the library reads in the same message.
func byLibrary(t testing.TB, body []byte) ([]Counted, error) {
	t.Helper()
	said := false
	conn, err := nftables.New(nftables.WithTestDial(func([]netlink.Message) ([]netlink.Message, error) {
		if said {
			return nil, nil
		}
		said = true
		return []netlink.Message{{Header: netlink.Header{Type: unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_NEWSETELEM}, Data: body}}, nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	elems, err := conn.GetSetElements(&nftables.Set{Name: "s", Table: &nftables.Table{Name: "t", Family: nftables.TableFamilyINet}})
	var counts []Counted
	for _, e := range elems {
		if e.Counter != nil && e.Key != nil {
			counts = append(counts, Counted{string(e.Key), Tally{Packets: e.Counter.Packets, Bytes: e.Counter.Bytes}})
		}
	}
	return counts, err
}

func ours(body []byte) ([]Counted, error) {
	var t tallier
	return t.take(body, nil)
}

func attrOf(kind uint16, payload ...[]byte) []byte {
	all := slices.Concat(payload...)
	b := binary.NativeEndian.AppendUint16(nil, uint16(unix.SizeofNlAttr+len(all)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, all...)
	return append(b, make([]byte, align4(len(b))-len(b))...)
}

func big64(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// genMessage is what the kernel might say, and what it never does: keys of any
// length, elements without a counter, attributes nobody knows, in any order.
func genMessage(t *rapid.T) []byte {
	counter := func() []byte {
		parts := [][]byte{attrOf(unix.NFTA_COUNTER_BYTES, big64(rapid.Uint64().Draw(t, "bytes"))), attrOf(unix.NFTA_COUNTER_PACKETS, big64(rapid.Uint64().Draw(t, "packets")))}
		if rapid.Bool().Draw(t, "swap") {
			slices.Reverse(parts)
		}
		if rapid.Bool().Draw(t, "padded") {
			parts = append(parts, attrOf(3))
		}
		return attrOf(unix.NFTA_SET_ELEM_EXPR|unix.NLA_F_NESTED, attrOf(unix.NFTA_EXPR_NAME, []byte("counter\x00")), attrOf(unix.NFTA_EXPR_DATA|unix.NLA_F_NESTED, parts...))
	}
	other := func() []byte {
		switch rapid.SampledFrom([]string{"unknown", "timeout", "expression"}).Draw(t, "other") {
		case "timeout":
			return attrOf(unix.NFTA_SET_ELEM_TIMEOUT, big64(rapid.Uint64().Draw(t, "timeout")))
		case "expression":
			return attrOf(unix.NFTA_SET_ELEM_EXPR|unix.NLA_F_NESTED, attrOf(unix.NFTA_EXPR_NAME, []byte("last\x00")), attrOf(unix.NFTA_EXPR_DATA|unix.NLA_F_NESTED, attrOf(1, big64(7))))
		}
		return attrOf(rapid.Uint16Range(30, 100).Draw(t, "kind"), rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "payload"))
	}
	var elems [][]byte
	for range rapid.IntRange(0, 5).Draw(t, "elements") {
		parts := [][]byte{attrOf(unix.NFTA_SET_ELEM_KEY|unix.NLA_F_NESTED, attrOf(unix.NFTA_DATA_VALUE, rapid.SliceOfN(rapid.Byte(), 1, 40).Draw(t, "key")))}
		if rapid.IntRange(0, 3).Draw(t, "counts") > 0 {
			parts = append(parts, counter())
		}
		for range rapid.IntRange(0, 2).Draw(t, "others") {
			parts = append(parts, other())
		}
		elems = append(elems, attrOf(unix.NFTA_LIST_ELEM|unix.NLA_F_NESTED, rapid.Permutation(parts).Draw(t, "order")...))
	}
	return slices.Concat([]byte{1, 0, 0, 0}, attrOf(unix.NFTA_SET_ELEM_LIST_TABLE, []byte("t\x00")), attrOf(unix.NFTA_SET_ELEM_LIST_SET, []byte("s\x00")),
		attrOf(unix.NFTA_SET_ELEM_LIST_ELEMENTS|unix.NLA_F_NESTED, elems...))
}

// TestTalliesAsTheLibrary: whatever the kernel says, the counters are those that
// the library reads.
func TestTalliesAsTheLibrary(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		body := genMessage(r)
		want, err := byLibrary(t, body)
		if err != nil {
			r.Fatal(err)
		}
		got, err := ours(body)
		if err != nil {
			r.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			r.Fatalf("(-library +ours):\n%s", diff)
		}
		// What was cut off is an error, never fewer counters; but for the padding.
		cut := rapid.IntRange(0, len(body)).Draw(r, "cut")
		short, err := ours(body[:cut])
		switch whole := len(body) - cut; {
		case err != nil && len(short) > 0:
			r.Fatalf("%d counters, and %v", len(short), err)
		case err == nil && whole >= 4 && len(want) > 0 && len(short) > 0:
			r.Fatalf("%d bytes of %d are read as %d counters", cut, len(body), len(short))
		}
	})
}

// TestTalliesOfMany: with more than one expression the kernel lists them, which
// the library does not read.
func TestTalliesOfMany(t *testing.T) {
	expr := func(name string, data ...[]byte) []byte {
		return attrOf(unix.NFTA_LIST_ELEM|unix.NLA_F_NESTED, attrOf(unix.NFTA_EXPR_NAME, []byte(name+"\x00")), attrOf(unix.NFTA_EXPR_DATA|unix.NLA_F_NESTED, data...))
	}
	body := slices.Concat([]byte{1, 0, 0, 0}, attrOf(unix.NFTA_SET_ELEM_LIST_ELEMENTS, attrOf(unix.NFTA_LIST_ELEM,
		attrOf(unix.NFTA_SET_ELEM_KEY, attrOf(unix.NFTA_DATA_VALUE, []byte("key"))),
		attrOf(nftaSetElemExpressions, expr("limit", attrOf(2, big64(9))), expr("counter", attrOf(unix.NFTA_COUNTER_BYTES, big64(5)), attrOf(unix.NFTA_COUNTER_PACKETS, big64(1)))),
	)))
	got, err := ours(body)
	if diff := cmp.Diff([]Counted{{"key", Tally{Packets: 1, Bytes: 5}}}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// FuzzTallies: a message that is broken is an error or has what the library
// finds in it; it is never read beyond its end.
func FuzzTallies(f *testing.F) {
	for seed := range 20 {
		f.Add(rapid.Custom(genMessage).Example(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := ours(body)
		if err != nil {
			if len(got) > 0 {
				t.Fatalf("%d counters, and %v", len(got), err)
			}
			return
		}
		for _, c := range got {
			if c.Key == "" {
				continue
			}
			if len(c.Key) > len(body) {
				t.Fatalf("a key of %d bytes in %d", len(c.Key), len(body))
			}
		}
		want, err := byLibrary(t, body)
		if err != nil || len(want) > len(got) {
			return
		}
		for _, c := range want {
			if !slices.Contains(got, c) && slices.ContainsFunc(got, func(o Counted) bool { return o.Key == c.Key }) {
				t.Fatalf("the library reads %v, and we %v", c, got)
			}
		}
	})
}
