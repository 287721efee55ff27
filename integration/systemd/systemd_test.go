package systemd

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"ispctl/internal/testkit"
)

// server is promised by the lab's flavour systemd.
var server = []testkit.Feature{
	{Name: "the lab", Probe: func() error {
		if os.Getenv(testkit.LabEnv) == "" {
			return errors.New(testkit.LabEnv + " is not set")
		}
		return nil
	}},
	{Name: "systemd as process 1", Probe: func() error { return holds("/proc/1/comm", "systemd") }},
	{Name: "AppArmor", Probe: func() error { return holds("/sys/module/apparmor/parameters/enabled", "Y") }},
}

func holds(file, want string) error {
	data, err := os.ReadFile(file)
	if err == nil && strings.TrimSpace(string(data)) != want {
		err = fmt.Errorf("%s says %q", file, data)
	}
	return err
}

// units in the order in which a boot starts them.
var units = []string{"libvirtd.service", "ispctl-confirm.service", "ispctl-vpn.service", "ispctl-guests.service", "ispctl.service"}

const (
	// allOurs is a target that stands in for multi-user.target, which is reached
	// already.
	allOurs = "all-of-ispctl.target"

	guest = "10.10.0.2"
	peer  = "203.0.113.1" // the provider's router
)

// TestServer is the life of a server with a guest, from `make install` to its
// shutdown.
func TestServer(t *testing.T) {
	testkit.Need(t, testkit.Root)
	testkit.Need(t, server...)
	h := &host{t: t, key: filepath.Join(t.TempDir(), "key")}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(h.try("journalctl --no-pager -n 200; dmesg | grep -i apparmor | tail -50; tail -n 50 /var/log/libvirt/qemu/*.log"))
		}
	})
	t.Run("installed", h.install)
	h.provider()
	h.ok("vm", "create", "web1", "--template", "micro", "--zone", "dmz", "--plan", "small", "--ssh-key", h.key+".pub", "--wait", "--timeout", "20m")
	t.Run("confined", h.confined)
	t.Run("units start in order", h.started)
	t.Run("serve is started again", h.restarted)
	t.Run("goes down in order", h.shutDown)
	t.Run("comes up again", h.bootedAgain)
	h.ok("vm", "destroy", "web1", "--yes")
	if out := h.sh("virsh -c qemu:///system list --all --name; ip -o link"); strings.Contains(out, "isp-web1") || strings.Contains(out, "isp-1-0") {
		t.Errorf("destroyed, it leaves something:\n%s", out)
	}
}

// install does what `make install` does; systemd finds nothing to say of it.
func (h *host) install(t *testing.T) {
	h.sh("install -m 0755 /payload/bin/ispctl /usr/sbin/ispctl; install -m 0644 -t /usr/lib/systemd/system ../../systemd/*.service; systemctl daemon-reload")
	for _, unit := range units[1:] {
		if out := h.sh("systemctl enable " + unit + "; systemd-analyze verify --man=no " + unit + " 2>&1"); strings.Contains(out, "/usr/lib/systemd/system/"+unit) && strings.Contains(out, "warning") {
			t.Errorf("%s:\n%s", unit, out)
		}
	}
	// Before init there is nothing to be done.
	h.sh("systemctl start " + strings.Join(units[1:], " "))
	for _, unit := range units[1:] {
		if got := h.property(unit, "ConditionResult"); got != "no" {
			t.Errorf("%s: before init its condition holds: %q", unit, got)
		}
	}
}

func (h *host) provider() {
	h.t.Helper()
	h.sh("ssh-keygen -q -t ed25519 -N '' -f " + h.key)
	h.sh("ip netns add internet; ip link add up0 type veth peer name eth0 netns internet; ip -n internet address add " + peer +
		"/24 dev eth0; ip -n internet link set eth0 up; ip link set up0 up")
	h.ok("init", "--uplink", "up0", "--address", "203.0.113.2/24", "--gateway", peer)
	h.ok("zone", "create", "dmz", "--prefix", "10.10.0.0/24")
	h.ok("plan", "create", "small", "--cpus", "1", "--memory", "128MiB", "--disk", "256MiB", "--down", "2mbit", "--up", "2mbit")
	// The mirror that labrun has built it from, by whose name it is found.
	h.ok("image", "build", "micro", "--mirror", "http://deb.debian.org/debian", "--cache", filepath.Join(os.Getenv("ISPCTL_LAB_FILES"), "images"))
}

// confined: AppArmor holds libvirt's daemon and the guest's QEMU, each by its
// profile, and QEMU reads its disks in spite of it, else no one had answered.
func (h *host) confined(t *testing.T) {
	if label := h.label("libvirtd"); !strings.HasPrefix(label, "libvirtd") || !strings.Contains(label, "(enforce)") {
		t.Errorf("libvirtd is confined by %q", label)
	}
	uuid := strings.TrimSpace(h.sh("virsh -c qemu:///system domuuid isp-web1"))
	if label := h.label("qemu-system-x86"); label != "libvirt-"+uuid+" (enforce)" {
		t.Errorf("QEMU is confined by %q", label)
	}
	status := h.sh("cat /proc/" + h.pid("qemu-system-x86") + "/status")
	for _, want := range []string{"CapEff:\t0000000000000000", "Seccomp:\t2"} {
		if !strings.Contains(status, want) {
			t.Errorf("QEMU lacks %q:\n%s", want, status)
		}
	}
	if strings.Contains(status, "Uid:\t0\t") {
		t.Errorf("QEMU runs as root:\n%s", status)
	}
	if out := h.ssh("cat /proc/cpuinfo | head -3; echo reached"); !strings.Contains(out, "reached") {
		t.Errorf("the guest does not answer: %s", out)
	}
	if out := h.try("dmesg | grep -i 'apparmor=\"DENIED\"' | grep -i 'profile=\"libvirt-'"); strings.Contains(out, "ispctl") {
		t.Errorf("of ours it was denied:\n%s", out)
	}
}

// started starts all of them at once, the last one first, as a boot would: they
// come in their order. systemd orders what is started by one transaction, so
// something has to want them all.
func (h *host) started(t *testing.T) {
	h.sh("printf '[Unit]\\nWants=ispctl.service ispctl-guests.service ispctl-confirm.service ispctl-vpn.service\\n' >/run/systemd/system/" + allOurs +
		"; systemctl daemon-reload; systemctl start " + allOurs)
	for unit, want := range map[string]string{"libvirtd.service": "active", "ispctl-guests.service": "active", "ispctl.service": "active", "ispctl-confirm.service": "inactive", "ispctl-vpn.service": "inactive"} {
		if got := h.property(unit, "ActiveState"); got != want {
			t.Errorf("%s is %s, not %s", unit, got, want)
		}
	}
	// The last two of units have work to do; the condition of those before was looked
	// at in the same order.
	before := 0
	for i, unit := range units {
		property := "ConditionTimestampMonotonic"
		at, err := strconv.Atoi(h.property(unit, property))
		if err != nil || at == 0 {
			t.Errorf("%s: %s: %d, %v", unit, property, at, err)
		}
		if unit == "ispctl.service" && at < before {
			t.Errorf("%s was looked at before %s", unit, units[i-1])
		}
		before = max(before, at)
	}
	after := h.property("ispctl.service", "After")
	for _, unit := range units[:len(units)-1] {
		if !strings.Contains(after, unit) {
			t.Errorf("ispctl.service does not come after %s: %s", unit, after)
		}
	}
	if out := h.ok("converge"); strings.TrimSpace(out) != "no changes" {
		t.Errorf("beside serve there is something to do:\n%s", out)
	}
	if out := h.sh("systemctl show -p NRestarts ispctl.service; systemctl --failed --no-legend"); strings.TrimSpace(out) != "NRestarts=0" {
		t.Errorf("not all is well: %s", out)
	}
}

// restarted: serve is killed; systemd starts it again, and no guest has noticed.
func (h *host) restarted(t *testing.T) {
	qemu, serve := h.pid("qemu-system-x86"), h.property("ispctl.service", "MainPID")
	h.sh("kill -9 " + serve)
	h.until("serve is started again", func() bool {
		return h.property("ispctl.service", "ActiveState") == "active" && h.property("ispctl.service", "MainPID") != serve
	})
	if now := h.pid("qemu-system-x86"); now != qemu {
		t.Errorf("the guest's process was %s and is %s", qemu, now)
	}
	// What somebody takes away, it puts back.
	h.sh("ip link set isp-dmz down")
	h.until("the bridge is up again", func() bool { return strings.Contains(h.try("ip link show isp-dmz"), "state UP") })
}

// shutDown does what a host does that goes down: serve first, then the guests,
// while libvirt still runs.
func (h *host) shutDown(t *testing.T) {
	h.sh("systemctl stop ispctl-guests.service ispctl.service")
	if got := h.property("ispctl-guests.service", "Result"); got != "success" {
		t.Errorf("ispctl-guests.service: %s", got)
	}
	stopped := func(unit string) int {
		n, err := strconv.Atoi(h.property(unit, "InactiveEnterTimestampMonotonic"))
		if err != nil || n == 0 {
			t.Errorf("%s: stopped at %d, %v", unit, n, err)
		}
		return n
	}
	if serve, guests := stopped("ispctl.service"), stopped("ispctl-guests.service"); serve > guests {
		t.Errorf("serve stopped at %d, the guests before it, at %d", serve, guests)
	}
	if out := h.sh("virsh -c qemu:///system domstate isp-web1"); !strings.Contains(out, "shut off") {
		t.Errorf("the guest is %s", out)
	}
	if got := h.property("libvirtd.service", "ActiveState"); got != "active" {
		t.Errorf("libvirtd is %s", got)
	}
}

// bootedAgain: tables and links are gone, as after a boot, and the units bring
// them back with the guest.
func (h *host) bootedAgain(t *testing.T) {
	h.sh("nft flush ruleset; ip link delete isp-dmz; ip link delete isp-1-0")
	h.sh("systemctl start " + strings.Join(units[1:], " "))
	h.until("the guest runs", func() bool {
		return strings.Contains(h.try("virsh -c qemu:///system domstate isp-web1"), "running")
	})
	h.until("the guest answers", func() bool { return strings.Contains(h.ssh("echo reached"), "reached") })
	if label := h.label("qemu-system-x86"); !strings.HasPrefix(label, "libvirt-") || !strings.HasSuffix(label, "(enforce)") {
		t.Errorf("QEMU is confined by %q", label)
	}
	if out := h.sh("nft list tables"); !strings.Contains(out, "ispctl") {
		t.Errorf("there are no walls:\n%s", out)
	}
}

// host is the server.
type host struct {
	t   *testing.T
	key string
}

func (h *host) property(unit, name string) string {
	h.t.Helper()
	return strings.TrimSpace(h.sh("systemctl show --value -p " + name + " " + unit))
}

// pid is the one process of that name.
func (h *host) pid(name string) string {
	h.t.Helper()
	return strings.TrimSpace(h.sh("pgrep -x " + name))
}

func (h *host) label(name string) string {
	h.t.Helper()
	data, err := os.ReadFile("/proc/" + h.pid(name) + "/attr/current")
	if err != nil {
		h.t.Error(err)
	}
	return strings.TrimRight(string(data), "\n\x00")
}

// until waits long: the machine may be emulated, and the guest in it again.
func (h *host) until(what string, done func() bool) {
	h.t.Helper()
	for end := time.Now().Add(10 * time.Minute); !done(); time.Sleep(time.Second) {
		if time.Now().After(end) {
			h.t.Errorf("waited in vain: %s", what)
			return
		}
	}
}

// ok is a command of ispctl that succeeds.
func (h *host) ok(argv ...string) string {
	h.t.Helper()
	out, err := exec.Command("ispctl", argv...).CombinedOutput()
	h.t.Logf("# ispctl %s\n%s", strings.Join(argv, " "), out)
	if err != nil {
		h.t.Fatalf("ispctl %s: %v\n%s", strings.Join(argv, " "), err, out)
	}
	return string(out)
}

func (h *host) sh(script string) string {
	h.t.Helper()
	out, err := exec.Command("sh", "-ec", script).CombinedOutput()
	if err != nil {
		h.t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return string(out)
}

// try is a script that may fail.
func (h *host) try(script string) string {
	out, err := exec.Command("sh", "-c", script).CombinedOutput()
	if err != nil {
		return fmt.Sprintf("%s%v", out, err)
	}
	return string(out)
}

// ssh runs a command in the guest; what it ends with is the command's business.
func (h *host) ssh(command string) string {
	cmd := exec.Command("ssh", "-i", h.key, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
		"-o", "ConnectTimeout=60", "root@"+guest, command)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		fmt.Fprintf(&out, "%v", err)
	}
	return out.String()
}
