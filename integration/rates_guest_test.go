package integration

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"ispctl/internal/testkit"
)

// TestGuestRates: a real guest is held to its rates, TCP and UDP, both ways, by
// iperf3 inside it and on the Internet; the rates change while it runs.
func TestGuestRates(t *testing.T) {
	testkit.Long(t, "3 min")
	w := newWorld(t, "embed")
	w.ok("image", "build", "micro")
	w.ok("address", "add", external)
	w.ok("zone", "create", "dmz", "--prefix", "10.10.0.0/24", "--snat", external, "--egress")
	w.ok("plan", "create", "tiny", "--cpus", "1", "--memory", "128MiB", "--disk", "256MiB")
	w.ok("vm", "create", "web1", "--template", "micro", "--zone", "dmz", "--plan", "tiny", "--ssh-key", w.key+".pub", "--wait")
	g := heldGuest{w, "10.10.0.2"}
	g.bring(t, "iperf3")
	const mtu, ethernet, tcpIP, udpIP = 1500, 14, 52, 28
	for i, rate := range []float64{5e6, 20e6} {
		w.ok("qos", "set", "web1", "--down", fmt.Sprintf("%.0fkbit", rate/1000), "--up", fmt.Sprintf("%.0fkbit", rate/1000))
		for _, udp := range []bool{false, true} {
			for _, down := range []bool{false, true} {
				name := fmt.Sprintf("%.0f Mbit/s, down %v, udp %v", rate/1e6, down, udp)
				headers, args := tcpIP, "-w 96K"
				if udp {
					headers, args = udpIP, fmt.Sprintf("-u -l %d -b %.0f", mtu-udpIP, 1.5*rate)
				}
				if down {
					args += " -R"
				}
				// A busy machine can make it slower, and never faster.
				best := math.Inf(-1)
				for try := range 4 {
					got := g.iperf(t, 5201+16*i+try, args) * (mtu + ethernet) / float64(mtu-headers)
					if best = max(best, got/rate-1); best > -0.01 {
						break
					}
				}
				t.Logf("%s: off by %+.2f %%", name, best*100)
				if math.Abs(best) > 0.01 {
					t.Errorf("%s: off by %+.2f %%", name, best*100)
				}
			}
		}
	}
}

// bring copies a program of this host, which is of the guest's release, with the
// libraries that the guest lacks.
func (g heldGuest) bring(t *testing.T, program string) {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Fatal(err)
	}
	files := []string{path}
	for _, found := range regexp.MustCompile(`=> (/\S+)`).FindAllStringSubmatch(testkit.Sh(t, "ldd", path), -1) {
		files = append(files, found[1])
	}
	dir := t.TempDir()
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(f)), data, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	script := fmt.Sprintf("tar -C %s -cf - . | ip netns exec %s ssh -i %s -o BatchMode=yes -o LogLevel=ERROR -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null root@%s 'mkdir -p /root/brought && tar -C /root/brought -xf -'",
		dir, g.w.provider, g.w.key, g.address)
	testkit.Sh(t, "sh", "-ec", script)
}

// iperf is what the end that receives says that it got, in bits of payload per
// second, once a transfer has found its rate.
func (g heldGuest) iperf(t *testing.T, port int, args string) float64 {
	t.Helper()
	server := exec.Command("ip", "netns", "exec", g.w.internet, "iperf3", "-s", "-1", "-J", "-i", "0.5", "-B", gateway, "-p", fmt.Sprint(port))
	var heard strings.Builder
	server.Stdout = &heard
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	for try := 0; try < 100; try++ {
		if out, err := exec.Command("ip", "netns", "exec", g.w.internet, "ss", "-Hltn", "sport", "=", fmt.Sprint(":", port)).Output(); err == nil && len(out) > 0 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	said := g.inside(t, fmt.Sprintf("LD_LIBRARY_PATH=/root/brought /root/brought/iperf3 -c %s -p %d -J -i 0.5 -t 8 %s", gateway, port, args))
	if err := server.Wait(); err != nil {
		t.Fatalf("iperf3: %v\n%s", err, heard.String())
	}
	if !strings.Contains(args, "-R") {
		said = heard.String()
	}
	var r struct {
		Intervals []struct {
			Sum struct{ Bytes, Seconds float64 }
		}
	}
	// Before the document it may warn of a datagram that is larger than a segment.
	if err := json.Unmarshal([]byte(said[max(0, strings.IndexByte(said, '{')):]), &r); err != nil {
		t.Fatalf("iperf3: %v\n%s", err, said)
	}
	var octets, seconds float64
	const settled = 4 // intervals
	for i, one := range r.Intervals {
		if i >= settled && i < len(r.Intervals)-1 && one.Sum.Seconds > 0.4 {
			octets, seconds = octets+one.Sum.Bytes, seconds+one.Sum.Seconds
		}
	}
	if seconds == 0 {
		t.Fatalf("iperf3: nothing measured: %s", said)
	}
	return octets * 8 / seconds
}
