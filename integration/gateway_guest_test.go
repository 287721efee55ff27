package integration

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"ispctl/internal/testkit"
	"ispctl/operations"
)

// tenantsClient is OpenSSH on the Internet, with a tenant's key and the gateway's
// host key as it was told.
type tenantsClient struct {
	w          *world
	user, key  string
	knownHosts string
}

const gatewayPort = "2222"

func (c tenantsClient) command(tty bool, words ...string) *exec.Cmd {
	args := []string{
		"netns", "exec", c.w.internet, "ssh", "-F", "none", "-p", gatewayPort, "-i", c.key, "-l", c.user, "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes",
		"-o", "IdentityAgent=none", "-o", "ConnectTimeout=60", "-o", "StrictHostKeyChecking=yes", "-o", "UserKnownHostsFile=" + c.knownHosts, "-o", "LogLevel=ERROR",
	}
	if tty {
		args = append(args, "-tt")
	}
	return exec.Command("ip", append(append(args, host), words...)...)
}

// asks is what a tenant's words come to.
func (c tenantsClient) asks(words ...string) result {
	return resultOf(c.w.t, c.command(false, words...))
}

func (c tenantsClient) ok(words ...string) string {
	c.w.t.Helper()
	r := c.asks(words...)
	if r.code != 0 {
		c.w.t.Fatalf("%s: exit %d\n%s%s", strings.Join(words, " "), r.code, r.out, r.err)
	}
	return r.out
}

// tenantsLookAfter has two tenants, with a running guest each, come in by the
// gateway: each sees, restarts and reads its own, and the other's is nothing.
func tenantsLookAfter(t *testing.T, w *world, mine, theirs string) {
	t.Helper()
	key := filepath.Join(w.root, "acme")
	testkit.Sh(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
	w.ok("tenant", "create", "acme")
	w.ok("tenant", "create", "other")
	w.ok("tenant", "key", "add", "acme", "--ssh-key", key+".pub")
	w.ok("vm", "set", mine, "--tenant", "acme")
	w.ok("vm", "set", theirs, "--tenant", "other")
	w.ok("gateway", "set", "--listen", host+":"+gatewayPort)
	var at struct{ Key string }
	w.show(&at, "gateway", "show")
	s := w.serve()
	s.says("answers tenants at")
	acme := tenantsClient{w, "acme", key, w.write("gateway_hosts", fmt.Sprintf("[%s]:%s %s\n", host, gatewayPort, at.Key))}

	var vms []operations.OwnVMView
	if err := json.Unmarshal([]byte(acme.ok("vm", "list", "-o", "json")), &vms); err != nil {
		t.Fatal(err)
	}
	if len(vms) != 1 || string(vms[0].Name) != mine || vms[0].State != "running" {
		t.Errorf("its VMs: %+v", vms)
	}
	inside := func(name, command string) string {
		out, err := w.ssh(w.provider, w.vm(name).Addresses[0], "22", command)
		if err != nil {
			t.Fatalf("%s: %s: %v: %s", name, command, err, out)
		}
		return out
	}
	const boot = "cat /proc/sys/kernel/random/boot_id"
	mineBoot, theirBoot := inside(mine, boot), inside(theirs, boot)
	acme.ok("vm", "restart", mine)
	w.ok("vm", "start", mine, "--wait")
	if inside(mine, boot) == mineBoot {
		t.Error("it was not restarted")
	}
	acme.reads(t, mine, func() { inside(mine, "echo spoken by the guest >/dev/console") })
	for _, words := range []string{"vm show @", "vm start @", "vm stop @", "vm restart @", "vm rebuild @ --yes", "vm console @", "usage @"} {
		ask := func(name string) result {
			r := acme.asks(strings.Fields(strings.ReplaceAll(words, "@", name))...)
			r.err = strings.ReplaceAll(r.err, name, "@")
			return r
		}
		if got, ghost := ask(theirs), ask("ghost"); got != ghost || got.code != 3 || got.out != "" {
			t.Errorf("%s of another is %+v, and of nobody %+v", words, got, ghost)
		}
	}
	if inside(theirs, boot) != theirBoot {
		t.Error("another's VM was restarted")
	}
	for _, words := range []string{"usage", "report", "vm list -o wide"} {
		if out := acme.ok(strings.Fields(words)...); strings.Contains(out, theirs) || strings.Contains(out, "other") {
			t.Errorf("%s tells of another:\n%s", words, out)
		}
	}
	acme.ok("vm", "stop", mine)
	if vm := w.vm(mine); vm.State != "stopped" {
		t.Errorf("told to stop, it is %s", vm.State)
	}
	if code := s.end(unix.SIGTERM); code != 0 {
		t.Errorf("serve ends with %d", code)
	}
}

// reads is at the console of a running VM when something is said there; meanwhile
// nobody else can be.
func (c tenantsClient) reads(t *testing.T, name string, say func()) {
	t.Helper()
	cmd := c.command(true, "vm", "console", name)
	terminal, err := pty.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close() //nolint:errcheck // nothing is lost with it
	watchdog := time.AfterFunc(3*time.Minute, func() { _ = cmd.Process.Kill() })
	defer watchdog.Stop()
	buf := make([]byte, 1024)
	var all strings.Builder
	until := func(text string) {
		for !strings.Contains(all.String(), text) {
			n, err := terminal.Read(buf)
			all.Write(buf[:n])
			if err != nil {
				t.Fatalf("it waits for %q, and %v:\n%s", text, err, all.String())
			}
		}
	}
	until("connected; ^] leaves")
	c.w.fails(5, "somebody else is at its console", "vm", "console", name)
	if r := c.asks("vm", "console", name); r.code != 5 || !strings.Contains(r.err, "somebody else is at its console") {
		t.Errorf("a second one at the console: %+v", r)
	}
	say()
	until("spoken by the guest")
	if _, err := terminal.Write([]byte("\r")); err != nil {
		t.Fatal(err)
	}
	until("login:")
	if _, err := terminal.Write([]byte{0x1d}); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("^] ends it with %v", err)
	}
}
