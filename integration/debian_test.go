package integration

import (
	"bytes"
	"os/exec"
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
	w.ok("vm", "create", "web1", "--template", "debian-12", "--zone", "dmz", "--plan", "small", "--ssh-key", w.key+".pub", "--wait", "--timeout", "10m")
	return w
}

// TestDebian is one real Debian guest, with what only such a guest can show.
func TestDebian(t *testing.T) {
	testkit.Long(t, "3 min")
	w := debian(t)
	t.Run("agent", func(t *testing.T) { agentRuns(t, w) })
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
