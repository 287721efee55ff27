package qos_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"ispctl"
	"ispctl/internal/testkit"
)

// usual are the ways in which a guest is held to a rate by hand, each for what
// goes to it by its tap.
var usual = []struct {
	name string
	set  func(w *network, t testing.TB, rate ispctl.Rate)
}{
	{"ours", func(w *network, t testing.TB, rate ispctl.Rate) { w.limit(t, 0, ispctl.Limits{Down: rate, Up: rate}) }},
	{"tbf", func(w *network, t testing.TB, rate ispctl.Rate) {
		w.tc(t, fmt.Sprintf("qdisc add dev TAP root tbf rate %d burst 32kb latency 50ms", rate))
	}},
	{"htb", func(w *network, t testing.TB, rate ispctl.Rate) {
		w.tc(t, "qdisc add dev TAP root handle 1: htb default 1", fmt.Sprintf("class add dev TAP parent 1: classid 1:1 htb rate %d", rate))
	}},
	{"nft-police", func(w *network, t testing.TB, rate ispctl.Rate) {
		testkit.Sh(t, "ip", "netns", "exec", w.host, "nft", fmt.Sprintf(`add table inet police; add chain inet police out { type filter hook forward priority 0; }; `+
			`add rule inet police out ip daddr %s limit rate over %d bytes/second burst %d bytes drop`, w.guests[0].addr, rate/8, max(rate/8/20, 64000)))
	}},
}

func (w *network) tc(t testing.TB, commands ...string) {
	t.Helper()
	for _, c := range commands {
		testkit.Sh(t, append([]string{"tc", "-n", w.host}, strings.Fields(strings.ReplaceAll(c, "TAP", w.guests[0].tap))...)...)
	}
}

// BenchmarkRates (P10) has a guest held to a rate in each of the usual ways, and
// says how much of it a transfer gets, and how often TCP has to send again.
// libvirt's <bandwidth> is not among them where the kernel has neither sfq nor
// police, which it needs.
func BenchmarkRates(b *testing.B) {
	testkit.Need(b, iperf3)
	for _, rate := range []ispctl.Rate{ispctl.Mbit, 10 * ispctl.Mbit, 100 * ispctl.Mbit} {
		for _, how := range usual {
			for _, udp := range []bool{false, true} {
				b.Run(fmt.Sprintf("%s/%s/udp=%v", rate, how.name, udp), func(b *testing.B) {
					w := wired(b, 1, 1500)
					inet := w.uplinked(b, ispctl.Uplink{})
					how.set(w, b, rate)
					for b.Loop() {
						x := transfer{way: down, udp: udp, offered: 2 * rate, port: 6000, seconds: 5, to: internet, at: inet}
						switch {
						case rate <= ispctl.Mbit:
							x.seconds, x.window = 8, "48K"
						case rate <= 10*ispctl.Mbit:
							x.window = "96K"
						}
						report := w.iperf(b, x)
						headers := tcpIP
						if udp {
							headers = udpIP
						}
						wire := rateOf(b, report) * float64(w.mtu+ethernet) / float64(w.mtu-headers)
						b.ReportMetric(wire/float64(rate)*100, "%/of-the-rate")
						if !udp {
							b.ReportMetric(float64(retransmits(b, report)), "sent-again")
						}
					}
					b.ReportMetric(0, "ns/op") // the clock says nothing here
				})
			}
		}
	}
}

func retransmits(t testing.TB, report []byte) int {
	t.Helper()
	var r struct {
		End struct {
			Sent struct{ Retransmits int } `json:"sum_sent"`
		}
	}
	if err := json.Unmarshal(report, &r); err != nil {
		t.Error(err)
	}
	return r.End.Sent.Retransmits
}

// BenchmarkLatencyUnderLoad (P10) is how long a ping takes while a transfer has
// all of a guest's rate: with a queue of a thousand packets, as many a modem and
// a provider's port has, with ours, and with ours for what is marked urgent.
func BenchmarkLatencyUnderLoad(b *testing.B) {
	testkit.Need(b, iperf3)
	const rate = 10 * ispctl.Mbit
	for _, how := range []struct {
		name, tos string
		set       func(*network)
	}{
		{"idle", "0", func(w *network) { w.limit(b, 0, ispctl.Limits{Down: rate, Up: rate}) }},
		{"a-thousand-packets", "0", func(w *network) {
			w.tc(b, fmt.Sprintf("qdisc add dev TAP root handle 1: tbf rate %d burst 32kb limit %d", rate, 1000*1514))
		}},
		{"ours", "0", func(w *network) { w.limit(b, 0, ispctl.Limits{Down: rate, Up: rate}) }},
		{"ours-urgent", expedited, func(w *network) { w.limit(b, 0, ispctl.Limits{Down: rate, Up: rate, DSCP: ispctl.TrustDSCP}) }},
	} {
		b.Run(how.name, func(b *testing.B) {
			w := wired(b, 1, 1500)
			inet := w.uplinked(b, ispctl.Uplink{})
			how.set(w)
			for b.Loop() {
				done := make(chan struct{})
				go func() {
					defer close(done)
					if how.name != "idle" {
						w.iperf(b, transfer{way: down, udp: true, offered: 2 * rate, port: 6100, seconds: 8, to: internet, at: inet})
					}
				}()
				time.Sleep(4 * time.Second) // until the queue is as long as it gets
				b.ReportMetric(w.delayTo(b, 0, how.tos, internet), "ms/ping")
				<-done
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}
