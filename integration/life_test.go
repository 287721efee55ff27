package integration

import (
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"ispctl/internal/testkit"
	"ispctl/operations"
)

// TestLife takes a real guest through its life: it stands still and goes on,
// grows under its own feet, is made anew with its name, address and keys, and
// gets another name; its console and its log are there all the while.
func TestLife(t *testing.T) {
	t.Parallel() // it waits for guests, mostly
	w := newWorld(t, "embed")
	w.ok("image", "build", "micro")
	w.ok("zone", "create", "dmz", "--prefix", "10.10.0.0/24")
	w.ok("plan", "create", "tiny", "--cpus", "1", "--memory", "128MiB", "--disk", "256MiB")
	w.ok("plan", "create", "roomy", "--cpus", "1", "--memory", "160MiB", "--disk", "512MiB")
	w.ok("vm", "create", "web1", "--template", "micro", "--zone", "dmz", "--plan", "tiny", "--ssh-key", w.key+".pub", "--wait")
	inside := func(command string) string {
		t.Helper()
		out, err := w.ssh(w.provider, "10.10.0.2", "22", command)
		if err != nil {
			t.Fatalf("%s: %v: %s", command, err, out)
		}
		return out
	}
	sectors := func() string { return inside("cat /sys/block/vda/size") }
	before := w.vm("web1")
	for _, phase := range before.Phases {
		if phase.Name == "" {
			t.Errorf("a phase of its making has no name: %+v", before.Phases)
		}
	}
	shaped := func(when string) {
		t.Helper()
		if out := w.in(w.provider, "tc", "qdisc", "show", "dev", "isp-1-1"); !strings.Contains(out, "htb") {
			t.Errorf("%s its admin NIC is not shaped: %s", when, out)
		}
	}
	shaped("made") // though libvirt puts a root of its own on every tap

	// The key that its server has is the one that was known before it was there.
	known := func(name string) string {
		t.Helper()
		log := w.ok("vm", "logs", name, "-n", "0")
		key := w.vm(name).HostKey
		if !strings.Contains(log, key+" root@"+name) {
			t.Errorf("%s has not the host key %s: %.2000s", name, key, log)
		}
		for line, want := range map[string]int{"hostname": 0, "exit 7": 7} {
			r := w.run("vm", "ssh", name, "--identity", w.key, "--", line)
			if r.code != want || want == 0 && r.out != name+"\n" {
				t.Errorf("vm ssh %s -- %s: exit %d, %s%s", name, line, r.code, r.out, r.err)
			}
		}
		return key
	}
	firstKey := known("web1")
	if r := w.run("doctor", "-o", "json"); !strings.Contains(r.out, "6 of 6 points") {
		t.Errorf("the guest is not confined as it should be: %s", r.out)
	}

	inside("echo mine > /root/file; sync")
	w.ok("vm", "pause", "web1")
	if vm := w.vm("web1"); vm.State != "paused" || dials(w.provider, "10.10.0.2:22") && bannered(w, "10.10.0.2:22") {
		t.Errorf("paused: state %s", vm.State)
	}
	if out := w.ok("converge"); strings.TrimSpace(out) != "no changes" {
		t.Errorf("a paused VM is not at rest: %s", out)
	}
	w.ok("vm", "resume", "web1")
	if vm := w.vm("web1"); vm.State != "running" || inside("cat /root/file") != "mine" {
		t.Errorf("resumed: state %s", vm.State)
	}

	if size := sectors(); size != fmt.Sprint(256<<20/512) {
		t.Errorf("the disk has %s sectors", size)
	}
	w.ok("vm", "set", "web1", "--plan", "roomy")
	if size := sectors(); size != fmt.Sprint(512<<20/512) || inside("cat /root/file") != "mine" {
		t.Errorf("after it grew the disk has %s sectors", size)
	}
	w.fails(5, "cannot shrink", "vm", "set", "web1", "--plan", "tiny")

	w.fails(5, "have no guest agent", "vm", "exec", "web1", "--", "true")
	if log := w.ok("vm", "logs", "web1", "-n", "0"); !strings.Contains(log, "ssh-ed25519") || strings.ContainsAny(log, "\x1b\r") {
		t.Errorf("log: %.300q", log)
	}
	if log := w.ok("vm", "logs", "web1", "-n", "2"); strings.Count(log, "\n") > 2 {
		t.Errorf("two lines of it: %q", log)
	}
	t.Run("console", func(t *testing.T) { atTheConsole(t, w) })

	w.ok("vm", "rebuild", "web1", "--yes", "--wait")
	if out := inside("cat /root/file 2>/dev/null || echo gone; hostname; cat /sys/block/vda/size"); out != "gone\nweb1\n"+fmt.Sprint(512<<20/512) {
		t.Errorf("after it was made anew: %s", out)
	}
	shaped("made anew")
	if known("web1") == firstKey {
		t.Error("made anew, it has the host key of before")
	}
	if after := w.vm("web1"); after.MAC != before.MAC || after.UUID != before.UUID || after.Addresses[0] != before.Addresses[0] {
		t.Errorf("before %+v\nafter %+v", before, after)
	}
	if out := w.in(w.provider, "find", w.root, "-name", "disk*.qcow2"); strings.Count(out, "\n") != 1 || !strings.Contains(out, "disk-1.qcow2") {
		t.Errorf("disks: %s", out)
	}

	w.fails(5, "ispctl vm stop web1", "vm", "rename", "web1", "www")
	// The host goes down: what is to run stays to be run.
	w.ok("host", "shutdown", "--yes", "--timeout", "30s")
	if down := w.vm("web1"); down.State != "stopped" || down.Wanted != "running" {
		t.Errorf("after the shutdown of the host it is %s, and is to be %s", down.State, down.Wanted)
	}
	w.ok("vm", "stop", "web1")
	w.fails(5, "is not running", "vm", "console", "web1")
	w.ok("vm", "rename", "web1", "www")
	w.ok("vm", "start", "www", "--wait")
	if out := inside("hostname"); out != "www" {
		t.Errorf("it calls itself %s", out)
	}
	w.ok("vm", "restart", "www", "--wait")
	// To be asked, it would have to be let go on first.
	w.ok("vm", "pause", "www")
	if out := w.ok("vm", "stop", "www", "--force"); w.vm("www").State != "stopped" {
		t.Errorf("cut off, it is %s:\n%s", w.vm("www").State, out)
	}
	w.ok("vm", "destroy", "www", "--yes")
	severalAtOnce(t, w)
	if out := w.in(w.provider, "find", w.root, "-name", "*.qcow2"); out != "" {
		t.Errorf("left: %s", out)
	}
}

// severalAtOnce makes guests by one command; each is somebody of its own.
func severalAtOnce(t *testing.T, w *world) {
	t.Helper()
	w.ok("vm", "create", "node", "--count", "2", "--template", "micro", "--zone", "dmz", "--plan", "tiny", "--ssh-key", w.key+".pub", "--wait")
	own := map[string]bool{}
	for _, name := range []string{"node-1", "node-2"} {
		out, err := w.ssh(w.provider, w.vm(name).Addresses[0], "22", "hostname")
		if err != nil || out != name {
			t.Errorf("%s calls itself %q, %v", name, out, err)
		}
		// As its host says it; the log names the operator's key as well.
		said := regexp.MustCompile(`ssh-ed25519 (\S+) root@` + name + `\b`).FindStringSubmatch(w.ok("vm", "logs", name, "-n", "0"))
		if said == nil {
			t.Fatalf("%s does not say its host key", name)
		}
		own[said[1]] = true
	}
	if len(own) != 2 {
		t.Errorf("host keys: %v", own)
	}
	t.Run("tenants", func(t *testing.T) {
		testkit.Long(t, "1 min")
		tenantsLookAfter(t, w, "node-1", "node-2")
	})
	w.ok("vm", "destroy", "node-1", "node-2", "--yes")
}

// bannered reports whether an SSH server says anything: a paused guest's kernel
// answers nothing, but its host may.
func bannered(w *world, address string) bool {
	out, _ := exec.Command("ip", "netns", "exec", w.provider, "timeout", "1", "bash", "-c", "head -c 3 < /dev/tcp/"+strings.Replace(address, ":", "/", 1)).Output()
	return string(out) == "SSH"
}

// atTheConsole is there by a terminal, as an operator is: one at a time, until
// ^] is typed.
func atTheConsole(t *testing.T, w *world) {
	cmd := w.command("vm", "console", "web1")
	terminal, err := pty.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close() //nolint:errcheck // nothing is lost with it
	said := make(chan string, 1)
	go func() {
		var all strings.Builder
		b := make([]byte, 1024)
		for {
			n, err := terminal.Read(b)
			all.Write(b[:n])
			if strings.Contains(all.String(), "connected; ^] leaves") || err != nil {
				said <- all.String()
				return
			}
		}
	}()
	select {
	case text := <-said:
		if !strings.Contains(text, "connected") {
			t.Fatalf("it said %q", text)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it does not connect")
	}
	w.fails(5, "somebody else is at its console", "vm", "console", "web1")
	var v operations.VMView
	w.show(&v, "vm", "show", "web1") // libvirt is free for others meanwhile
	if v.Console == "" {
		t.Errorf("%+v", v)
	}
	if _, err := terminal.Write([]byte{0x1d}); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Error("^] does not end it")
		_ = cmd.Process.Kill()
	}
}
