package nft_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/nftables"

	"ispctl/internal/testkit"
	"ispctl/net/nft"
)

const table = "ispctl-test"

// open makes an empty namespace and an edge to its rules.
func open(t testing.TB) *nft.Kernel {
	t.Helper()
	testkit.NetNS(t)
	k, err := nft.Open(table)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.Close() })
	return k
}

// sample is a table with a set of each kind that is compared, and one that is
// not.
func sample() nft.Table {
	return nft.NewTable(nft.Inet, table, []nft.Set{
		{Name: "links", Key: []nft.Type{nft.TypeIfname}},
		{Name: "pairs", Key: []nft.Type{nft.TypeIfname, nft.TypeIPv4}},
		{Name: "sources", Key: []nft.Type{nft.TypeIPv4}, Value: []nft.Type{nft.TypeIPv4}, Interval: true},
		{Name: "ports", Key: []nft.Type{nft.TypeService}, Value: []nft.Type{nft.TypeIPv4}},
		{Name: "seen", Key: []nft.Type{nft.TypeIPv4}, Dynamic: true, Size: 100},
	}, []nft.Chain{{
		Name: "input", Hook: &nft.Hook{Type: "filter", Hook: "input", Priority: 10},
		Rules: []nft.Rule{
			nft.NewRule("counted", nft.FromIPv4(), nft.CountIn("seen", nft.IPSource)),
			nft.NewRule("known", nft.IIFIn("links"), nft.Accept()),
		},
	}})
}

func port(n uint16, to string) nft.Elem {
	return nft.Elem{Key: nft.Join(nft.Service(n)), Value: nft.Join(nft.Addr(netip.MustParseAddr(to)))}
}

func source(prefix, to string) nft.Elem {
	key, end := nft.Range(netip.MustParsePrefix(prefix))
	return nft.Elem{Key: key, End: end, Value: nft.Join(nft.Addr(netip.MustParseAddr(to)))}
}

func apply(t testing.TB, k *nft.Kernel, want nft.State) {
	t.Helper()
	if err := k.Apply(t.Context(), nft.Diff(want, observe(t, k))); err != nil {
		t.Fatal(err)
	}
}

func observe(t testing.TB, k *nft.Kernel) nft.State {
	t.Helper()
	have, err := k.Observe(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return have
}

func same(t testing.TB, want, have nft.State) {
	t.Helper()
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("(-want +have):\n%s", diff)
	}
}

// byHand runs nft.
func byHand(t testing.TB, script string) {
	t.Helper()
	cmd := exec.Command("nft", "-f", "-")
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("nft: %v\n%s", err, out)
	}
}

// TestIntervalCorners puts ranges where they meet each other and the ends of
// the address space.
func TestIntervalCorners(t *testing.T) {
	for name, prefixes := range map[string][]string{
		"everything":              {"0.0.0.0/0"},
		"the first address":       {"0.0.0.0/32"},
		"the last address":        {"255.255.255.255/32"},
		"both ends":               {"0.0.0.0/8", "255.0.0.0/8"},
		"halves":                  {"0.0.0.0/1", "128.0.0.0/1"},
		"side by side":            {"10.10.0.0/24", "10.10.1.0/24", "10.10.2.0/24"},
		"one apart":               {"10.10.0.0/32", "10.10.0.2/32"},
		"single addresses":        {"10.10.0.0/32", "10.10.0.1/32", "10.10.0.2/32"},
		"side by side at the end": {"255.255.255.252/31", "255.255.255.254/31"},
	} {
		t.Run(name, func(t *testing.T) {
			k := open(t)
			want := sample()
			for i, p := range prefixes {
				want.Add("sources", source(p, fmt.Sprintf("192.0.2.%d", i+1)))
			}
			apply(t, k, nft.NewState(want))
			same(t, nft.NewState(want), observe(t, k))

			// One by one out and in again, which leaves neighbours alone.
			for i := range prefixes {
				less := sample()
				for j, other := range prefixes {
					if i != j {
						less.Add("sources", source(other, fmt.Sprintf("192.0.2.%d", j+1)))
					}
				}
				apply(t, k, nft.NewState(less))
				same(t, nft.NewState(less), observe(t, k))
				apply(t, k, nft.NewState(want))
				same(t, nft.NewState(want), observe(t, k))
			}
		})
	}
}

// TestSomebodyWasFaster changes what the changes were made for, after they were
// made.
func TestSomebodyWasFaster(t *testing.T) {
	for name, meanwhile := range map[string]string{
		"nothing":                       "",
		"the table is gone":             "delete table inet ispctl-test",
		"the element is there":          "add element inet ispctl-test ports { 25 : 10.0.0.25 }",
		"the element has another value": "add element inet ispctl-test ports { 25 : 10.9.9.9 }",
		"what goes is gone":             "delete element inet ispctl-test ports { 80 }",
		"what goes has another value":   "delete element inet ispctl-test ports { 80 }; add element inet ispctl-test ports { 80 : 10.9.9.9 }",
		"all elements are gone":         "flush map inet ispctl-test ports",
	} {
		t.Run(name, func(t *testing.T) {
			k := open(t)
			before, after := sample(), sample()
			before.Add("ports", port(80, "10.0.0.80"))
			before.Add("ports", port(443, "10.0.0.1"))
			after.Add("ports", port(443, "10.0.0.2"))
			after.Add("ports", port(25, "10.0.0.25"))
			apply(t, k, nft.NewState(before))
			changes := nft.Diff(nft.NewState(after), observe(t, k))
			byHand(t, meanwhile)
			if err := k.Apply(t.Context(), changes); err != nil {
				t.Fatal(err)
			}
			same(t, nft.NewState(after), observe(t, k))
		})
	}
}

// TestObserveIsNoMixture reads while another connection replaces the table with
// either of two, over and over: what is seen is the one or the other.
func TestObserveIsNoMixture(t *testing.T) {
	k := open(t)
	one, other := sample(), sample()
	for n := range uint16(50) {
		one.Add("ports", port(n+1, "10.0.0.1"))
		one.Add("links", nft.Elem{Key: nft.Join(nft.Ifname(fmt.Sprintf("one%d", n)))})
		other.Add("ports", port(n+1001, "10.0.0.2"))
		other.Add("links", nft.Elem{Key: nft.Join(nft.Ifname(fmt.Sprintf("other%d", n)))})
	}
	writer, err := nft.Open(table)
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	apply(t, writer, nft.NewState(one))
	// The writer rests for up to twice as long as a look takes, wherever this
	// runs: so some looks are disturbed, and some are not.
	var look atomic.Int64
	stop := make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(rand.N(time.Duration(2*look.Load() + 1))):
			}
			next := nft.NewState([]nft.Table{one, other}[i%2])
			if err := writer.Apply(context.Background(), nft.Diff(next, nft.State{})); err != nil {
				t.Error(err)
				return
			}
		}
	})
	seen := 0
	for end := time.Now().Add(20 * time.Second); seen < 100 && (seen == 0 || time.Now().Before(end)) && !t.Failed(); {
		began := time.Now()
		have, err := k.Observe(t.Context())
		look.Store(int64(time.Since(began)))
		if err != nil {
			continue // it was changed each time; it says so
		}
		seen++
		key := string(nft.Inet) + " " + table
		if !have[key].Equal(one) && !have[key].Equal(other) {
			t.Errorf("a table that never was:\n%s", cmp.Diff(one, have[key]))
		}
	}
	close(stop)
	done.Wait()
	if seen == 0 {
		t.Error("never saw anything")
	}
}

// TestManyAtOnce has goroutines share one edge.
func TestManyAtOnce(t *testing.T) {
	k := open(t)
	want := sample()
	for n := range uint16(200) {
		want.Add("ports", port(n+1, "10.0.0.1"))
	}
	apply(t, k, nft.NewState(want))
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 20 {
				have, err := k.Observe(context.Background())
				if err != nil {
					t.Error(err)
				}
				same(t, nft.NewState(want), have)
				if _, err := k.Counts(context.Background(), nft.Inet, table, "seen"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

// TestUnreadable puts a set into the table whose type the library does not
// know, as a newer nft might. It must not stand there for ever.
func TestUnreadable(t *testing.T) {
	k := open(t)
	want := nft.NewState(sample())
	apply(t, k, want)
	strange := nftables.TypeMark
	strange.SetNFTMagic(63)
	conn, err := nftables.New()
	if err != nil {
		t.Fatal(err)
	}
	in := &nftables.Table{Family: nftables.TableFamilyINet, Name: table}
	if err := conn.AddSet(&nftables.Set{Table: in, Name: "strange", KeyType: strange}, nil); err != nil {
		t.Fatal(err)
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	if have := observe(t, k); !strings.Contains(have["inet "+table].Structure, "unreadable") {
		t.Errorf("read all the same: %s", have["inet "+table].Structure)
	}
	apply(t, k, want)
	same(t, want, observe(t, k))
}

// TestReplacedInPlace goes from one structure to another: chains that stay,
// move, come and go, and sets of the same name and another type. By netlink and
// by its text it is the same.
func TestReplacedInPlace(t *testing.T) {
	other := nft.NewTable(nft.Inet, table, []nft.Set{
		{Name: "links", Key: []nft.Type{nft.TypeIPv4}},
		{Name: "ports", Key: []nft.Type{nft.TypeService}},
	}, []nft.Chain{
		{
			Name: "input", Hook: &nft.Hook{Type: "filter", Hook: "input", Priority: 10},
			Rules: []nft.Rule{nft.NewRule("by address", nft.FromIPv4(), nft.In("links", nft.IPSource), nft.Accept())},
		},
		{Name: "forward", Hook: &nft.Hook{Type: "filter", Hook: "forward", Drop: true}},
		{Name: "aside", Rules: []nft.Rule{nft.NewRule("jumped to by nobody", nft.Drop())}},
	})
	other.Add("ports", nft.Elem{Key: nft.Join(nft.Service(80))})
	moved := nft.NewTable(nft.Inet, table, []nft.Set{{Name: "links", Key: []nft.Type{nft.TypeIPv4}}}, []nft.Chain{
		{Name: "input", Hook: &nft.Hook{Type: "filter", Hook: "input", Priority: 11}},
		{Name: "aside", Hook: &nft.Hook{Type: "filter", Hook: "output"}},
	})
	first := sample()
	first.Add("ports", port(80, "10.0.0.80"))
	tables := []nft.Table{first, other, moved, other, first}
	k := open(t)
	for _, want := range tables {
		changes := nft.Diff(nft.NewState(want), observe(t, k))
		for range 2 { // the second time it is there already
			if err := k.Apply(t.Context(), changes); err != nil {
				t.Fatal(err)
			}
			same(t, nft.NewState(want), observe(t, k))
		}
	}
	for _, want := range tables[1:] {
		for _, c := range nft.Diff(nft.NewState(want), observe(t, k)) {
			script, _ := strings.CutPrefix(c.String(), "nft -f - <<'EOF'\n")
			byHand(t, strings.TrimSuffix(script, "EOF"))
		}
		same(t, nft.NewState(want), observe(t, k))
	}
}

// TestCountsStay: a table whose rules change keeps what packets put into its
// dynamic sets.
func TestCountsStay(t *testing.T) {
	k := open(t)
	apply(t, k, nft.NewState(sample()))
	testkit.Sh(t, "ping", "-c", "1", "127.0.0.1")
	key := nft.Join(nft.Addr(netip.MustParseAddr("127.0.0.1")))
	counted := func() uint64 {
		counts, err := k.Counts(t.Context(), nft.Inet, table, "seen")
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range counts {
			if c.Key == key {
				return c.Packets
			}
		}
		return 0
	}
	before := counted()
	if before == 0 {
		t.Fatal("nothing was counted")
	}
	byHand(t, "insert rule inet ispctl-test input accept; add set inet ispctl-test links2 { type ifname; }")
	apply(t, k, nft.NewState(sample()))
	same(t, nft.NewState(sample()), observe(t, k))
	if n := counted(); n != before {
		t.Errorf("%d packets were counted, %d before", n, before)
	}
}
