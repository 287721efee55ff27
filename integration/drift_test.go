package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const drifting = `version: 1
addresses: [203.0.113.10]
zones:
  - {name: dmz, prefix: 10.10.0.0/24, snat: 203.0.113.10}
  - {name: mail, prefix: 10.20.0.0/24, dhcp: true}
plans:
  - {name: tiny, cpus: 1, memory: 128MiB, disk: 256MiB}
vms:
  - {name: web1, template: micro, zone: dmz, plan: tiny}
  - {name: mail1, template: micro, zone: mail, plan: tiny}
`

// TestPutBack has other tools take away what is ours, one thing at a time, and
// sees all of it back, by the listings of the real tools: what the kernel tells
// of within a second, what nobody tells of within five.
func TestPutBack(t *testing.T) {
	w := newWorld(t, "test:///default")
	if err := os.Chmod(filepath.Dir(w.root), 0o755); err != nil { // for dnsmasq's own user
		t.Fatal(err)
	}
	w.ok("image", "build", "micro")
	w.ok("apply", "-f", w.write("drift.yaml", drifting))
	s := w.serve()
	s.says("changes")
	sh := func(script string) string { return w.in(w.provider, "sh", "-c", script) }
	// Sorted: a table whose rules are put back has its sets in another order.
	listing := func() string {
		lines := strings.Split(sh(`nft list tables | sort | while read table; do nft -s list $table; done
			ip -o link show group all | grep -o '^[0-9]*: isp-[^:]*.*' | sed -E 's/^[0-9]+: //; s/@if[0-9]+//; s/(state|qdisc) [A-Za-z0-9_]+//g; s/link.*//' | sort
			ip -4 -br address show | awk '{print $1, $3}' | sort; ip route show table local proto 73
			cat /proc/sys/net/ipv4/ip_forward; pgrep -cf '[d]nsmasq --conf-file=`+w.root+`'`), "\n")
		slices.Sort(lines)
		return strings.Join(lines, "\n")
	}
	before := listing()
	if !strings.Contains(before, "isp-dmz") || !strings.Contains(before, "table inet ispctl-firewall") {
		t.Fatalf("nothing to take away:\n%s", before)
	}
	const busy = time.Second // for a machine that does other things, too
	const told, untold = 10*time.Second + busy, 15 * time.Second
	for _, c := range []struct {
		script, says string
		within       time.Duration
	}{
		{"nft flush ruleset", "put back after nft, process", told},
		{"nft delete table inet ispctl-firewall", "add table inet ispctl-firewall", told},
		{"nft flush chain inet ispctl-firewall forward", "firewall:", told},
		{"nft flush set inet ispctl-firewall zones", "nft add element inet ispctl-firewall zones", told},
		{"nft insert rule inet ispctl-firewall input accept", "firewall:", told},
		{"nft delete table ip ispctl-nat", "nat:", told},
		{"ip link del isp-mail", "ip link add name isp-mail", told},
		{"ip link set isp-dmz down", "isp-dmz", told},
		{"ip address flush dev isp-dmz", "isp-dmz", told},
		{"ip link set $(basename $(ls -d /sys/class/net/isp-dmz/brif/*)) nomaster", "master isp-dmz", told},
		{"ip route del local 203.0.113.10 table local", "203.0.113.10", told},
		{"sysctl -qw net.ipv4.ip_forward=0", "sysctl -w net.ipv4.ip_forward=1", told},
		{"kill -9 $(pgrep -f '[d]nsmasq --conf-file=" + w.root + "')", "dhcp:", untold},
	} {
		t.Run(c.script, func(t *testing.T) {
			s.t, w.t = t, t
			took := time.Now()
			sh(c.script)
			if c.says != "" {
				s.says(c.says)
			}
			for listing() != before {
				if time.Since(took) > c.within {
					t.Fatalf("not back after %s:\n%s", c.within, diffText(before, listing()))
				}
			}
			t.Logf("back after %s at most", time.Since(took).Round(time.Millisecond))
		})
	}
	s.t, w.t = t, t
	w.quiet(s)
}

// quiet fails if a server that has nothing to do works: it may not be woken by
// what it does itself.
func (w *world) quiet(s *server) {
	w.t.Helper()
	const idle = 5 * time.Second
	before := s.cpu()
	changes := w.in(w.provider, "sh", "-c", fmt.Sprintf("timeout %d nft monitor || true", idle/time.Second))
	if used := s.cpu() - before; used > idle/10 {
		w.t.Errorf("it used %s of the CPU in %s with nothing to do", used, idle)
	}
	if changes != "" {
		w.t.Errorf("with nothing to do it changed:\n%s", changes)
	}
}

// cpu is the time that a server has worked.
func (s *server) cpu() time.Duration {
	s.t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		s.t.Fatal(err)
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	var ticks time.Duration
	for _, f := range fields[11:13] { // utime and stime of proc_pid_stat(5)
		n, err := strconv.Atoi(f)
		if err != nil {
			s.t.Fatal(err)
		}
		ticks += time.Duration(n)
	}
	return ticks * time.Second / 100
}

func diffText(a, b string) string {
	var out []string
	al, bl := strings.Split(a, "\n"), strings.Split(b, "\n")
	for _, l := range al {
		if !slices.Contains(bl, l) {
			out = append(out, "- "+l)
		}
	}
	for _, l := range bl {
		if !slices.Contains(al, l) {
			out = append(out, "+ "+l)
		}
	}
	return strings.Join(out, "\n")
}

// TestFight: another tool flushes again and again. It is said once in a while,
// the rules are put back each second at least, and the CPU is left to others.
func TestFight(t *testing.T) {
	w := newWorld(t, "test:///default")
	w.ok("zone", "create", "dmz", "--prefix", "10.10.0.0/24")
	s := w.serve()
	s.says("changes")
	flusher := exec.Command("ip", "netns", "exec", w.provider, "sh", "-c", "while :; do nft flush ruleset; sleep 0.05; done")
	if err := flusher.Start(); err != nil {
		t.Fatal(err)
	}
	before := s.cpu()
	const long = 8 * time.Second
	time.Sleep(long)
	used := s.cpu() - before
	if err := flusher.Process.Signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = flusher.Wait() // it was killed
	s.mu.Lock()
	said := len(s.said)
	s.mu.Unlock()
	s.says("another tool keeps taking away what is ours")
	if said > 40 {
		t.Errorf("it said %d lines", said)
	}
	if used > long/4 {
		t.Errorf("it used %s of the CPU in %s", used, long)
	}
	t.Logf("%s of the CPU in %s, %d lines", used, long, said)
	back := time.Now()
	for !strings.Contains(w.in(w.provider, "nft", "list", "tables"), "inet ispctl-firewall") {
		if time.Since(back) > 10*time.Second {
			t.Fatal("not put back when the fight is over")
		}
	}
}
