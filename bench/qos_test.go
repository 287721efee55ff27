package bench

import (
	"context"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ispctl"
	"ispctl/internal/testkit"
	"ispctl/qos"
)

// BenchmarkShapers (P9) shapes so many guests from nothing, in both directions, and
// beside it has tc(8) build one HTB for each direction, of as many classes, from a
// batch. Which class a packet is in nftables says, here as there: that is no part
// of either.
func BenchmarkShapers(b *testing.B) {
	for _, n := range []int{1000, 2000, 4000, 8000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			testkit.NetNS(b)
			inst := ispctl.Installation{Prefix: "isp", Hypervisor: "test:///default"}
			m := &ispctl.Model{Installation: inst, Plans: []ispctl.Plan{{
				Name: "small", CPUs: 1, Limits: ispctl.Limits{Down: 100 * ispctl.Mbit, Up: 50 * ispctl.Mbit},
			}}}
			m.Uplink = ispctl.Uplink{Interface: "up0", Kind: ispctl.Routed}
			var links, classes strings.Builder
			fmt.Fprintln(&links, "link add up0 type veth peer name up1")
			for dev, rate := range map[string]string{"up0": "50mbit", "lo": "100mbit"} {
				fmt.Fprintf(&classes, "qdisc add dev %s root handle 1: htb\n", dev)
				for i := range n {
					fmt.Fprintf(&classes, "class add dev %s parent 1: classid 1:%x htb rate %s quantum 60000\n", dev, i+1, rate)
				}
			}
			const most = 1000 // ports of a bridge
			for i := range int64(n) {
				zone := ispctl.Name(fmt.Sprintf("zone%d", i/most))
				if i%most == 0 {
					prefix := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i / most), 0, 0}), 16)
					m.Zones = append(m.Zones, ispctl.Zone{Name: zone, Prefix: prefix})
					fmt.Fprintf(&links, "link add %s group %d type bridge\n", inst.Bridge(zone), inst.LinkGroup())
				}
				tap := inst.Tap(i+1, 0)
				m.VMs = append(m.VMs, ispctl.VM{
					ID: i + 1, Name: ispctl.Name(fmt.Sprintf("vm%d", i)), Zone: zone, Plan: "small", Wanted: ispctl.Running,
					NICs: []ispctl.NIC{{Zone: zone, Tap: tap, Addr: netip.AddrFrom4([4]byte{10, byte(i / most), byte(i % most >> 8), byte(i)})}},
				})
				fmt.Fprintf(&links, "tuntap add dev %s mode tap\nlink set %s group %d\n", tap, tap, inst.LinkGroup())
			}
			batch(b, "ip", links.String())
			k, err := qos.Open(inst.LinkGroup(), inst.ShaperGroup())
			if err != nil {
				b.Fatal(err)
			}
			defer k.Close()
			means := qos.Means{Leaf: func() qos.Kind { return qos.FIFO }, Crowds: qos.CanCrowd}
			want, err := qos.Desired(means)(m)
			if err != nil {
				b.Fatal(err)
			}
			converge := func(want qos.State) time.Duration {
				start := time.Now()
				have, err := k.Observe(context.Background())
				if err == nil {
					err = k.Apply(context.Background(), qos.Diff(want, have))
				}
				if err != nil {
					b.Fatal(err)
				}
				return time.Since(start)
			}
			var ours, again, change, byHand, cpu, byHandCPU time.Duration
			for b.Loop() {
				before := cpuTime(b)
				ours += converge(want)
				cpu += cpuTime(b) - before
				again += converge(want)
				m.Plans[0].Limits.Down = 90 * ispctl.Mbit
				other, err := qos.Desired(means)(m)
				if err != nil {
					b.Fatal(err)
				}
				change += converge(other)
				converge(qos.State{})
				if *oursAlone {
					continue
				}
				took, used := batch(b, "tc", classes.String())
				byHand, byHandCPU = byHand+took, byHandCPU+used
				batch(b, "tc", "qdisc del dev lo root\nqdisc del dev up0 root\n")
			}
			per := float64(b.N)
			b.ReportMetric(ours.Seconds()*1000/per, "ms/build")
			b.ReportMetric(again.Seconds()*1000/per, "ms/nothing")
			b.ReportMetric(change.Seconds()*1000/per, "ms/change-all")
			b.ReportMetric(cpu.Seconds()*1000/per, "cpu-ms/build")
			if !*oursAlone {
				b.ReportMetric(byHand.Seconds()*1000/per, "ms/two-htbs-by-tc")
				b.ReportMetric(byHandCPU.Seconds()*1000/per, "cpu-ms/two-htbs-by-tc")
			}
		})
	}
}

// oursAlone leaves out what takes minutes at 8,000.
var oursAlone = flag.Bool("shapers.alone", false, "measure our own shapers alone")

// batch has ip(8) or tc(8) carry out a file of commands, and says how long it
// took, and how much of that it had a processor.
func batch(b *testing.B, program, commands string) (took, used time.Duration) {
	b.Helper()
	file := filepath.Join(b.TempDir(), "batch")
	if err := os.WriteFile(file, []byte(commands), 0o600); err != nil {
		b.Fatal(err)
	}
	start := time.Now()
	cmd := exec.Command(program, "-batch", file)
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%s: %v\n%s", program, err, out)
	}
	return time.Since(start), cmd.ProcessState.SystemTime() + cmd.ProcessState.UserTime()
}
