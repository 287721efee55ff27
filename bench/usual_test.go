package bench

import (
	"encoding/json"
	"fmt"
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

// usualTools are what usual.sh takes, and what libvirt's filter takes.
var usualTools = testkit.Feature{Name: "virt-install, cloud-localds, libvirtd, ebtables and iptables", Probe: func() error {
	for _, tool := range []string{"virt-install", "cloud-localds", "libvirtd", "virsh", "qemu-img", "ebtables", "iptables", "ip6tables"} {
		if _, err := exec.LookPath(tool); err != nil {
			return err
		}
	}
	return nil
}}

// filterFiles are libvirt's own filters, as Debian's package
// libvirt-daemon-config-nwfilter brings them; ISPCTL_NWFILTERS names another
// place of theirs.
func filterFiles() (string, error) {
	dir := "/usr/share/libvirt/nwfilter"
	if other := os.Getenv("ISPCTL_NWFILTERS"); other != "" {
		dir = other
	}
	_, err := os.Stat(filepath.Join(dir, "clean-traffic.xml"))
	return dir, err
}

var usualFilters = testkit.Feature{Name: "libvirt-daemon-config-nwfilter", Probe: func() error {
	_, err := filterFiles()
	return err
}}

// BenchmarkCreateAgainstUsual makes the same guest in turns by `ispctl vm
// create` and by usual.sh: an overlay that is synced, a seed, and a guest of the
// same image, kernel and size that runs behind a wall against spoofing. Neither
// waits for its boot; /dev/kvm is hidden from both. usual.sh talks to a libvirtd
// that is there already, which ispctl with the embedded driver has to be itself.
func BenchmarkCreateAgainstUsual(b *testing.B) {
	testkit.Need(b, testkit.Root, qemu, usualTools, usualFilters)
	p := newProgram(b)
	p.ok(b, "init", "--hypervisor", "embed", "--uplink", "eth0", "--address", "203.0.113.2/24", "--gateway", "203.0.113.1")
	p.ok(b, "image", "build", "micro")
	p.ok(b, "zone", "create", "dmz", "--prefix", "10.10.0.0/24", "--egress")
	p.ok(b, "plan", "create", "tiny", "--cpus", "1", "--memory", "128MiB", "--disk", "256MiB")
	var image operations.ImageDetailView
	check(b, json.Unmarshal([]byte(p.ok(b, "image", "show", "micro", "-o", "json")), &image))
	daemon := startUsual(b)
	dir := b.TempDir()
	testkit.Sh(b, "ip", "link", "add", "usual0", "type", "bridge")
	testkit.Sh(b, "ip", "link", "set", "usual0", "up")
	b.Cleanup(func() { testkit.Sh(b, "ip", "link", "delete", "usual0") })
	script, err := filepath.Abs("usual.sh")
	check(b, err)
	usual := func(args ...string) {
		testkit.Sh(b, append([]string{"nsenter", "-t", fmt.Sprint(daemon), "-m", script}, args...)...)
	}
	b.Cleanup(func() { // of what a failure left
		_ = exec.Command("nsenter", "-t", fmt.Sprint(daemon), "-m", "virsh", "-c", "qemu:///system", "destroy", "two").Run()
	})

	var ours, theirs []time.Duration
	faster := 0
	for b.Loop() {
		mine := timed(func() { p.ok(b, "vm", "create", "one", "--template", "micro", "--zone", "dmz", "--plan", "tiny") })
		other := timed(func() {
			usual("create", "two", dir, image.Path, "usual0", "52:54:00:00:00:02", "10.20.0.2")
		})
		sameEnd(b, "isp-one", "two")
		p.ok(b, "vm", "destroy", "one", "--yes")
		usual("destroy", "two", dir)
		ours, theirs = append(ours, mine), append(theirs, other)
		if mine < other {
			faster++
		}
	}
	reportMedian(b, ours, "ispctl-ms")
	reportMedian(b, theirs, "usual-ms")
	b.ReportMetric(float64(median(theirs))/float64(median(ours)), "ratio")
	b.ReportMetric(float64(faster)/float64(len(ours)), "ispctl-faster")
	b.ReportMetric(0, "ns/op") // the medians say it
}

// sameEnd fails unless a process runs for each guest, neither with KVM, and each
// is behind a wall.
func sameEnd(b *testing.B, names ...string) {
	b.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	check(b, err)
	for _, name := range names {
		running := false
		for _, file := range files {
			data, _ := os.ReadFile(file)
			text := strings.ReplaceAll(string(data), "\x00", " ")
			running = running || strings.Contains(text, "guest="+name+",") && strings.Contains(text, "-accel tcg")
		}
		if !running {
			b.Fatalf("%s does not run", name)
		}
	}
	if rules := testkit.Sh(b, "ebtables", "-t", "nat", "-L"); !strings.Contains(rules, "libvirt-I-") {
		b.Fatalf("libvirt filters nothing:\n%s", rules)
	}
	if rules := testkit.Sh(b, "nft", "list", "table", "inet", "ispctl-firewall"); !strings.Contains(rules, "isp-") {
		b.Fatalf("ispctl filters nothing:\n%s", rules)
	}
}

// startUsual starts a libvirtd with directories of its own and without
// /dev/kvm, and returns its process number.
func startUsual(b *testing.B) int {
	b.Helper()
	filters, err := filterFiles()
	check(b, err)
	ready := filepath.Join(b.TempDir(), "ready")
	const script = `set -eu
mount --make-rprivate /
touch "$2.kvm"
[ ! -e /dev/kvm ] || { mount --bind "$2.kvm" /dev/kvm; mount -o remount,bind,ro /dev/kvm; }
for dir in /run/libvirt /var/lib/libvirt /var/cache/libvirt /var/log/libvirt /etc/libvirt; do
	mkdir -p "$dir"
	mount -t tmpfs -o mode=755 usual "$dir"
done
mkdir /etc/libvirt/nwfilter
cp "$1"/*.xml /etc/libvirt/nwfilter
echo 'auth_unix_rw = "none"' >/etc/libvirt/libvirtd.conf
printf '%s\n' 'stdio_handler = "file"' 'security_driver = "none"' 'user = "root"' 'group = "root"' 'namespaces = []' 'cgroup_controllers = []' >/etc/libvirt/qemu.conf
touch "$2"
exec libvirtd`
	cmd := exec.Command("unshare", "-m", "sh", "-c", script, "usual", filters, ready)
	var said strings.Builder
	cmd.Stderr = &said
	check(b, cmd.Start())
	b.Cleanup(func() {
		_ = cmd.Process.Signal(unix.SIGTERM)
		_ = cmd.Wait()
	})
	for range 200 {
		if err := exec.Command("nsenter", "-t", fmt.Sprint(cmd.Process.Pid), "-m", "virsh", "-c", "qemu:///system", "list").Run(); err == nil {
			return cmd.Process.Pid
		}
		time.Sleep(100 * time.Millisecond)
	}
	b.Fatalf("libvirtd does not answer: %s", &said)
	return 0
}
