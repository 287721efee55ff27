package integration

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ispctl/internal/testkit"
)

// debian is a world with a real Debian guest that answers by SSH.
func debian(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, "embed")
	w.ok("image", "build", "debian-12")
	w.ok("zone", "create", "dmz", "--prefix", "10.10.0.0/24", "--prefix6", "fd00:10::/64")
	w.ok("plan", "create", "small", "--cpus", "1", "--memory", "512MiB", "--disk", "2GiB")
	if err := os.MkdirAll(filepath.Join(w.root, "etc/ispctl/templates"), 0o755); err != nil {
		t.Fatal(err)
	}
	w.write("etc/ispctl/templates/own.yaml", `name: own
from: debian-12
console: none
users:
- {name: alice, keys: ["`+w.publicKey()+`"], groups: [adm]}
files:
- {path: "/srv/$(id) '; x", mode: 600, owner: "alice:alice", content: "it's\n"}
steps:
- run: [sh, -c, 'echo "$@" >>/srv/args', x, "$(id)"]
- script: |
    #!/bin/sh
    echo done >>/srv/script
`)
	w.ok("vm", "create", "web1", "--template", "own", "--zone", "dmz", "--plan", "small", "--ssh-key", w.key+".pub", "--wait", "--timeout", "20m")
	return w
}

// TestDebian is one real Debian guest, with what only such a guest can show.
func TestDebian(t *testing.T) {
	testkit.Long(t, "3 min")
	w := debian(t)
	t.Run("login", func(t *testing.T) { knownBeforehand(t, w) })
	t.Run("agent", func(t *testing.T) { agentRuns(t, w) })
	t.Run("the rest by cloud-init", func(t *testing.T) { restComes(t, w) })
	t.Run("rebuild", func(t *testing.T) {
		w.ok("vm", "rebuild", "web1", "--yes", "--wait", "--timeout", "20m")
		knownBeforehand(t, w)
		restComes(t, w)
	})
	t.Run("handed over", func(t *testing.T) { handsOver(t, w) }) // the last: the key of the others opens it no more
}

// knownBeforehand is what is there with the first answer of SSH: name, keys,
// networks of both families, the leg.
func knownBeforehand(t *testing.T, w *world) {
	t.Helper()
	for command, want := range map[string]string{
		"hostname; hostname -f":                                       "web1\nweb1.dmz.internal",
		"cat /etc/ssh/ssh_host_ed25519_key.pub":                       w.vm("web1").HostKey + " root@web1",
		"ls /etc/ssh/ssh_host_*":                                      "/etc/ssh/ssh_host_ed25519_key\n/etc/ssh/ssh_host_ed25519_key.pub",
		"stat -c %a /etc/ssh/ssh_host_ed25519_key":                    "600",
		"ip -4 -o address show eth0 | awk '{print $4}'":               "10.10.0.2/24",
		"ip -6 -o address show eth0 scope global | awk '{print $4}'":  "fd00:10::2/64",
		"ip -4 -o address show eth1 | awk '{print $4}'":               "10.255.0.2/24",
		"ip -4 route show default | awk '{print $3}'":                 "10.10.0.1",
		"ip -6 route show 8000::/1 | awk '{print $3}'":                "fd00:10::1",
		"ls /run/ispctl/seed; systemctl is-active serial-getty@ttyS0": "inactive",
	} {
		r := w.run("vm", "ssh", "web1", "--identity", w.key, "--", command)
		if strings.TrimSpace(r.out) != want {
			t.Errorf("%s: %q, want %q (%s)", command, r.out, want, r.err)
		}
	}
}

// restComes waits until cloud-init is through, and looks at what it was to do.
func restComes(t *testing.T, w *world) {
	t.Helper()
	for until := time.Now().Add(15 * time.Minute); ; time.Sleep(5 * time.Second) {
		r := w.run("vm", "ssh", "web1", "--identity", w.key, "--", "cmp /run/ispctl/instance /var/lib/ispctl/instance")
		if r.code == 0 {
			break
		}
		if time.Now().After(until) {
			t.Fatalf("cloud-init does not end: %s%s\n%s", r.out, r.err, w.run("vm", "ssh", "web1", "--identity", w.key, "--", "journalctl -u ispctl-cloud-init --no-pager | tail -50").out)
		}
	}
	for command, want := range map[string]string{
		"id -nG alice; getent passwd alice | cut -d: -f7":                     "alice adm\n/bin/bash",
		"cat /srv/*id*; stat -c %U:%a /srv/*id*":                              "it's\nalice:600",
		"cat /srv/args /srv/script":                                           "$(id)\ndone",
		"cut -d' ' -f1,2 /root/.ssh/authorized_keys | sort | uniq -c | wc -l": "1",
		"cut -d' ' -f1,2 /home/alice/.ssh/authorized_keys | wc -l":            "1",
		"cat /etc/ssh/ssh_host_ed25519_key.pub":                               w.vm("web1").HostKey + " root@web1",
		"hostname -f":                                                         "web1.dmz.internal",
	} {
		r := w.run("vm", "ssh", "web1", "--identity", w.key, "--", command)
		if strings.TrimSpace(r.out) != want {
			t.Errorf("%s: %q, want %q (%s)", command, r.out, want, r.err)
		}
	}
}

// agentRuns has programs run in the guest without its network.
func agentRuns(t *testing.T, w *world) {
	agentUp(t, w, "web1")
	for _, tt := range []struct {
		stdin    string
		argv     []string
		code     int
		out, err string
	}{
		{"", []string{"hostname"}, 0, "web1\n", ""},
		{"", []string{"sh", "-c", "echo wrong >&2; exit 7"}, 7, "", "wrong\n"},
		{"", []string{"sh", "-c", "kill -9 $$"}, 137, "", ""},
		{"", []string{"printf", "%s|", "$(id)", "two\nlines", "", "-n", "'\""}, 0, "$(id)|two\nlines||-n|'\"|", ""},
		{"a\x00\xffb", []string{"od", "-An", "-c"}, 0, "   a  \\0 377   b\n", ""},
		{"", []string{"sh", "-c", "echo $HOME; id -un"}, 0, "/root\nroot\n", ""},
		{"", []string{"sh", "-c", "sleep 6; echo late"}, 0, "late\n", ""}, // longer than one process asks
	} {
		args := []string{"vm", "exec", "web1", "--timeout", "3m", "--"}
		if tt.stdin != "" {
			args = []string{"vm", "exec", "web1", "--timeout", "3m", "--stdin", "--"}
		}
		cmd := w.command(append(args, tt.argv...)...)
		cmd.Stdin = strings.NewReader(tt.stdin)
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		err := cmd.Run()
		if code := cmd.ProcessState.ExitCode(); code != tt.code || out.String() != tt.out || errs.String() != tt.err {
			t.Errorf("%q: exit %d, want %d; out %q, want %q; err %q, want %q (%v)", tt.argv, code, tt.code, out.String(), tt.out, errs.String(), tt.err, err)
		}
	}
	w.fails(1, "No such file or directory", "vm", "exec", "web1", "--", "/nope")
	w.fails(6, "has not ended in time", "vm", "exec", "web1", "--timeout", "1s", "--", "sleep", "300")
}

// agentUp waits for the guest agent, which comes after SSH.
func agentUp(t *testing.T, w *world, name string) {
	t.Helper()
	for until := time.Now().Add(3 * time.Minute); ; time.Sleep(2 * time.Second) {
		out, err := w.command("vm", "exec", name, "--", "true").CombinedOutput()
		if err == nil {
			return
		}
		if _, exited := err.(*exec.ExitError); !exited || time.Now().After(until) {
			t.Fatalf("no agent: %v: %s", err, out)
		}
	}
}
