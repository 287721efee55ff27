package integration

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ispctl/internal/demo"
	"ispctl/internal/netns"
	"ispctl/internal/testkit"
)

// TestDemo is `make demo` and `ispctl demo down`: every proof holds, and the
// host is left as it was.
func TestDemo(t *testing.T) {
	testkit.Need(t, testkit.Root)
	if netns.Exists(demo.ProviderNS) {
		t.Fatal("a demo is up on this host; take it down first: ispctl demo down")
	}
	root, err := os.MkdirTemp("", "isp")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(root); err != nil {
		t.Fatal(err)
	}
	ispctl := func(args ...string) string {
		t.Helper()
		cmd := exec.Command(program, append([]string{"--root", root}, args...)...)
		cmd.Env = append(os.Environ(), "ISPCTL_CACHE="+cacheDir())
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("ispctl %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	before := hostNetwork(t)
	t.Cleanup(func() { ispctl("demo", "down") })
	out := ispctl("demo", "up")
	for _, want := range []string{"ok    login over SSH from the Internet", "ok    mail1 cannot be reached from web1", "ok    web1 is the tenant's", "Handed over to Acme", "PrivateKey = ", "For known_hosts: web1", "Look around:", "demo down"} {
		if !strings.Contains(out, want) {
			t.Errorf("demo up does not say %q:\n%s", want, out)
		}
	}
	var s demo.Status
	if err := json.Unmarshal([]byte(ispctl("demo", "status", "-o", "json")), &s); err != nil {
		t.Fatal(err)
	}
	if len(s.Checks) < 6 || len(s.VMs) != 2 || len(s.Namespaces) != 2 || s.Root != root {
		t.Errorf("demo status: %+v", s)
	}
	// Three ends that open connections, to three others each, by two families.
	if len(s.Policies) != 18 {
		t.Errorf("the matrix has %d cells: %+v", len(s.Policies), s.Policies)
	}
	for _, c := range s.Policies {
		if !c.OK() || len(c.Reached)+len(c.Silent) != 2 {
			t.Errorf("%s -> %s by %s: %+v", c.From, c.To, c.Family, c)
		}
	}
	for _, c := range s.Checks {
		if !c.OK {
			t.Errorf("%s: %s", c.Name, c.Detail)
		}
	}
	// The way in that status prints is the way in.
	sh := exec.Command("sh", "-c", s.VMs[0].SSH+" hostname")
	if got, err := sh.CombinedOutput(); err != nil || strings.TrimSpace(string(got)) != "web1" {
		t.Errorf("%s: %v\n%s", s.VMs[0].SSH, err, got)
	}
	// Its agent is there without its network.
	if got := ispctl("vm", "exec", "web1", "--timeout", "3m", "--", "hostname"); got != "web1\n" {
		t.Errorf("vm exec: %q", got)
	}
	// Whoever looks around makes something of their own.
	ispctl("vm", "create", "mine", "--template", "micro", "--zone", "mail", "--plan", "tiny")
	ispctl("demo", "down")
	if left, _ := filepath.Glob("/sys/fs/cgroup/*/ispctl-isp@" + demo.ProviderNS); len(left) > 0 {
		t.Errorf("control groups are left: %v", left)
	}
	if diff := cmp.Diff(before, hostNetwork(t)); diff != "" {
		t.Errorf("the demo left its mark on the host (-before +after):\n%s", diff)
	}
	if _, err := os.Stat(root); !os.IsNotExist(err) {
		t.Errorf("the root is still there: %v", err)
	}
	if left, _ := exec.Command("pgrep", "-af", root).Output(); len(left) > 0 {
		t.Errorf("processes are left:\n%s", left)
	}
}

// hostNetwork draws the host's own network and namespaces.
func hostNetwork(t *testing.T) []string {
	t.Helper()
	out := testkit.Sh(t, "ip", "-o", "address") + testkit.Sh(t, "ip", "route") + testkit.Sh(t, "nft", "list", "ruleset")
	lines := strings.Split(out, "\n")
	for line := range strings.Lines(testkit.Sh(t, "ip", "netns", "list")) {
		// Other tests make namespaces of other names at the same time.
		if strings.HasPrefix(line, demo.ProviderNS) {
			lines = append(lines, line)
		}
	}
	return lines
}
