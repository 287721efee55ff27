package bench

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"ispctl/images"
	"ispctl/internal/testkit"
	"ispctl/operations"
)

var stockTools = testkit.Feature{Name: "mmdebstrap, debugfs and mke2fs", Probe: func() error {
	for _, tool := range []string{"mmdebstrap", "debugfs", "mke2fs", "ssh"} {
		if _, err := exec.LookPath(tool); err != nil {
			return err
		}
	}
	return nil
}}

// BenchmarkLoginAgainstStock makes a guest in turns of our Debian image and of
// one with the same packages and kernel where cloud-init is as Debian has it, until
// a command runs in it by SSH. Besides the clock it reads what the guest's QEMU
// has had of the processors by then, which other work on the machine does not
// change.
func BenchmarkLoginAgainstStock(b *testing.B) {
	testkit.Need(b, testkit.Root, qemu, stockTools)
	p := newProgram(b)
	p.ok(b, "init", "--hypervisor", "embed", "--uplink", "eth0", "--address", "203.0.113.2/24", "--gateway", "203.0.113.1")
	p.ok(b, "image", "build", "debian-12")
	p.ok(b, "zone", "create", "dmz", "--prefix", "10.10.0.0/24")
	p.ok(b, "plan", "create", "small", "--cpus", "1", "--memory", "512MiB", "--disk", "2GiB")
	p.stock(b)
	identity := filepath.Join(p.root, "key")
	testkit.Sh(b, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", identity)

	took, cpu := map[string][]time.Duration{}, map[string][]time.Duration{}
	turn := []string{"debian-12", "stock"}
	for b.Loop() {
		for _, template := range turn {
			took[template] = append(took[template], timed(func() {
				p.ok(b, "vm", "create", "one", "--template", template, "--zone", "dmz", "--plan", "small", "--ssh-key", identity+".pub", "--wait", "--timeout", "30m")
				for try := 0; ; try++ {
					out, err := exec.Command(p.path, "--root", p.root, "vm", "ssh", "one", "--identity", identity, "--", "cat /proc/1/comm").CombinedOutput()
					if err == nil && strings.TrimSpace(string(out)) == "systemd" {
						break
					}
					if try > 600 {
						b.Fatalf("no login to %s: %v: %s", template, err, out)
					}
					time.Sleep(500 * time.Millisecond)
				}
			}))
			cpu[template] = append(cpu[template], p.guestCPU(b))
			p.ok(b, "vm", "destroy", "one", "--yes")
		}
		turn[0], turn[1] = turn[1], turn[0] // neither always finds the machine as the other left it
	}
	reportMedian(b, took["debian-12"], "ours-ms")
	reportMedian(b, took["stock"], "stock-ms")
	reportMedian(b, cpu["debian-12"], "ours-cpu-ms")
	reportMedian(b, cpu["stock"], "stock-cpu-ms")
	b.ReportMetric(0, "ns/op") // the medians say it
}

// stock imports the other image, with a template for it.
func (p program) stock(b *testing.B) {
	b.Helper()
	recipe, err := images.FindRecipe("debian-12")
	check(b, err)
	var image operations.ImageDetailView
	check(b, json.Unmarshal([]byte(p.ok(b, "image", "show", "debian-12", "-o", "json")), &image))
	script, err := filepath.Abs("stock.sh")
	check(b, err)
	disk := filepath.Join(p.root, "stock.raw")
	// Packages come by the host's own network, of which there is nothing in here.
	testkit.Sh(b, append([]string{"nsenter", "--net=" + outside(), script, filepath.Join(image.Path, "disk.raw"), disk, recipe.Suite}, recipe.Packages...)...)
	p.ok(b, "image", "import", disk, "--name", "stock", "--kernel", filepath.Join(image.Path, "vmlinuz"), "--initrd", filepath.Join(image.Path, "initrd.img"), "--cmdline", recipe.Cmdline)
	dir := filepath.Join(p.root, "etc/ispctl/templates")
	check(b, errors.Join(os.Remove(disk), os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, "stock.yaml"), []byte("{name: stock, image: stock}\n"), 0o644)))
}

// guestCPU is what the one guest's QEMU has had of the processors: fields 14 and
// 15 of /proc/PID/stat, in hundredths of a second (proc(5)).
func (p program) guestCPU(b *testing.B) time.Duration {
	b.Helper()
	files, err := filepath.Glob(filepath.Join(p.root, "var/lib/ispctl/libvirt/run/qemu/*.pid"))
	check(b, err)
	var sum time.Duration
	for _, file := range files {
		pid, err := os.ReadFile(file)
		check(b, err)
		if filepath.Base(file) == "driver.pid" {
			continue
		}
		stat, err := os.ReadFile(filepath.Join("/proc", strings.TrimSpace(string(pid)), "stat"))
		check(b, err)
		_, rest, _ := strings.Cut(string(stat), ") ")
		fields := strings.Fields(rest)
		for _, field := range fields[11:13] {
			ticks, err := strconv.Atoi(field)
			check(b, err)
			sum += time.Duration(ticks) * 10 * time.Millisecond
		}
	}
	return sum
}
