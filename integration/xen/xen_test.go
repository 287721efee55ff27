package xen

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"ispctl/internal/netns"
	"ispctl/internal/testkit"
	"ispctl/vm"
)

// dom0 is promised by the lab's flavour xen.
var dom0 = testkit.Feature{Name: "to be dom0 of Xen", Probe: func() error {
	if !vm.XenHere() {
		return errors.New("/proc/xen/capabilities does not say control_d")
	}
	return nil
}}

// inLab keeps what follows from the network of a host that somebody uses.
var inLab = testkit.Feature{Name: "the lab", Probe: func() error {
	if os.Getenv("ISPCTL_LAB") == "" {
		return errors.New("ISPCTL_LAB is not set")
	}
	return nil
}}

const (
	guest    = "10.10.0.2"
	external = "203.0.113.10"
	peer     = "203.0.113.1" // the provider's router, and the Internet
)

// host is dom0 with an uplink into a namespace that is the Internet.
type host struct {
	t    *testing.T
	root string
	key  string
}

// TestGuest is the life of a PV guest.
func TestGuest(t *testing.T) {
	testkit.Need(t, testkit.Root, inLab, dom0)
	h := newHost(t)
	before := h.traces()

	t.Run("refused before anything is made", h.refusals)
	h.ok("vm", "create", "web1", "--template", "micro", "--zone", "dmz", "--plan", "small", "--ssh-key", h.key+".pub", "--wait", "--timeout", "9m")

	t.Run("listed", func(t *testing.T) {
		if out := h.ok("vm", "list"); !strings.Contains(out, "web1") || !strings.Contains(out, "running") {
			t.Errorf("vm list:\n%s", out)
		}
		if out := h.sh("virsh -c xen:///system list --all"); !strings.Contains(out, "isp-web1") {
			t.Errorf("virsh list:\n%s", out)
		}
	})
	t.Run("its port", func(t *testing.T) {
		link := h.sh("ip -d link show isp-1-0")
		for _, want := range []string{"master isp-dmz", "UP", "alias vm web1 nic 0"} {
			if !strings.Contains(link, want) {
				t.Errorf("the vif lacks %q:\n%s", want, link)
			}
		}
		if sets := h.sh("nft list ruleset"); !strings.Contains(sets, `"isp-1-0"`) {
			t.Error("no wall knows the vif")
		}
		if out := h.ok("converge"); strings.TrimSpace(out) != "no changes" {
			t.Errorf("a guest that runs is not at rest:\n%s", out)
		}
	})
	t.Run("source NAT", h.sourceNAT)
	t.Run("walls", h.walls)
	t.Run("shaping and metering", h.shaped)
	t.Run("CPU time and memory", h.tuned)
	t.Run("console", func(t *testing.T) {
		if out := h.ok("vm", "show", "web1", "-o", "json"); !strings.Contains(out, `"/dev/pts/`) {
			t.Errorf("no console:\n%s", out)
		}
		out := h.sh("(sleep 2; echo; sleep 1; echo hello; sleep 3) | timeout 20 ispctl --root " + h.root + " vm console web1 2>&1; true")
		if !strings.Contains(out, "web1 login: hello") {
			t.Errorf("nobody can log in at the console: %q", out)
		}
	})
	t.Run("stop and start", func(t *testing.T) {
		h.ok("vm", "stop", "web1")
		if out := h.sh("virsh -c xen:///system domstate isp-web1; ip -o link"); !strings.Contains(out, "shut off") || strings.Contains(out, "isp-1-0:") {
			t.Errorf("after stop:\n%s", out)
		}
		h.ok("converge") // the queue beside the port goes after it
		if out := h.ok("converge"); strings.TrimSpace(out) != "no changes" {
			t.Errorf("a stopped guest is not at rest:\n%s", out)
		}
		h.ok("vm", "start", "web1", "--wait", "--timeout", "9m")
		if out := h.sh("tc class show dev isp-1-0"); !strings.Contains(out, "rate 2Mbit") {
			t.Errorf("started again, it is not shaped:\n%s", out)
		}
	})
	h.ok("vm", "destroy", "web1", "--yes")
	h.ok("converge")
	if after := h.traces(); after != before {
		t.Errorf("destroyed, it leaves something. before:\n%s\nafter:\n%s", before, after)
	}
}

// refusals are what Xen cannot do: said before anything is made.
func (h *host) refusals(t *testing.T) {
	for _, c := range []struct {
		argv []string
		want string
	}{
		{[]string{"vm", "create", "slow", "--template", "micro", "--zone", "dmz", "--plan", "slow"}, "limits of its disk"},
		{[]string{"vm", "create", "tiny", "--template", "micro", "--zone", "dmz", "--plan", "tiny"}, "less than 128MiB on Xen"},
	} {
		out, err := h.run(c.argv...)
		if err == nil || !strings.Contains(out, c.want) {
			t.Errorf("%v: %v, want %q:\n%s", c.argv, err, c.want, out)
		}
		_, _ = h.run("vm", "destroy", c.argv[2], "--yes", "--if-exists")
	}
	if out := h.sh("virsh -c xen:///system list --all --name"); strings.Contains(out, "isp-") {
		t.Errorf("a domain was made:\n%s", out)
	}
}

// sourceNAT: the Internet sees the zone's address.
func (h *host) sourceNAT(t *testing.T) {
	seen := make(chan string, 1)
	stop := h.listen(t, "internet", peer+":8080", func(c net.Conn) {
		from, _, _ := net.SplitHostPort(c.RemoteAddr().String())
		seen <- from
	})
	defer stop()
	h.ssh("nc -w 20 " + peer + " 8080 </dev/null")
	select {
	case from := <-seen:
		if from != external {
			t.Errorf("seen as %s, want %s", from, external)
		}
	case <-time.After(time.Minute):
		t.Error("nobody came")
	}
}

// walls: neither the host nor a stranger's address is to be had.
func (h *host) walls(t *testing.T) {
	stop := h.listen(t, "", ":4444", func(net.Conn) {})
	defer stop()
	for _, target := range []string{"10.10.0.1 4444", "203.0.113.2 4444"} {
		if out := h.ssh("nc -w 3 " + target + " </dev/null && echo connected"); strings.Contains(out, "connected") {
			t.Errorf("the guest reached %s", target)
		}
	}
	if out := h.ssh("ip addr add 10.10.0.77/24 dev eth0; ping -c 2 -W 2 -I 10.10.0.77 " + peer + "; ip addr del 10.10.0.77/24 dev eth0"); !strings.Contains(out, "100% packet loss") {
		t.Errorf("with another's address:\n%s", out)
	}
	if out := h.ssh("ping -c 2 -W 5 " + peer); strings.Contains(out, "100% packet loss") {
		t.Errorf("with its own it gets no answer either, so this proves nothing:\n%s", out)
	}
}

// shaped: two mebibytes at 2 Mbit/s take eight seconds, however slow the machine
// is no less; and what went by was counted to the byte of the link.
func (h *host) shaped(t *testing.T) {
	if out := h.sh("tc class show dev isp-1-0"); !strings.Contains(out, "rate 2Mbit") {
		t.Errorf("the vif is not shaped:\n%s", out)
	}
	const size = 2 << 20
	stop := h.listen(t, "internet", peer+":8081", func(c net.Conn) { _, _ = c.Write(make([]byte, size)) })
	defer stop()
	started := time.Now()
	got := strings.TrimSpace(h.ssh("nc -w 60 " + peer + " 8081 </dev/null | wc -c"))
	if took := time.Since(started); got != strconv.Itoa(size) || took < 7*time.Second {
		t.Errorf("%s of %d bytes in %v: at 2 Mbit/s they take 8 s", got, size, took)
	} else {
		t.Logf("%d bytes in %v", size, took)
	}
	out := h.ok("usage", "live", "web1", "--once", "-o", "json")
	t.Logf("usage live: %s", out)
	sum := h.sh("nft -j list ruleset | tr -d ' ' | grep -o '\"isp-1-0\"[^}]*\"bytes\":[0-9]*' | grep -o '[0-9]*$' | sort -n | tail -1")
	if n, err := strconv.Atoi(strings.TrimSpace(sum)); err != nil || n < size {
		t.Errorf("the counters of the vif have %q bytes, and %d went by", sum, size)
	}
}

// tuned: a cap and a weight change while it runs, and memory by the balloon.
func (h *host) tuned(t *testing.T) {
	const schedinfo = "virsh -c xen:///system schedinfo isp-web1"
	if out := h.sh(schedinfo); !hasField(out, "cap", "80") {
		t.Errorf("started without its plan's ceiling:\n%s", out)
	}
	h.ok("qos", "set", "web1", "--cpu-ceiling", "50%", "--cpu-shares", "200")
	if out := h.sh(schedinfo); !hasField(out, "cap", "50") || !hasField(out, "weight", "512") {
		t.Errorf("not changed:\n%s", out)
	}
	before := h.guestMemory()
	h.sh("virsh -c xen:///system setmem isp-web1 163840 --live")
	for range 60 {
		if h.guestMemory() < before-16<<10 {
			break
		}
		time.Sleep(time.Second)
	}
	if after := h.guestMemory(); after >= before-16<<10 {
		t.Errorf("the balloon took nothing: %d KiB, before %d", after, before)
	}
	h.sh("virsh -c xen:///system setmem isp-web1 196608 --live")
}

func (h *host) guestMemory() int {
	h.t.Helper()
	n, err := strconv.Atoi(strings.TrimSpace(h.ssh("awk '/MemTotal/ {print $2}' /proc/meminfo")))
	if err != nil {
		h.t.Error(err)
	}
	return n
}

func hasField(text, name, value string) bool {
	for line := range strings.Lines(text) {
		if key, have, _ := strings.Cut(line, ":"); strings.TrimSpace(key) == name && strings.TrimSpace(have) == value {
			return true
		}
	}
	return false
}

func newHost(t *testing.T) *host {
	h := &host{t: t, root: filepath.Join(t.TempDir(), "isp")}
	h.key = filepath.Join(t.TempDir(), "key")
	h.sh("ssh-keygen -q -t ed25519 -N '' -f " + h.key)
	h.sh("ip netns add internet; ip -n internet link set lo up; ip link add up0 type veth peer name eth0 netns internet; " +
		"ip -n internet address add " + peer + "/24 dev eth0; ip -n internet link set eth0 up; " +
		"ip -n internet route add " + external + " via 203.0.113.2; ip link set up0 up")
	h.ok("init", "--hypervisor", "xen", "--uplink", "up0", "--address", "203.0.113.2/24", "--gateway", peer)
	h.ok("address", "add", external)
	h.ok("zone", "create", "dmz", "--prefix", "10.10.0.0/24", "--snat", external)
	h.ok("plan", "create", "small", "--cpus", "1", "--memory", "192MiB", "--disk", "512MiB", "--down", "2mbit", "--up", "2mbit", "--cpu-ceiling", "80%")
	h.ok("plan", "create", "slow", "--cpus", "1", "--memory", "192MiB", "--disk", "512MiB", "--read-iops", "100")
	h.ok("plan", "create", "tiny", "--cpus", "1", "--memory", "96MiB", "--disk", "512MiB")
	// The mirror that labrun has built it from, by whose name it is found.
	h.ok("image", "build", "micro", "--mirror", "http://deb.debian.org/debian", "--cache", filepath.Join(os.Getenv("ISPCTL_LAB_FILES"), "images"))
	return h
}

// run is a command of ispctl; its log is the one in the docs.
func (h *host) run(argv ...string) (string, error) {
	h.t.Helper()
	cmd := exec.Command("ispctl", append([]string{"--root", h.root}, argv...)...)
	out, err := cmd.CombinedOutput()
	h.t.Logf("# ispctl %s\n%s", strings.Join(argv, " "), out)
	return string(out), err
}

func (h *host) ok(argv ...string) string {
	h.t.Helper()
	out, err := h.run(argv...)
	if err != nil {
		h.t.Fatalf("ispctl %s: %v\n%s", strings.Join(argv, " "), err, out)
	}
	return out
}

func (h *host) sh(script string) string {
	h.t.Helper()
	out, err := exec.Command("sh", "-c", script).CombinedOutput()
	h.t.Logf("# %s\n%s", script, out)
	if err != nil {
		h.t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return string(out)
}

// ssh runs a command in the guest; what it ends with is the command's business.
func (h *host) ssh(command string) string {
	h.t.Helper()
	cmd := exec.Command("ssh", "-i", h.key, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
		"-o", "ConnectTimeout=60", "root@"+guest, command)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	h.t.Logf("# ssh root@%s '%s'\n%s%v", guest, command, out.String(), err)
	return out.String()
}

// listen answers connections in a network namespace until it is told to stop.
func (h *host) listen(t *testing.T, ns, address string, each func(net.Conn)) (stop func()) {
	t.Helper()
	var l net.Listener
	open := func() (err error) {
		l, err = net.Listen("tcp4", address)
		return err
	}
	err := error(nil)
	if ns == "" {
		err = open()
	} else {
		err = netns.Do(ns, open)
	}
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			each(c)
			_ = c.(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(io.Discard, bufio.NewReader(c))
			_ = c.Close()
		}
	}()
	return func() { _ = l.Close() }
}

// traces is all that a guest could leave behind.
func (h *host) traces() string {
	h.t.Helper()
	files, vms := "", filepath.Join(h.root, "var/lib/libvirt/images/ispctl/vms")
	_ = filepath.WalkDir(vms, func(name string, _ os.DirEntry, err error) error {
		if err == nil && name != vms {
			files += name + "\n"
		}
		return nil
	})
	return fmt.Sprint(h.sh("virsh -c xen:///system list --all --name; ip -o link | sed 's/^[0-9]*: //; s/ .*//'; "+
		"nft list ruleset | grep -c 'isp-[0-9]' || true; xenstore-list /local/domain"), files)
}
