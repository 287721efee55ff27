package firewall_test

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ispctl/internal/testkit"
	"ispctl/net/firewall"
	"ispctl/net/nft"
)

// BenchmarkFrame is what one frame costs (goal P7): a guest sends TCP to its
// neighbour's tap, whose queue is full, so that nobody but the bridge and the
// walls works. Each iteration is a burst through every shape in turn; the
// medians are of them all. The cost of the walls is what is left when the same
// without walls is taken off.
//
// The other shape is one base chain for each NIC with a rule for each check, as
// Incus has it. It ends at 1,024 NICs: more base chains no hook takes.
func BenchmarkFrame(b *testing.B) {
	shapes := []struct {
		name  string
		build func(testing.TB, *wire)
		wire  *wire
		burst []float64
	}{
		{name: "none", build: func(testing.TB, *wire) {}},
		{name: "set-1", build: func(b testing.TB, w *wire) { w.crowd(b, 1) }},
		{name: "set-1000", build: func(b testing.TB, w *wire) { w.crowd(b, 1000) }},
		{name: "set-10000", build: func(b testing.TB, w *wire) { w.crowd(b, 10_000) }},
		{name: "chains-1", build: func(b testing.TB, w *wire) { load(b, chainPerNIC(1)) }},
		{name: "chains-1000", build: func(b testing.TB, w *wire) { load(b, chainPerNIC(1000)) }},
	}
	for i := range shapes {
		shapes[i].wire = newWire(b, 1)
		shapes[i].build(b, shapes[i].wire)
	}
	fair := ip4{proto: 6, payload: tcp(40000, 80)}.frame()
	const burst = 500
	for b.Loop() {
		for i, s := range shapes {
			begin := cpuTime(b)
			for range burst {
				check(b, s.wire.send(web, fair))
			}
			shapes[i].burst = append(s.burst, float64(cpuTime(b)-begin)/burst)
		}
	}
	cost := map[string]float64{}
	for _, s := range shapes {
		cost[s.name] = median(s.burst) - cost["none"]
		b.ReportMetric(cost[s.name], s.name+"-ns/frame")
	}
	b.ReportMetric(cost["set-1000"]/cost["set-1"], "1000/1")
	b.ReportMetric(cost["set-10000"]/cost["set-1"], "10000/1")
	b.ReportMetric(cost["chains-1000"]/cost["set-1000"], "chains/set-at-1000")
	b.ReportMetric(0, "ns/op")
}

// walls are those of a number of guests without a single tap.
func walls(t testing.TB, guests int) *wire {
	t.Helper()
	testkit.NetNS(t)
	wall, err := nft.Open(model(0).Installation.Table(firewall.Layer))
	check(t, err)
	t.Cleanup(func() { _ = wall.Close() })
	w := &wire{wall: wall}
	w.crowd(t, guests)
	return w
}

// crowd builds the walls for a number of guests, of which three have taps.
func (w *wire) crowd(t testing.TB, guests int) {
	w.model = model(guests)
	w.build(t)
}

// chainPerNIC is the shape of others: it checks less than ours does.
func chainPerNIC(nics int) string {
	var s strings.Builder
	s.WriteString("table bridge peer {\n")
	for n := 1; n <= nics; n++ {
		mac := fmt.Sprintf("02:00:00:00:%02x:%02x", n/256, n%256)
		addr := fmt.Sprintf("10.10.%d.%d", (n+1)/256, (n+1)%256)
		fmt.Fprintf(&s, "chain in%[1]d {\ntype filter hook prerouting priority -200; policy accept;\n"+
			"iifname \"isp-%[1]d-0\" ether saddr != %[2]s drop\n"+
			"iifname \"isp-%[1]d-0\" arp saddr ether != %[2]s drop\n"+
			"iifname \"isp-%[1]d-0\" arp saddr ip != %[3]s drop\n"+
			"iifname \"isp-%[1]d-0\" ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp dport 67 accept\n"+
			"iifname \"isp-%[1]d-0\" ip saddr != %[3]s drop\n"+
			"iifname \"isp-%[1]d-0\" ether type != { ip, arp } drop\n}\n", n, mac, addr)
	}
	return s.String() + "}\n"
}

// BenchmarkAddGuest is what it takes to let one more guest in, among 10,000
// (goal P5), against the same elements by nft(8), and against its chain where
// 1,000 have one. Each is taken out again.
func BenchmarkAddGuest(b *testing.B) {
	const guests = 10_000
	w := walls(b, guests)
	before, err := firewall.Desired(model(guests))
	check(b, err)
	after, err := firewall.Desired(model(guests + 1))
	check(b, err)
	in, out := nft.Diff(after, before), nft.Diff(before, after)
	var byNFT, outAgain strings.Builder
	for i := range in {
		byNFT.WriteString(strings.TrimPrefix(in[i].String(), "nft ") + "\n")
		outAgain.WriteString(strings.TrimPrefix(out[i].String(), "nft ") + "\n")
	}
	load(b, chainPerNIC(1000))
	one := strings.Replace(chainPerNIC(1), "chain in1 ", "chain more ", 1)

	var ours, theirs, chains []float64
	for b.Loop() {
		ours = append(ours, timed(func() { check(b, w.wall.Apply(context.Background(), in)) }))
		check(b, w.wall.Apply(context.Background(), out))
		theirs = append(theirs, timed(func() { load(b, byNFT.String()) }))
		load(b, outAgain.String())
		chains = append(chains, timed(func() { load(b, one) }))
		load(b, "flush chain bridge peer more; delete chain bridge peer more")
	}
	b.ReportMetric(median(ours), "set-us")
	b.ReportMetric(quantile(ours, 0.99), "set-p99-us")
	b.ReportMetric(median(theirs), "nft-us")
	b.ReportMetric(median(chains), "chain-us")
	b.ReportMetric(median(theirs)/median(ours), "nft/set")
	b.ReportMetric(median(chains)/median(ours), "chain/set")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkNothingToDo reads the walls of many guests and finds them right.
func BenchmarkNothingToDo(b *testing.B) {
	for _, guests := range []int{1000, 10_000} {
		b.Run(fmt.Sprintf("%d", guests), func(b *testing.B) {
			w := walls(b, guests)
			want, err := firewall.Desired(w.model)
			check(b, err)
			for b.Loop() {
				have, err := w.wall.Observe(context.Background())
				check(b, err)
				if n := len(nft.Diff(want, have)); n != 0 {
					b.Fatalf("%d changes are left", n)
				}
			}
		})
	}
}

// cpuTime is what this thread has had of the processor. What the kernel does
// with a frame it does within the write, and it is steadier than the clock where
// others work on the same machine.
func cpuTime(t testing.TB) int64 {
	t.Helper()
	var now unix.Timespec
	check(t, unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &now))
	return now.Nano()
}

// timed is how long f takes, in microseconds.
func timed(f func()) float64 {
	begin := time.Now()
	f()
	return float64(time.Since(begin).Nanoseconds()) / 1000
}

func load(t testing.TB, script string) {
	t.Helper()
	cmd := exec.Command("nft", "-f", "-")
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("nft: %v\n%s", err, out)
	}
}

func median(of []float64) float64 { return quantile(of, 0.5) }

func quantile(of []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[int(q*float64(len(sorted)-1))]
}

// TestChainPerNICEnds is why the shape of others is no choice.
func TestChainPerNICEnds(t *testing.T) {
	newWire(t, 1)
	cmd := exec.Command("nft", "-f", "-")
	cmd.Stdin = strings.NewReader(chainPerNIC(1100))
	if out, err := cmd.CombinedOutput(); err == nil {
		t.Errorf("1,100 base chains on a hook:\n%s", out)
	}
}
