package bench

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ispctl/internal/testkit"
	"ispctl/operations"
)

// qemu is what the embedded driver runs guests with.
var qemu = testkit.Feature{Name: "qemu-system-x86_64", Probe: func() error {
	_, err := exec.LookPath("qemu-system-x86_64")
	return err
}}

// BenchmarkCreateGuest runs the program: `ispctl vm create` of a real guest, to
// the moment at which its processor runs behind the wall, on libvirt's embedded
// QEMU driver. Start is libvirt's defining and starting of it; own is all else,
// from the start of the process to its end; connect is how much of that
// `ispctl vm list` takes too, which does no more than to open everything.
func BenchmarkCreateGuest(b *testing.B) {
	p := newProgram(b)
	p.ok(b, "init", "--hypervisor", "embed", "--uplink", "eth0", "--address", "203.0.113.2/24", "--gateway", "203.0.113.1")
	p.ok(b, "image", "build", "micro")
	p.ok(b, "zone", "create", "dmz", "--prefix", "10.10.0.0/24", "--egress")
	p.ok(b, "plan", "create", "tiny", "--cpus", "1", "--memory", "128MiB", "--disk", "256MiB")
	var total, own, start, reserve, disk, network, finish, connect, version []time.Duration
	for b.Loop() {
		var vm operations.VMView
		began := time.Now()
		took := timed(func() {
			out := p.ok(b, "vm", "create", "one", "--template", "micro", "--zone", "dmz", "--plan", "tiny", "-o", "json")
			check(b, json.Unmarshal([]byte(out), &vm))
		})
		at := map[string]time.Time{}
		for _, phase := range vm.Phases {
			at[phase.Name] = phase.At
		}
		starting := at["boot"].Sub(at["network"])
		total, start, own = append(total, took), append(start, starting), append(own, took-starting)
		reserve = append(reserve, vm.CreatedAt.Sub(began))
		disk = append(disk, at["disk"].Sub(vm.CreatedAt))
		network = append(network, at["network"].Sub(at["disk"]))
		finish = append(finish, began.Add(took).Sub(at["boot"]))
		p.ok(b, "vm", "destroy", "one")
		connect = append(connect, timed(func() { p.ok(b, "vm", "list") }))
		version = append(version, timed(func() { p.ok(b, "version") }))
	}
	reportMedian(b, total, "total-ms")
	reportMedian(b, start, "start-ms")
	reportMedian(b, own, "own-ms")
	reportMedian(b, reserve, "to-reserved-ms")
	reportMedian(b, disk, "to-disk-ms")
	reportMedian(b, network, "to-network-ms")
	reportMedian(b, finish, "to-exit-ms")
	reportMedian(b, connect, "connect-ms")
	reportMedian(b, version, "process-ms")
	b.ReportMetric(0, "ns/op") // the medians say it
}

// program is ispctl, built once, with a root of its own.
type program struct{ path, root string }

func newProgram(b *testing.B) program {
	b.Helper()
	testkit.Need(b, testkit.Root, qemu)
	root, err := os.MkdirTemp("", "isp") // short: libvirt's sockets lie below
	check(b, err)
	check(b, os.Chmod(root, 0o711)) // guests run as users of their own
	p := program{filepath.Join(root, "ispctl"), root}
	testkit.Sh(b, "go", "build", "-o", p.path, "ispctl/cmd/ispctl")
	testkit.Sh(b, "ip", "link", "add", "eth0", "type", "veth", "peer", "name", "inet0")
	b.Cleanup(func() {
		p.end(b)
		testkit.Sh(b, "ip", "link", "delete", "eth0")
		for link := range strings.SplitSeq(strings.TrimSpace(testkit.Sh(b, "ip", "-br", "link", "show", "type", "bridge")), "\n") {
			if name, _, found := strings.Cut(link, " "); found {
				testkit.Sh(b, "ip", "link", "delete", name)
			}
		}
		testkit.Sh(b, "nft", "flush", "ruleset")
		check(b, os.RemoveAll(root))
	})
	return p
}

// end ends guests that a failure left, by their pids.
func (p program) end(b *testing.B) {
	files, err := filepath.Glob(filepath.Join(p.root, "var/lib/ispctl/libvirt/run/qemu/*.pid"))
	check(b, err)
	for _, file := range files {
		var pid int
		data, err := os.ReadFile(file)
		check(b, err)
		if json.Unmarshal(data, &pid) == nil && pid > 1 && filepath.Base(file) != "driver.pid" {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
}

// ok runs the program, which must succeed, and returns its standard output.
func (p program) ok(b *testing.B, args ...string) string {
	b.Helper()
	var stderr strings.Builder
	cmd := exec.Command(p.path, append([]string{"--root", p.root}, args...)...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		b.Fatalf("ispctl %s: %v\n%s%s", strings.Join(args, " "), err, out, &stderr)
	}
	return string(out)
}
